from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from flows.connectors.base import (
    BatchRefused,
    Receipt,
    Row,
    batches,
    deliver,
    iso,
    millis,
    parse_time,
    read_cursor,
    sort_out,
    text_id,
    write_cursor,
)
from flows.errors import Unauthorised, Unreachable


def accept(call: list[Row]) -> list[Receipt]:
    return [Receipt(row["k"], "accepted") for row in call]


@given(st.lists(st.integers(0, 8)), st.integers(1, 4))
def test_no_call_names_a_record_twice_and_order_per_record_holds(ids: list[int], size: int) -> None:
    rows = [{"k": name, "n": n} for n, name in enumerate(ids)]
    calls = batches(rows, size, ("k",))
    assert sorted(r["n"] for call in calls for r in call) == list(range(len(ids)))
    for call in calls:
        assert 0 < len(call) <= size
        assert len({row["k"] for row in call}) == len(call)
    sent = [row for call in calls for row in call]
    for name in set(ids):
        numbers = [row["n"] for row in sent if row["k"] == name]
        assert numbers == sorted(numbers)


def test_a_refused_call_is_halved_until_the_guilty_row_stands_alone() -> None:
    sizes: list[int] = []

    def send(call: list[Row]) -> list[Receipt]:
        sizes.append(len(call))
        if any(row["k"] == "5" for row in call):
            raise BatchRefused("bad tld")
        return accept(call)

    rows: list[Row] = [{"k": str(n)} for n in range(8)]
    receipts = {r.key: r for r in deliver(batches(rows, 8, ("k",)), "k", send)}
    assert [r.key for r in receipts.values() if r.status == "rejected"] == ["5"]
    assert receipts["5"].reason == "bad tld"
    assert len(receipts) == 8
    assert len(sizes) <= 7


def test_when_the_vendor_is_gone_every_row_still_has_its_receipt() -> None:
    calls = 0

    def send(call: list[Row]) -> list[Receipt]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Unreachable("connection lost", ambiguous=True)
        return accept(call)

    rows: list[Row] = [{"k": str(n)} for n in range(6)]
    receipts = list(deliver(batches(rows, 2, ("k",)), "k", send))
    assert [r.status for r in receipts] == 2 * ["accepted"] + 2 * ["unknown"] + 2 * ["rejected"]
    assert (receipts[-1].reason or "").startswith("not sent: ")
    assert calls == 2


def test_a_refused_credential_leaves_nothing_unknown() -> None:
    def send(call: list[Row]) -> list[Receipt]:
        raise Unauthorised("token expired")

    receipts = list(deliver([[{"k": "1"}], [{"k": "2"}]], "k", send))
    assert [r.status for r in receipts] == ["rejected", "rejected"]


def test_what_is_no_record_is_rejected_and_the_page_goes_on() -> None:
    items = [{"id": "1"}, 7, None, {"id": ""}, {"name": "x"}, {"id": "2", "n": "\ud800"}, {"id": 3}]
    records, rejects = sort_out(items, key=lambda item: text_id(item.get("id")))
    assert [r.key for r in records] == ["1", "3"]
    assert [r.reason.split(":")[0] for r in rejects] == [
        "not a JSON object",
        "not a JSON object",
        "no usable id",
        "no usable id",
        "text that is not valid Unicode",
    ]
    again = sort_out(items, key=lambda item: text_id(item.get("id")))[1]
    assert [r.key for r in again] == [r.key for r in rejects]


def test_every_way_these_vendors_write_a_time_is_read() -> None:
    expected = datetime(2026, 1, 5, 10, tzinfo=UTC)
    for value in (
        "2026-01-05T10:00:00Z",
        "2026-01-05T10:00:00.000Z",
        "2026-01-05T10:00:00.000+0000",
        "2026-01-05T11:00:00+01:00",
        "2026-01-05T10:00:00",
        1767607200000,
        "1767607200000",
    ):
        assert parse_time(value) == expected, value
    for value in (None, "", "2026-02-30T10:00:00Z", "soon", True, 1e30, {}, "9" * 30):
        assert parse_time(value) is None, value


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001
def test_milliseconds_and_text_say_the_same(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert parse_time(millis(aware)) == parse_time(iso(aware))


def test_an_unreadable_cursor_means_a_whole_pull() -> None:
    assert read_cursor(None) == read_cursor("{") == read_cursor("[1]") == {}
    assert read_cursor(write_cursor(b=1, a=None)) == {"a": None, "b": 1}
