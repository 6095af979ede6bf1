"""Score and route invented leads from scratch, beside one query that does the scoring's work.

The leads are laid straight into the tables of the room before (`lead_profiles`, `lead_touches`),
then dbt builds scoring and routing anew. Beside them, on the same tables: (a) one set-based query
over the same rules table that gives points and reasons, and (b) the same rules as literal CASE
columns with the same reasons. Each runs in a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.draw import Candidate, draw_batch
from tests.bench.children import figures_of

if TYPE_CHECKING:
    from flows.warehouse import Warehouse

NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
MOST_MEMORY = "12GB"
ROOMS = ("scoring", "routing")
DRAWS = 200_000

# Titles, industries, countries and touches as often as they are met; ``skew`` picks low numbers
# more often, as few titles and pages are many people's.
TITLES = (
    "Marketing Manager", "Account Executive", "Software Engineer", "Sales Manager", "Consultant",
    "VP of Sales", "Director of Operations", "CEO", "Head of Marketing", "RevOps Manager",
    "Student",
    "Demand Generation Lead", "CTO", "Data Analyst", "Chief Operating Officer", "Intern",
    "Founder", "IT Administrator", "VP Operations", "Procurement Officer", "Product Designer",
)  # fmt: skip
INDUSTRIES = (
    "computer software", "internet", "financial services", "manufacturing", "retail", "insurance",
    "hospital & health care", "education", "logistics", "media", "telecommunications", "energy",
)  # fmt: skip
COUNTRIES = ("us", "gb", "de", "fr", "ca", "au", "in", "nl", "se", "br", "at", "jp", "sg", "ch")


def run(sizes: list[int]) -> list[dict[str, Any]]:
    """Measure every size. Units: seconds, MiB."""
    figures = []
    for size in sizes:
        print(f"bench: scoring {size:,} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="baton-bench-") as home:
            figures_of("tests.bench.scoring", "invent", home, size)
            figures.append(
                {
                    "leads": size,
                    **{
                        what: figures_of("tests.bench.scoring", what, home, size)
                        for what in MEASURED
                    },
                }
            )
    return figures


def draws() -> dict[str, Any]:
    """Draw owners one after another from pools that share reps. Units: seconds, and a second."""
    pools = [
        tuple(Candidate(f"rep{(pool * 3 + place) % 24:02}", 1 + place % 5) for place in range(8))
        for pool in range(12)
    ]
    requests = [pools[number * 7 % 12] for number in range(DRAWS)]
    watch = _Watch()
    drawn, credits = draw_batch(requests, {})
    told = watch.told()
    if len(drawn) != DRAWS or sum(credits.values()):
        raise SystemExit("bench: the draws were not all made, or their credits do not sum to zero")
    return {"draws": DRAWS, "per_second": round(DRAWS / told["seconds"]), **told}


def _measured(what: str, home: str, size: int) -> dict[str, Any]:
    from flows.warehouse import Warehouse

    with Warehouse(Path(home)) as warehouse:
        warehouse.execute(f"set memory_limit = '{MOST_MEMORY}'")
        found = {"invent": _invent, **MEASURED}[what](warehouse, size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {**found, "peak_mib": peak}


class _Watch:
    """Seconds on the wall, and of the processors: what a shared machine does not stretch."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def told(self) -> dict[str, float]:
        return {
            "seconds": round(time.perf_counter() - self._wall, 2),
            "processor_seconds": round(time.process_time() - self._cpu, 2),
        }


# --- the leads ----------------------------------------------------------------------------------


def _invent(warehouse: Warehouse, size: int) -> dict[str, Any]:
    """Build every room empty, then lay the leads where scoring reads them."""
    from flows.ledger import Ledger

    warehouse.prepare()
    warehouse.dbt("seed")
    warehouse.dbt("run", "--exclude", "write_back", "reporting")
    ledger = Ledger(warehouse)
    ledger.begin(NOW, NOW - timedelta(days=90))
    warehouse.execute(
        "insert into staging.stg_salesforce__users by name "
        "select user_id, 'salesforce:user:' || user_id as record_key, 'Rep' as full_name, "
        "true as is_active from policy.reps"
    )
    warehouse.execute(_TOUCHES, [size])
    warehouse.execute(_PROFILES, [list(TITLES), list(INDUSTRIES), list(COUNTRIES), size])
    warehouse.execute(
        "insert into ledger.quality.context_checks by name select 'c' || lead_key as check_id, "
        "lead_key, 'complete' as status, ?::timestamp as as_of from people.lead_profiles "
        "where trigger_at is not null",
        [ledger.as_of],
    )
    return {"touches": warehouse.value("select count(*) from people.lead_touches")}


_TOUCHES = """
insert into people.lead_touches by name
with
    leads as (select i, hash(i, 'touches') % 1000 / 1000.0 as luck from range($1) as r (i)),
    -- Half of the leads did one or two things, a few dozens.
    repeated as (
        select i, unnest(range(floor(1 + 1.2 / (1.02 - luck))::bigint)) as n from leads
        where luck > 0.1
    ),
    kinds as (
        select list(struct_pack(touch_type, label, is_trigger, trigger_rank, is_content)
                    order by is_trigger, is_content desc, priority desc) as kinds
        from policy.touch_types
    ),
    chosen as (
        select
            i, n,
            kinds[1 + floor(len(kinds) * pow(hash(i, n) % 1000 / 1000.0, 2.5))::bigint] as kind,
            timestamp '2026-06-01 15:00:00'
            - to_seconds((hash(n, i) % 31536000)::bigint) as happened_at
        from repeated, kinds
    )
select
    't' || i || '.' || n as touch_key, printf('L%08d', i) as lead_key,
    kind.touch_type, kind.label as touch_label, happened_at as occurred_at,
    'Page ' || hash(n) % 50 as asset, 'https://lumenfold.example/p' || hash(n) % 50 as url,
    kind.is_trigger, kind.trigger_rank, kind.is_content, happened_at as landed_at
from chosen
"""

_PROFILES = """
insert into people.lead_profiles by name
with
    triggers as (
        select
            lead_key,
            count(*) filter (where touch_type like '%page_view') as page_view_count,
            count(*) filter (where touch_type = 'content_download') as download_count,
            count(*) filter (where touch_type = 'email_open') as email_open_count,
            arg_max(touch_type, occurred_at) filter (where is_trigger) as trigger_type,
            max(occurred_at) filter (where is_trigger) as trigger_at
        from people.lead_touches
        group by lead_key
    ),
    leads as (
        select
            i, printf('L%08d', i) as lead_key,
            hash(i, 'a') % 1000 / 1000.0 as a, hash(i, 'b') % 1000 / 1000.0 as b,
            hash(i, 'c') % 1000 / 1000.0 as c, hash(i, 'd') % 1000 / 1000.0 as d
        from range($4) as r (i)
    ),
    described as (
        select
            *,
            -- Every third title has a word of its own, as people write them.
            $1[1 + floor(len($1) * a * a)::bigint]
            || case when i % 3 = 0 then ' ' || hash(i, 'e') % 3000 else '' end as title,
            $2[1 + floor(len($2) * b)::bigint] as industry,
            $3[1 + floor(len($3) * c * c)::bigint] as country,
            floor(pow(10, 4.5 * d * d))::bigint + 1 as employees
        from leads
    )
select
    lead_key, 'p' || i || '@c' || i % 300000 || '.example' as email,
    'First' || i as first_name, 'Last' || i as last_name, 'First' || i || ' Last' || i as full_name,
    case when d > 0.1 then title end as job_title,
    'Company ' || i % 300000 as company_name, 'c' || i % 300000 || '.example' as company_domain,
    case when a > 0.1 then employees end as employee_count,
    case when b > 0.1 then described.industry end as industry,
    case when c > 0.05 then described.country end as country,
    case
        when c > 0.05 then
            case
                when described.country in ('us', 'ca', 'br') then 'amer'
                when described.country in ('au', 'in', 'jp', 'sg') then 'apac'
                else 'emea'
            end
    end as region,
    case when d > 0.7 then 'hubspot;salesforce' when d > 0.5 then 'marketo' end as technology_stack,
    segments.segment,
    case
        when regexp_matches(lower(title), '\\b(ceo|coo|cto|founder|chief)\\b') then 'executive'
        when regexp_matches(lower(title), '\\b(vp|director|head)\\b') then 'director'
        else 'staff'
    end as seniority,
    i % 7 = 0 as is_free_mail, i % 500 = 0 as is_competitor, i % 11 = 0 as has_opted_out,
    false as has_two_names, 'salesforce:' || i % 60000 as account_key,
    case when i % 40 = 0 then (select min(user_id) from policy.reps) end as account_owner_id,
    false as is_converted, 0 as duplicate_count, 'open' as lead_status, 'lead' as crm_stage,
    false as is_mql_in_crm, true as is_open, 't' || i as trigger_key, trigger_type, trigger_at,
    trigger_at as trigger_landed_at, 0 as touch_count_7d,
    coalesce(page_view_count, 0) as page_view_count, coalesce(download_count, 0) as download_count,
    coalesce(email_open_count, 0) as email_open_count,
    'first contact, no prior record' as previous_interactions, 'paid_search' as first_touch_source,
    false as is_handed_over, false as is_adopted
from described
left join triggers using (lead_key)
left join policy.segments as segments
    on employees between segments.min_employees and segments.max_employees
"""


# --- what is measured ---------------------------------------------------------------------------


def _room(room: str) -> Callable[[Warehouse, int], dict[str, Any]]:
    def build(warehouse: Warehouse, size: int) -> dict[str, Any]:
        warehouse.dbt("compile", "--select", room)  # parsing is paid once, whatever the size
        watch = _Watch()
        results = warehouse.dbt("run", "--full-refresh", "--select", room).results
        told = watch.told()
        rows = warehouse.value("select count(*) from scoring.lead_scores")
        if rows != size:
            raise SystemExit(f"bench: {rows} leads were scored of {size}")
        models = {
            one.node.name: round(one.execution_time, 2)
            for one in results
            if hasattr(one.node, "name") and one.execution_time >= 0.05
        }
        return {**told, "models": models, **_routed(warehouse)}

    return build


def _routed(warehouse: Warehouse) -> dict[str, Any]:
    return {
        "due": warehouse.value("select count(*) from routing.lead_routes where decision = 'mql'"),
        "candidates": warehouse.value("select count(*) from routing.lead_candidates"),
    }


def _set_based(warehouse: Warehouse, size: int) -> dict[str, Any]:
    columns = _columns_read(warehouse)
    casts = ", ".join(f"{column}::varchar as {column}" for column in columns)
    return _timed(
        warehouse, _SET_BASED.format(casts=casts, columns=", ".join(columns), decay=_DECAY)
    )


def _literal(warehouse: Warehouse, size: int) -> dict[str, Any]:
    """Write each rule out as the CASE column that somebody would have written without a table."""
    columns = _columns_read(warehouse)
    rules = warehouse.rows("select * from policy.scoring_rules order by rule_id")
    touches = sorted({rule["attribute"] for rule in rules} - set(columns))
    counted = ", ".join(
        f"count(*) filter (where touch_type = '{touch}') as {touch}, "
        f"max(occurred_at) filter (where touch_type = '{touch}') as {touch}_at"
        for touch in touches
    )
    points = ", ".join(f"{_case(rule, touches)} as {rule['rule_id']}" for rule in rules)
    sums = ", ".join(
        "least(" + " + ".join(
            f"coalesce({rule['rule_id']}, 0)" for rule in rules if rule["dimension"] == dimension
        ) + f", {cap})::integer as {dimension}_points"
        for dimension, cap in (
            (row["dimension"], row["max_points"])
            for row in warehouse.rows("select * from policy.score_caps order by dimension")
        )
    )  # fmt: skip
    reasons = ", ".join(
        f"{{'weight': -abs({rule['rule_id']}), 'rule_id': '{rule['rule_id']}', "
        f"'points': {rule['rule_id']}, 'reason': '{_quoted(rule['reason'])}'}}"
        for rule in rules
    )
    return _timed(
        warehouse,
        _LITERAL.format(counted=counted, points=points, sums=sums, reasons=reasons),
    )


def _case(rule: dict[str, Any], touches: list[str]) -> str:
    value, name = _quoted(rule["value"]), rule["attribute"]
    if name in touches:
        name = f"nullif({name}, 0)"
    low, _, high = value.partition("|")
    listed = ", ".join(f"'{one.lower()}'" for one in value.split("|"))
    condition = {
        "eq": f"lower({name}::varchar) = '{value.lower()}'",
        "in": f"lower({name}::varchar) in ({listed})",
        "at_least": f"{name} >= {low}",
        "at_most": f"{name} <= {low}",
        "between": f"{name} between {low} and {high}",
        "matches": f"regexp_matches(lower({name}), '{value}')",
        "is_set": f"({name} is not null) = {value}",
    }[rule["operator"]]
    worth = str(rule["points"])
    if rule["half_life_days"] and rule["attribute"] in touches:
        age = f"date_diff('second', {rule['attribute']}_at, timestamp '{NOW:%Y-%m-%d %H:%M:%S}')"
        half_life = float(rule["half_life_days"]) * 86400
        worth = f"round({worth} * pow(0.5, {age} / {half_life}))::integer"
    return f"case when {condition} then {worth} end"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _columns_read(warehouse: Warehouse) -> list[str]:
    """Name the columns of the profile that rules read; their other attributes are touch types."""
    return [
        row["attribute"]
        for row in warehouse.rows(
            "select distinct attribute from policy.scoring_rules where attribute in "
            "(select column_name from (describe people.lead_profiles)) order by attribute"
        )
    ]


def _timed(warehouse: Warehouse, query: str) -> dict[str, Any]:
    """Run a query into a table, and hold its rows against what the room says of the same leads."""
    watch = _Watch()
    warehouse.execute(f"create or replace table bench as {query}")
    told = watch.told()
    other = warehouse.value(
        "select count(*) from scoring.lead_scores as ours full join bench using (lead_key) "
        "where ours.fit_points is distinct from bench.fit_points "
        "or ours.intent_points is distinct from bench.intent_points "
        "or ours.score_reasons is distinct from bench.score_reasons"
    )
    if other:
        raise SystemExit(f"bench: {other} leads are not scored as the room scores them: {query}")
    warehouse.execute("drop table bench")
    return told


_DECAY = f"date_diff('second', observed_at, timestamp '{NOW:%Y-%m-%d %H:%M:%S}')"

_SET_BASED = """
with
    attributes as (
        select lead_key, attribute, value, null::timestamp as observed_at
        from (select lead_key, {casts} from people.lead_profiles)
        unpivot (value for attribute in ({columns}))
        union all
        select lead_key, touch_type, count(*)::varchar, max(occurred_at)
        from people.lead_touches
        group by lead_key, touch_type
    ),
    held as (select *, try_cast(value as double) as number from attributes),
    rules as (
        select
            *,
            try_cast(split_part(value, '|', 1) as double) as number,
            try_cast(split_part(value, '|', 2) as double) as upper
        from policy.scoring_rules
    ),
    matched as (
        select
            lead_key, dimension, rule_id, reason,
            case
                when half_life_days is null or observed_at is null then points
                else round(points * pow(0.5, {decay} / (half_life_days * 86400.0)))::integer
            end as points
        from held
        inner join rules using (attribute)
        where case operator
            when 'eq' then lower(held.value) = lower(rules.value)
            when 'in' then list_contains(string_split(lower(rules.value), '|'), lower(held.value))
            when 'at_least' then held.number >= rules.number
            when 'at_most' then held.number <= rules.number
            when 'between' then held.number between rules.number and rules.upper
            when 'matches' then regexp_matches(lower(held.value), rules.value)
            when 'is_set' then rules.value = 'true'
        end
    ),
    summed as (
        select
            lead_key,
            sum(points) filter (where dimension = 'fit') as fit_points,
            sum(points) filter (where dimension = 'intent') as intent_points,
            string_agg(printf('%+d ', points) || reason, '; ' order by abs(points) desc, rule_id)
                filter (where points <> 0) as score_reasons
        from matched
        group by lead_key
    )
select
    lead_key,
    least(coalesce(fit_points, 0), fit.max_points)::integer as fit_points,
    least(coalesce(intent_points, 0), intent.max_points)::integer as intent_points,
    score_reasons
from people.lead_profiles
left join summed using (lead_key)
inner join policy.score_caps as fit on fit.dimension = 'fit'
inner join policy.score_caps as intent on intent.dimension = 'intent'
"""

_LITERAL = """
with
    counted as (select lead_key, {counted} from people.lead_touches group by lead_key),
    scored as (
        select profiles.lead_key, {points}
        from people.lead_profiles as profiles
        left join counted using (lead_key)
    )
select
    lead_key, {sums},
    nullif(array_to_string(list_transform(
        list_sort(list_filter([{reasons}], lambda one: one.points <> 0)),
        lambda one: printf('%+d ', one.points) || one.reason
    ), '; '), '') as score_reasons
from scored
"""

MEASURED: dict[str, Callable[[Any, int], dict[str, Any]]] = {
    **{room: _room(room) for room in ROOMS},
    "set_based": _set_based,
    "literal": _literal,
}


def table(figures: list[dict[str, Any]], drawn: dict[str, Any]) -> str:
    """Lay the figures out, one line per size and thing measured."""
    names = {"set_based": "(a) one set-based query", "literal": "(b) literal CASE columns"}
    heads = ("leads", "seconds", "of (a)", "processor", "of (a)", "peak MiB")
    lines = [f"{'scoring from scratch':<26}" + "".join(f"{head:>12}" for head in heads)]
    for one in figures:
        least = one["set_based"]
        for what in MEASURED:
            wall, cpu = one[what]["seconds"], one[what]["processor_seconds"]
            lines.append(
                f"{names.get(what, what):<26}{one['leads']:>12,}"
                f"{wall:>12,.2f}{wall / least['seconds']:>12.2f}"
                f"{cpu:>12,.2f}{cpu / least['processor_seconds']:>12.2f}"
                f"{one[what]['peak_mib']:>12,}"
            )
        due, considered = one["routing"]["due"], one["routing"]["candidates"]
        lines.append(f"  {due:,} of them due for an owner, {considered:,} candidates considered")
    lines.append(
        f"{'draws':<26}{drawn['draws']:>12,}{drawn['seconds']:>12,.2f}{'':>12}"
        f"{drawn['processor_seconds']:>12,.2f}   {drawn['per_second']:,} a second"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    what, home, size = sys.argv[1:]
    print(json.dumps(_measured(what, home, int(size))))
