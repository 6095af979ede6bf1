"""The context check: which leads may be handed over, and what is missing in the others.

The suite says what must be there; Great Expectations says of which leads it is not. Afterwards
every lead has one status: ``complete``, ``incomplete`` (something of severity critical or warning
is missing) or ``errored`` (an expectation could not be judged, which is an alarm and never a gap).
Nothing is kept between runs: the same rows and suite give the same answer.
"""

from __future__ import annotations

import hashlib
import html
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import orjson
import yaml

from flows.errors import ContextError, mask, shorten
from flows.warehouse import ROOT, Warehouse

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # worst first
CHUNK_ROWS = 20_000  # Great Expectations copies what it is given several times
KEY = "lead_key"
SUITE = ROOT / "expectations" / "lead_profiles.yml"
TOUCHED_OPEN = """
    select * from people.lead_profiles
    where is_open and lead_key in (select lead_key from people.leads_touched)
    order by lead_key
"""
# Whoever filled in the form can be asked again, so the form answers before the campaign.
ORIGINS = ("submitted_form", "first_touch_campaign")


@dataclass(frozen=True, slots=True)
class Entry:
    """One expectation of the suite: the field it is about, and what the gap means to people."""

    type: str
    field: str
    kwargs: dict[str, Any]
    severity: Severity
    owner: str
    why: str
    fix: str

    @property
    def row_condition(self) -> str | None:
        """The rows the entry is about, in pandas' words; None is all of them."""
        return self.kwargs.get("row_condition")


@dataclass(frozen=True, slots=True)
class Suite:
    """An expectation suite. The hash is that of its meaning: comments and layout do not count."""

    name: str
    hash: str
    entries: tuple[Entry, ...]


@dataclass(slots=True)
class Validation:
    """What became of one entry, in numbers only: nothing in it names a person."""

    entry: Entry
    evaluated: int = 0
    unexpected: int = 0
    errored: int = 0


@dataclass(frozen=True, slots=True)
class Alarm:
    """An entry that could not be judged. The leads it concerns are not handed over."""

    field: str
    expectation: str
    reason: str
    leads: int

    def __str__(self) -> str:
        """Return the sentence for the person on call."""
        return (
            f"{self.expectation} on {self.field} could not be judged for {self.leads} leads "
            f'("{self.reason}"). They are not handed over until it is.'
        )


@dataclass(slots=True)
class CheckResult:
    """One dictionary per row of ``quality.context_checks`` and of ``quality.context_gaps``."""

    suite_hash: str
    checks: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)


def load_suite(path: Path) -> Suite:
    """Read a suite of expectations, without loading Great Expectations.

    Raises: ContextError naming the entry that cannot be understood.
    """
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ContextError(f"{path.name} cannot be read", answer=str(error)) from error
    if not isinstance(listed, list) or not listed:
        raise ContextError(f"{path.name} is not a list of expectations")
    entries = tuple(_entry(f"{path.name} entry {at}", item) for at, item in enumerate(listed, 1))
    steady = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    meaning = orjson.dumps(listed, option=steady, default=str)
    return Suite(path.stem, hashlib.sha256(meaning).hexdigest()[:16], entries)


def suite() -> Suite:
    """Read the suite of ``lead_profiles``, the only one a sync checks."""
    return load_suite(SUITE)


def check_context(warehouse: Warehouse) -> CheckResult:
    """Judge the open leads this run touches, as ``lead_profiles`` has them now."""
    return check_profiles(warehouse.frames(TOUCHED_OPEN, CHUNK_ROWS), suite())


def check_profiles(
    profiles: pd.DataFrame | Iterable[pd.DataFrame], suite: Suite, chunk_rows: int = CHUNK_ROWS
) -> CheckResult:
    """Judge every lead of ``lead_profiles`` by the suite.

    Grain: one check per lead; one gap per lead and field, the most severe where several
    expectations name one field. Blank text is missing. Raises: ContextError for an expectation
    that Great Expectations does not know, or rows without a lead_key.
    """
    result = CheckResult(suite.hash, validations=[Validation(entry) for entry in suite.entries])
    expectations: Any = None
    for chunk in _chunks(profiles, chunk_rows):
        if expectations is None:  # the first one pays six seconds of imports, so no rows pay none
            expectations = _GreatExpectations(suite)
        _check_chunk(chunk, suite, expectations, result)
    result.alarms = _merged(result.alarms)
    return result


def write_data_docs(
    result: CheckResult, suite: Suite, directory: Path, as_of: datetime | None = None
) -> Path:
    """Write the numbers of one check as ``<suite>.html``; no value and no key of a lead is in it.

    Great Expectations' own renderer is not used: its pages load styles and scripts from six hosts
    on the internet and carry samples of failing values.
    """
    directory.mkdir(parents=True, exist_ok=True)
    page = directory / f"{suite.name}.html"
    # Whoever has the page open sees the old one or the new one, never half of it.
    unfinished = page.with_suffix(".html.part")
    unfinished.write_text(_page(result, suite, as_of), encoding="utf-8")
    os.replace(unfinished, page)
    return page


# --- reading the suite -------------------------------------------------------------------------


def _entry(where: str, item: Any) -> Entry:
    if not isinstance(item, Mapping) or set(item) != {"type", "kwargs", "severity", "meta"}:
        raise ContextError(f"{where} needs exactly type, kwargs, severity and meta")
    if item["severity"] not in SEVERITIES:
        raise ContextError(f"{where} has severity {item['severity']!r}, not {_or(SEVERITIES)}")
    if not isinstance(item["kwargs"], Mapping) or not isinstance(item["meta"], Mapping):
        raise ContextError(f"{where} has kwargs or meta that are not names with values")
    words = {name: str(item["meta"].get(name) or "").strip() for name in ("owner", "why", "fix")}
    if blank := [name for name, word in words.items() if not word]:
        raise ContextError(f"{where} does not say its {_or(blank)}")
    kwargs = dict(item["kwargs"])
    columns = kwargs.get("column_list") or [
        kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs
    ]
    if not columns:
        raise ContextError(
            f"{where} ({item['type']}) is about no column",
            next_step="Volumes and freshness are judged elsewhere; a suite is about single leads",
        )
    if ("row_condition" in kwargs) != (kwargs.get("condition_parser") == "pandas"):
        raise ContextError(f"{where} needs condition_parser: pandas beside its row_condition")
    named = ", ".join(map(str, columns))
    return Entry(str(item["type"]), named, kwargs, item["severity"], **words)


def _or(words: Iterable[str]) -> str:
    return " or ".join(words)


# --- judging -----------------------------------------------------------------------------------


def _chunks(
    profiles: pd.DataFrame | Iterable[pd.DataFrame], chunk_rows: int
) -> Iterator[pd.DataFrame]:
    frames: Any = [profiles] if hasattr(profiles, "columns") else profiles
    for frame in frames:
        for start in range(0, len(frame), chunk_rows):
            # The fresh, unnamed index is what Great Expectations answers with: places in the chunk.
            chunk = frame.iloc[start : start + chunk_rows].reset_index(drop=True)
            if KEY not in chunk or chunk[KEY].isna().any():
                raise ContextError(f"Rows to check came without a {KEY}")
            yield _without_blanks(chunk)


def _without_blanks(frame: pd.DataFrame) -> pd.DataFrame:
    """Forms send empty strings and stray spaces for questions nobody answered."""
    filled = {}
    for name, column in frame.select_dtypes(include=["object", "string"]).items():
        blank = [isinstance(value, str) and not value.strip() for value in column.tolist()]
        if any(blank):
            filled[str(name)] = column.mask(blank, None)
    return frame.assign(**filled)


def _check_chunk(
    frame: pd.DataFrame, suite: Suite, expectations: _GreatExpectations, result: CheckResult
) -> None:
    errored: set[int] = set()
    missing: dict[int, dict[str, Entry]] = {}
    for at, answer in expectations.validate(frame):
        entry, validation = suite.entries[at], result.validations[at]
        if isinstance(answer, str):
            concerned = _concerned(frame, entry)
            errored.update(concerned)
            validation.errored += len(concerned)
            result.alarms.append(Alarm(entry.field, entry.type, answer, len(concerned)))
            continue
        evaluated, unexpected = answer
        validation.evaluated += evaluated
        validation.unexpected += len(unexpected)
        for place in unexpected:
            known = missing.setdefault(place, {})
            if entry.field not in known or _rank(entry) < _rank(known[entry.field]):
                known[entry.field] = entry
    leads = zip(frame[KEY].tolist(), _origins(frame), strict=True)
    for place, (key, origin) in enumerate(leads):
        gaps = sorted(missing.get(place, {}).values(), key=_rank)
        thin = any(entry.severity != "info" for entry in gaps)
        status = "errored" if place in errored else "incomplete" if thin else "complete"
        named = ", ".join(entry.field for entry in gaps) or None
        result.checks.append({KEY: key, "status": status, "gaps": named})
        result.gaps.extend(_gap(key, entry, origin) for entry in gaps)


def _rank(entry: Entry) -> int:
    return SEVERITIES.index(entry.severity)


def _gap(key: Any, entry: Entry, origin: str | None) -> dict[str, Any]:
    return {
        KEY: key,
        "field": entry.field,
        "severity": entry.severity,
        "owner": entry.owner,
        "why": entry.why,
        "fix": entry.fix,
        "origin": origin,
    }


def _origins(frame: pd.DataFrame) -> list[str | None]:
    """The form or campaign that let each lead through without what is missing."""
    origins: list[str | None] = [None] * len(frame)
    for column in reversed([name for name in ORIGINS if name in frame]):
        here = frame[column].notna()
        origins = [
            str(value) if there else before
            for value, there, before in zip(frame[column], here, origins, strict=True)
        ]
    return origins


def _concerned(frame: pd.DataFrame, entry: Entry) -> list[int]:
    """The places of the leads an entry is about; all, when even its condition cannot be read."""
    if entry.row_condition:
        try:
            return list(frame.query(entry.row_condition).index)
        except Exception:  # noqa: BLE001  pandas raises anything for a condition it cannot read
            return list(frame.index)
    return list(frame.index)


def _merged(alarms: Iterable[Alarm]) -> list[Alarm]:
    """One alarm per entry and reason, however many chunks raised it."""
    leads: dict[tuple[str, str, str], int] = {}
    for alarm in alarms:
        what = (alarm.field, alarm.expectation, alarm.reason)
        leads[what] = leads.get(what, 0) + alarm.leads
    return [Alarm(*what, count) for what, count in leads.items()]


# --- Great Expectations ------------------------------------------------------------------------


class _GreatExpectations:
    """The suite inside Great Expectations, on a context that lives in memory only."""

    def __init__(self, suite: Suite) -> None:
        # Imported here because it takes six seconds, and most commands check nothing.
        import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )
        from great_expectations.expectations.registry import get_expectation_impl
        from great_expectations.expectations.row_conditions import PassThroughCondition

        in_memory = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
        config = DataContextConfig(
            store_backend_defaults=in_memory,
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
        )
        context = gx.get_context(mode="ephemeral", project_config=config)
        asset = context.data_sources.add_pandas("leads").add_dataframe_asset(suite.name)
        self._batches = asset.add_batch_definition_whole_dataframe("chunk")
        known = []
        for at, entry in enumerate(suite.entries):
            kwargs = {**entry.kwargs, "severity": entry.severity, "meta": {"at": at}}
            if entry.row_condition:
                # What it makes of a condition in words, but without announcing its deprecation.
                words = PassThroughCondition(pass_through_filter=entry.row_condition)
                kwargs |= {"row_condition": words, "condition_parser": None}
            try:
                expectation: Any = get_expectation_impl(entry.type)
                known.append(expectation(**kwargs))
            except Exception as error:
                raise ContextError(
                    f"{suite.name} entry {at + 1} is not an expectation Great Expectations knows",
                    key=f"{entry.type} on {entry.field}",
                    answer=str(error),
                ) from error
        self._entries = suite.entries
        self._suite = gx.ExpectationSuite(name=suite.name, expectations=known)

    def validate(self, frame: pd.DataFrame) -> Iterator[tuple[int, str | tuple[int, list[int]]]]:
        """Per entry, by its place: rows looked at and places that fail, or why it was not judged.

        Asked for places instead of ``unexpected_index_column_names``: that fetches every failing
        value one by one, which takes several times as long and carries people's data about.
        """
        batch = self._batches.get_batch({"dataframe": frame})
        outcome = batch.validate(self._suite, result_format={"result_format": "COMPLETE"})
        for answer in outcome.results:
            config: Any = answer.expectation_config
            yield config.meta["at"], _judged(answer, self._entries[config.meta["at"]])


def _judged(answer: Any, entry: Entry) -> str | tuple[int, list[int]]:
    # Either one report, or one for each metric that was needed.
    reports = answer.exception_info
    reports = [reports] if "raised_exception" in reports else list(reports.values())
    for report in reports:
        if report["raised_exception"]:
            return _without_values(str(report["exception_message"]), entry)
    if "unexpected_count" not in answer.result:
        return "it judges the table as a whole, not single leads"
    places = list(answer.result.get("unexpected_index_list") or [])
    # A list shorter than its count (as the SQL path returns) would let thin leads pass.
    if len(places) != answer.result["unexpected_count"]:
        return f"{answer.result['unexpected_count']} leads fail and {len(places)} were named"
    return answer.result["element_count"], places


def _without_values(message: str, entry: Entry) -> str:
    """An exception's words without what it quotes from a lead; what the suite says may stay."""
    written = str(entry.kwargs)

    def quoted(found: re.Match[str]) -> str:
        return found[0] if found[2] in written else f"{found[1]}***{found[1]}"

    return shorten(mask(re.sub(r"""(["'])(.*?)\1""", quoted, message, flags=re.DOTALL)))


# --- the page ----------------------------------------------------------------------------------

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ border-bottom: 1px solid #d5d8dc; padding: .4rem .6rem; text-align: left; vertical-align: top; }}
.number {{ font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }}
.note {{ color: #555; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
{alarms}<table>
<caption class="note">What is missing most comes first. Suite {suite_hash}{as_of}.</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""  # noqa: E501
_HEADS = ("Field", "Severity", "Expectation", "Missing", "Of leads", "Owner", "Why", "Fix")


def _page(result: CheckResult, suite: Suite, as_of: datetime | None) -> str:
    statuses = Counter(check["status"] for check in result.checks)
    counted = ", ".join(
        f"{statuses[status]:,} {status}" for status in ("complete", "incomplete", "errored")
    )
    # The reason of an alarm stays in the log: it is an exception's text, not ours.
    alarmed = "".join(
        f"<li>{_text(f'{alarm.expectation} on {alarm.field}')}: {alarm.leads:,} leads</li>\n"
        for alarm in result.alarms
    )
    worst_first = sorted(
        result.validations, key=lambda one: (-one.unexpected, _rank(one.entry), one.entry.field)
    )
    return _PAGE.format(
        title=_text(f"Context of {suite.name.replace('_', ' ')}"),
        summary=f"{len(result.checks):,} leads checked: {counted}.",
        alarms=f"<h2>Could not be judged</h2>\n<ul>\n{alarmed}</ul>\n" if alarmed else "",
        suite_hash=_text(result.suite_hash),
        as_of=_text(f", checked at {as_of:%Y-%m-%d %H:%M} UTC") if as_of else "",
        heads="".join(f'<th scope="col">{head}</th>' for head in _HEADS),
        rows="\n".join(map(_row, worst_first)),
    )


def _row(validation: Validation) -> str:
    entry = validation.entry
    rule = entry.type.removeprefix("expect_").replace("_", " ")
    if entry.row_condition:
        rule += f" where {entry.row_condition}"
    share = validation.unexpected / validation.evaluated if validation.evaluated else 0
    missing = f"{validation.unexpected:,} ({share:.0%})"
    if validation.errored:
        missing += f", {validation.errored:,} not judged"
    cells = (
        f"<td>{_text(entry.field)}</td><td>{entry.severity}</td><td>{_text(rule)}</td>",
        f'<td class="number">{missing}</td><td class="number">{validation.evaluated:,}</td>',
        f"<td>{_text(entry.owner)}</td><td>{_text(entry.why)}</td><td>{_text(entry.fix)}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>"


def _text(words: str) -> str:
    return html.escape(words)
