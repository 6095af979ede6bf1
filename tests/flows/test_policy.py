"""The policy that counts at a moment is the one in force then, also when an older one came back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from flows.policy import policy_at
from flows.status import read_enrichment
from flows.warehouse import Reader

TABLES = """
create schema ops;
create table ops.runs as select timestamp '2026-11-05 09:00' as as_of;
create table ops.decisions (policy_version text, as_of timestamp);
create table ops.policy_versions as
select version as policy_version, 'enrichment_providers' as policy_table,
    json_object('provider', 'clearbit', 'monthly_budget', budget) as policy_row, as_of
from (values
    ('a', 100, timestamp '2026-11-01 09:00'), ('b', 200, timestamp '2026-11-03 09:00')
) as t(version, budget, as_of);
create table ops.enrichment_calls as
select 1 as call_seq, 'c' as call_id, 'clearbit' as provider, '2026-11' as period,
    'found' as status, null as reason, timestamp '2026-11-05 09:00' as as_of
"""
IN_FORCE = """
create table ops.policies_in_force as
select * from (values
    ('a', timestamp '2026-11-01 09:00'), ('b', timestamp '2026-11-03 09:00'),
    ('a', timestamp '2026-11-05 09:00')
) as t(policy_version, as_of)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "copy.duckdb")) as store:
        store.execute(TABLES)
    return tmp_path / "copy.duckdb"


def _tell(path: Path, statement: str) -> None:
    with duckdb.connect(str(path)) as store:
        store.execute(statement)


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    _tell(path, IN_FORCE)
    with Reader(path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("moment", "version"),
    [
        ("2026-11-01 08:59", None),
        ("2026-11-02 00:00", "a"),
        ("2026-11-03 09:00", "b"),
        ("2026-11-05 08:59", "b"),
        ("2026-11-05 09:00", "a"),
    ],
)
def test_a_policy_that_came_back_is_in_force_again(
    reader: Reader, moment: str, version: str | None
) -> None:
    assert policy_at(reader, datetime.fromisoformat(moment)).version == version


def test_the_budget_is_the_one_in_force(reader: Reader) -> None:
    assert policy_at(reader).version == "a"
    assert [row["monthly_budget"] for row in read_enrichment(reader)] == [100]


def test_a_ledger_that_does_not_say_what_was_in_force_is_read_as_it_was(path: Path) -> None:
    with Reader(path) as reader:
        assert policy_at(reader).version == "b"
        assert [row["monthly_budget"] for row in read_enrichment(reader)] == [200]


def test_a_ledger_that_says_it_from_some_day_on_is_read_as_it_was_until_then(path: Path) -> None:
    _tell(path, f"{IN_FORCE}; delete from ops.policies_in_force where as_of < '2026-11-05'")
    with Reader(path) as reader:
        assert policy_at(reader, datetime.fromisoformat("2026-11-04 00:00")).version == "b"
        assert policy_at(reader).version == "a"
