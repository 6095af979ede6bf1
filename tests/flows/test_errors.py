from __future__ import annotations

import inspect
import pickle

import pytest

from flows import errors
from flows.errors import (
    Forbidden,
    PipelineError,
    RateLimited,
    RowsRejected,
    SourceError,
    Unreachable,
    VendorError,
    WarehouseBusy,
    is_refused,
    mask,
)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer 00Dxx0000001gPL!AQEAQHsecretsecret",
        "token=abcdef123456",
        '{"access_token": "s3cr3tvalue", "x": 1}',
        "client_secret=s3cr3tvalue&grant_type=client_credentials",
        "pat-na1-11112222-3333-secret",
        "xoxb-123456-secretsecret",
        "eyJhbGciOi.eyJzdWIiOi.secretsecret",
        "https://hooks.slack.example/services/T000/B000/secretsecret",
        "postgres://user:secret@db/x",
    ],
)
def test_what_looks_like_a_credential_is_hidden(text: str) -> None:
    hidden = mask(text)
    assert "secret" not in hidden.replace("client_secret", "")
    assert "s3cr3t" not in hidden
    assert "abcdef" not in hidden
    assert mask(hidden) == hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Contact ada.lovelace@acme.example exists", "Contact a***@acme.example exists"),
        ("?email=ada%40acme.example&x=1", "?email=a***%40acme.example&x=1"),
        ("<o'neil+x@sub.acme.example>", "<o***@sub.acme.example>"),
        ("<key-1@lumenfold.example>", "<k***@lumenfold.example>"),
        ("a@b", "a@b"),
        ("no address here", "no address here"),
    ],
)
def test_of_an_address_only_the_first_letter_and_the_domain_stay(text: str, hidden: str) -> None:
    assert mask(text) == hidden
    assert mask(hidden) == hidden


def test_a_very_long_word_is_masked_in_no_time() -> None:
    long = "a" * 200_000
    assert mask(long) == long


def test_an_error_reads_as_sentences() -> None:
    error = RowsRejected(
        "3 of 250 updates rejected",
        address="hubspot.contacts",
        key="4711",
        answer="owner 88 is inactive",
        state="Nothing else was changed",
        next_step="Fix pool_members.csv, then run again",
    )
    assert str(error) == (
        'hubspot.contacts: 3 of 250 updates rejected (record 4711): the answer was "owner 88 is '
        'inactive". Nothing else was changed. Fix pool_members.csv, then run again.'
    )


def test_a_vendors_essay_is_cut() -> None:
    assert len(str(VendorError("no", answer="word " * 500))) < 400


def test_every_class_stands_in_the_tree_at_the_top() -> None:
    classes = [
        item
        for item in vars(errors).values()
        if inspect.isclass(item) and issubclass(item, PipelineError)
    ]
    assert len(classes) >= 14
    for item in classes:
        assert item.__name__ in (errors.__doc__ or "")
        assert item.__doc__


def test_a_server_error_may_pass_and_a_refusal_will_not() -> None:
    assert VendorError("x", status=503).retryable
    assert VendorError("x", status=423).retryable
    assert not VendorError("x", status=400).retryable
    assert RateLimited("x").retryable
    assert not RateLimited("x", exhausted=True).retryable
    assert WarehouseBusy("x", holder="pid 1").retryable
    assert not PipelineError("x").retryable


def test_only_what_was_not_granted_or_not_bought_counts_as_refused() -> None:
    assert is_refused(Forbidden("status 403"))
    assert is_refused(VendorError("status 404", status=404))
    assert not is_refused(VendorError("status 400", status=400))
    assert not is_refused(Unreachable("no connection"))


def test_an_error_survives_pickling_and_leaves_the_answer_body_behind() -> None:
    error = RateLimited("x", status=429, retry_after=3.0, body={"email": "ada@acme.example"})
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, SourceError)
    assert (str(copy), copy.status, copy.retry_after) == (str(error), 429, 3.0)  # type: ignore[attr-defined]
    assert copy.body is None
    assert error.body == {"email": "ada@acme.example"}
