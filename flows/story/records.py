"""What is known of a lead: its records, values, stages and touches, now or by the end of a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from flows.errors import WarehouseError
from flows.policy import Row
from flows.warehouse import Reader

TOUCHES = 15
# A condition on rows of the ledger; its parameter is what `recorded_keys` returns.
OF_LEAD = "lead_key in (select unnest(?::varchar[]))"


def first(reader: Reader, query: str, *parameters: Any) -> Row:
    """Return the first row of a query; empty where there is none."""
    found = reader.rows(query, parameters)
    return found[0] if found else {}


def recorded_keys(reader: Reader, key: str) -> list[str]:
    """Return every key a person was recorded under: those minted for the records it has by now.

    The ledger keeps the key of then; after a merge the joined person goes by the oldest.
    """
    rows = reader.rows(
        "select ? as lead_key union select keys.lead_key from ops.lead_keys as keys "
        "inner join people.people as people on keys.record_key = people.record_key "
        "where people.lead_key = ? order by 1",
        [key, key],
    )
    return [row["lead_key"] for row in rows]


def read_records(reader: Reader, key: str, until: datetime, as_of: date | None) -> list[Row]:
    """Return the records that are this person, or were seen as this person on a day."""
    held = "from ops.lead_keys where false"
    if as_of and reader.holds("ops.memberships"):
        held = "from ops.memberships where as_of <= $2"
    records = reader.rows(
        f"""
        with
            held as (
                select record_key, arg_max(lead_key, as_of) as lead_key
                from (select record_key, lead_key, as_of {held})
                group by record_key
            )
        select people.record_key, people.system, people.object, people.email, people.full_name,
            people.created_at, people.is_deleted, people.lead_key
        from people.people as people
        left join held on people.record_key = held.record_key
        where coalesce(held.lead_key, people.lead_key) = $1
            and coalesce(people.created_at <= $2, true)
        order by people.created_at nulls last, people.record_key
        """,
        [key, until],
    )
    if as_of and not records:
        oldest = first(
            reader, "select min(created_at) as at from people.people where lead_key = ?", key
        )["at"]
        raise WarehouseError(
            f"nothing was known of this lead on {as_of}",
            key=key,
            next_step=f"Its first record is of {oldest:%Y-%m-%d}: ask for that day or a later one",
        )
    for row in records:
        row["belongs_to"] = row.pop("lead_key")
    return records


def read_facts(reader: Reader, key: str) -> list[Row]:
    """Return the value believed of each field, and whose it is."""
    if not reader.holds("people.lead_facts"):
        return []
    return reader.rows(
        "select field, value, source, provider, evidence_key, retrieved_at "
        "from people.lead_facts where lead_key = ? order by field",
        [key],
    )


def read_lookups(reader: Reader, keys: Sequence[str], until: datetime) -> list[Row]:
    """Return what providers were asked, and how each call stood."""
    if not reader.holds("ops.enrichment_calls"):
        return []
    return reader.rows(
        "select provider, kind, status, reason, attempt, ask_again_at, as_of "
        f"from ops.enrichment_calls where {OF_LEAD} and as_of <= ? "
        "qualify row_number() over (partition by call_id order by call_seq desc) = 1 "
        "order by call_seq",
        [keys, until],
    )


def read_stages(reader: Reader, key: str, until: datetime, as_of: date | None) -> list[Row]:
    """Return the stages believed now, or those believed at the end of a day."""
    believed = "known_at <= ? and (known_until is null or known_until > ?)"
    return reader.rows(
        "select lifecycle_stage, entered_at, left_at, known_at, known_until, known_by, evidence, "
        "is_backward, is_passed_over, flag from lifecycle.lead_stage_history where lead_key = ? "
        f"and {'is_current' if as_of is None else believed} order by stage_number",
        [key] if as_of is None else [key, until, until],
    )


def read_touches(reader: Reader, key: str, until: datetime) -> list[Row]:
    """Return the last touches that had happened and reached us."""
    return reader.rows(
        "select occurred_at, touch_type, touch_label, asset, url, campaign, is_trigger "
        "from people.lead_touches where lead_key = ? "
        "and coalesce(landed_at, occurred_at) <= ? and occurred_at <= ? "
        "order by occurred_at desc limit ?",
        [key, until, until, TOUCHES],
    )[::-1]


def read_not_known_yet(
    reader: Reader, key: str, until: datetime, facts: Iterable[Row]
) -> list[Row]:
    """Name what is known today of that day or before and was not known then."""
    stages = reader.rows(
        "select lifecycle_stage as what, entered_at as happened_at, known_at as learned_at, "
        "evidence as by from lifecycle.lead_stage_history where lead_key = ? and is_current "
        "and known_at > ? and (entered_at is null or entered_at <= ?) order by stage_number",
        [key, until, until],
    )
    touches = reader.rows(
        "select touch_label || coalesce(': ' || asset, '') as what, occurred_at as happened_at, "
        "landed_at as learned_at, touch_type as by from people.lead_touches "
        "where lead_key = ? and occurred_at <= ? and landed_at > ? order by occurred_at",
        [key, until, until],
    )
    learned = [
        {
            "kind": "value",
            "what": row["field"],
            "happened_at": None,
            "learned_at": row["retrieved_at"],
            "by": row["evidence_key"],
        }
        for row in facts
    ]
    return [
        *learned,
        *({"kind": "stage", **row} for row in stages),
        *({"kind": "touch", **row} for row in touches),
    ]


def read_flags(reader: Reader, key: str, profile: Mapping[str, Any]) -> list[str]:
    """Return what stands against believing a record, in words."""
    rows = reader.rows(
        """
        with records as (select record_key from people.people where lead_key = $1)
        select record_key || ': ' || reason as told
        from reporting.rpt_flagged_records
        where record_key in (select record_key from records)
        union
        select address || ' ' || quarantine.record_key || ': ' || reason
        from ops.quarantine as quarantine
        inner join people.people as people
            on people.lead_key = $1
            and quarantine.record_key = people.record_id
            and starts_with(quarantine.address, people.system || '.' || people.object)
        order by 1
        """,
        [key],
    )
    told = [str(row["told"]) for row in rows]
    if profile.get("has_opted_out"):
        told.append("has opted out: gets no e-mail from us")
    if profile.get("lacks_consent"):
        told.append("has not agreed to be written to, which its country asks for")
    if profile.get("may_be_called") is False:
        told.append("is not to be called")
    if (profile.get("duplicate_count") or 0) > 0:
        told.append(f"{profile['duplicate_count']} more records in the CRM are duplicates of this")
    return told
