"""The public Olist funnel, 8,000 leads of another company: recomputed from its own two files.

The files are not part of this repository; where they are not beside it, these tests skip.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.olist import DEALS, LEADS
from sandbox.server import Sandbox
from tests.e2e.stage import Stage
from tests.house import ROOT

FUNNEL = next(ROOT.parent.glob(f"*/data/olist-funnel/{LEADS}"), Path(LEADS)).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (FUNNEL / LEADS).is_file(), reason="the Olist files are not beside this repository"
    ),
]


def read(name: str) -> list[dict[str, str]]:
    with (FUNNEL / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def leads() -> dict[str, dict[str, str]]:
    return {row["mql_id"]: row for row in read(LEADS)}


@pytest.fixture(scope="module")
def deals() -> dict[str, dict[str, str]]:
    return {row["mql_id"]: row for row in read(DEALS)}


@pytest.fixture(scope="module")
def stage(set_up: Callable[..., Stage]) -> Stage:
    box = Sandbox(olist=FUNNEL, limits=False).start()
    stage = set_up(
        box, lives=False, BATON_HUBSPOT_REQUESTS_PER_10S=0, BATON_HUBSPOT_SEARCHES_PER_SECOND=0
    )
    try:
        told = stage.sync()
        stage.told = told  # type: ignore[attr-defined]
        stage.seen = stage.writes(), stage.messages()  # type: ignore[attr-defined]
    finally:
        box.stop()
    return stage


@pytest.fixture(scope="module")
def lifecycle(stage: Stage) -> dict[str, dict[str, Any]]:
    rows = stage.rows("select * from lifecycle.lead_lifecycle")
    return {row["email"].partition("@")[0]: row for row in rows}


def test_nobody_is_told_and_nothing_is_written(stage: Stage) -> None:
    told = stage.told  # type: ignore[attr-defined]
    assert stage.seen == ([], {})  # type: ignore[attr-defined]
    assert (told.messages, told.written, told.mql, told.quarantined) == (0, {}, 0, 0)


def test_every_lead_of_the_file_is_one_lead(
    lifecycle: dict[str, dict[str, Any]], leads: dict[str, dict[str, str]]
) -> None:
    assert len(leads) == 8000
    assert lifecycle.keys() == leads.keys()


def test_every_deal_is_a_customer_on_the_day_it_was_won(
    lifecycle: dict[str, dict[str, Any]], deals: dict[str, dict[str, str]]
) -> None:
    won = {key: row["won_date"][:10] for key, row in deals.items()}
    assert len(won) == 842
    customers = {
        key: f"{row['customer_at']:%Y-%m-%d}"
        for key, row in lifecycle.items()
        if row["lifecycle_stage"] == "customer"
    }
    assert customers == won


def test_origins_stand_to_the_letter_and_their_channel_is_the_policy_s(
    lifecycle: dict[str, dict[str, Any]], leads: dict[str, dict[str, str]]
) -> None:
    told = {key: row["first_touch_source_detail"] for key, row in lifecycle.items()}
    assert told == {key: row["origin"] or None for key, row in leads.items()}
    assert Counter(told.values())[None] == 60
    assert Counter(told.values())["unknown"] == 1099
    channels = {
        (row["first_touch_source_detail"], row["first_touch_source"]) for row in lifecycle.values()
    }
    assert channels == {
        ("organic_search", "organic_search"),
        ("paid_search", "paid_search"),
        ("social", "organic_social"),
        ("email", "email"),
        ("direct_traffic", "direct"),
        ("referral", "referral"),
        ("display", "display"),
        ("other_publicities", "other"),
        ("other", "other"),
        ("unknown", "unknown"),
        (None, "offline"),
    }


def test_the_deal_won_before_its_first_contact_is_flagged(
    lifecycle: dict[str, dict[str, Any]],
    leads: dict[str, dict[str, str]],
    deals: dict[str, dict[str, str]],
) -> None:
    early = {
        key for key, deal in deals.items() if deal["won_date"] < leads[key]["first_contact_date"]
    }
    assert early
    for key in early:
        day = datetime.fromisoformat(deals[key]["won_date"]).replace(tzinfo=UTC)
        assert f"{day:%Y-%m-%d}" in str(lifecycle[key]["stage_flags"]), lifecycle[key][
            "stage_flags"
        ]
