"""The context check, on Great Expectations itself."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from flows.errors import ContextError
from flows.steps import check as check_step
from flows.steps.check import CheckResult, Suite, check_profiles, load_suite, write_data_docs

ROOT = Path(__file__).parents[3]
LEAD_PROFILES = ROOT / "expectations" / "lead_profiles.yml"

JANE: dict[str, Any] = {
    "lead_key": "lead-1",
    "email": "jane.smith@acme.example",
    "full_name": "Jane Smith",
    "job_title": "Director of Operations",
    "company_name": "Acme Corp",
    "company_domain": "acme.example",
    "employee_count": 200,
    "industry": "Computer Software",
    "country": "United States",
    "phone": "+1 555 0100",
    "technology_stack": "Salesforce, HubSpot",
    "buying_role": "decision maker",
    "trigger_type": "content_download",
    "trigger_asset": "Sales Handoff Checklist",
    "trigger_url": "https://www.lumenfold.example/resources/sales-handoff-checklist",
    "trigger_at": pd.Timestamp("2026-11-20T09:30:00Z"),
    "recent_touches": '[{"url": "/pricing", "count": 4}]',
    "touch_count_7d": 6,
    "last_contents": '["Sales Handoff Checklist"]',
    "page_view_count": 6,
    "download_count": 1,
    "email_open_count": 0,
    "previous_interactions": "first contact, no prior record",
    "first_touch_source": "ORGANIC_SEARCH",
    "first_touch_campaign": "handoff-2026",
    "record_url": "https://crm.example/lead-1",
    "submitted_form": "Download: Sales Handoff Checklist",
}
REQUIRED = {
    "email",
    "full_name",
    "job_title",
    "company_name",
    "employee_count",
    "industry",
    "country",
    "trigger_type",
    "trigger_asset",
    "trigger_url",
    "trigger_at",
    "first_touch_source",
}
ANYTIME = sorted(set(JANE) - {"lead_key", "phone"})


def profiles(*changes: dict[str, Any]) -> pd.DataFrame:
    """One lead per change: Jane with the change made, numbered from 1."""
    rows = [{**JANE, "lead_key": f"lead-{at}", **change} for at, change in enumerate(changes, 1)]
    return pd.DataFrame(rows, columns=list(JANE)).astype({"trigger_at": "datetime64[us, UTC]"})


def entry(column: str = "country", **changes: Any) -> dict[str, Any]:
    return {
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": column},
        "severity": "warning",
        "meta": {"owner": "marketing ops", "why": "no territory", "fix": "add it to the form"},
        **changes,
    }


def between(column: str, minimum: int, severity: str = "warning") -> dict[str, Any]:
    return entry(
        type="expect_column_values_to_be_between",
        kwargs={"column": column, "min_value": minimum},
        severity=severity,
    )


def only_where(column: str, condition: str) -> dict[str, Any]:
    kwargs = {"column": column, "row_condition": condition, "condition_parser": "pandas"}
    return entry(kwargs=kwargs)


@pytest.fixture
def suite_of(tmp_path: Path):
    def make(*entries: dict[str, Any]) -> Suite:
        path = tmp_path / "some_suite.yml"
        path.write_text(yaml.safe_dump(list(entries)), encoding="utf-8")
        return load_suite(path)

    return make


@pytest.fixture(scope="module")
def lead_profiles() -> Suite:
    return load_suite(LEAD_PROFILES)


def statuses(result: CheckResult) -> dict[str, str]:
    return {check["lead_key"]: check["status"] for check in result.checks}


def gaps(result: CheckResult) -> set[tuple[str, str]]:
    return {(gap["lead_key"], gap["field"]) for gap in result.gaps}


# --- the real suite ----------------------------------------------------------------------------


def test_a_lead_with_everything_is_complete(lead_profiles):
    result = check_profiles(profiles({}), lead_profiles)
    assert result.checks == [{"lead_key": "lead-1", "status": "complete", "gaps": None}]
    assert result.gaps == []
    assert result.alarms == []
    assert result.suite_hash == lead_profiles.hash


def test_each_missing_field_is_a_gap_of_its_own_lead_and_only_required_ones_count(lead_profiles):
    frame = profiles(*({column: None} for column in ANYTIME))
    result = check_profiles(frame, lead_profiles)
    keys = [f"lead-{at}" for at, _ in enumerate(ANYTIME, 1)]
    assert gaps(result) == set(zip(keys, ANYTIME, strict=True))
    assert statuses(result) == {
        key: "incomplete" if column in REQUIRED else "complete"
        for key, column in zip(keys, ANYTIME, strict=True)
    }
    assert {gap["field"] for gap in result.gaps if gap["severity"] != "info"} == REQUIRED


def test_every_field_of_the_packet_has_an_expectation(lead_profiles):
    assert {one.field for one in lead_profiles.entries} == set(JANE) - {"lead_key"}


def test_a_phone_number_is_missed_only_by_who_is_called(lead_profiles):
    frame = profiles({"phone": None}, {"phone": None, "trigger_type": "demo_request"})
    result = check_profiles(frame, lead_profiles)
    assert gaps(result) == {("lead-2", "phone")}
    assert statuses(result)["lead-2"] == "complete"


def test_zero_is_an_answer_but_a_company_without_employees_is_not(lead_profiles):
    frame = profiles({"page_view_count": 0, "download_count": 0, "employee_count": 0})
    assert gaps(check_profiles(frame, lead_profiles)) == {("lead-1", "employee_count")}


def test_the_filler_of_a_vendors_sync_is_no_company_name(lead_profiles):
    frame = profiles({"company_name": "[not provided]"}, {"company_name": "Notprovided GmbH"})
    assert gaps(check_profiles(frame, lead_profiles)) == {("lead-1", "company_name")}


# --- what counts as missing --------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, float("nan"), pd.NA, "", "   ", "\t\n", "\u00a0"])
def test_nothing_in_any_form_is_missing(suite_of, nothing):
    frame = pd.DataFrame({"lead_key": ["a", "b"], "country": ["us", nothing]})
    result = check_profiles(frame, suite_of(entry()))
    assert statuses(result) == {"a": "complete", "b": "incomplete"}


def test_the_rows_handed_in_are_left_alone(suite_of):
    frame = pd.DataFrame({"lead_key": ["a"], "country": [" "]}, index=[7])
    before = frame.copy()
    check_profiles(frame, suite_of(entry()))
    pd.testing.assert_frame_equal(frame, before)


def test_the_index_of_the_rows_does_not_matter(suite_of):
    frame = pd.DataFrame({"lead_key": ["a", "b", "c"], "country": ["us", None, "de"]})
    result = check_profiles(frame.set_index(pd.Index([3, 3, 0])), suite_of(entry()))
    assert gaps(result) == {("b", "country")}


def test_columns_typed_by_duckdb_are_judged(suite_of):
    import duckdb

    frame = duckdb.sql(
        """
        select * from (values
            ('a', 'us', 10::bigint, timestamp '2026-11-20 09:30:00', '{}'::json, true),
            ('b', null, null, null, null, null)
        ) t(lead_key, country, size, trigger_at, touches, is_known)
        """
    ).df()
    columns = ["country", "size", "trigger_at", "touches", "is_known"]
    result = check_profiles(frame, suite_of(*map(entry, columns)))
    assert gaps(result) == {("b", column) for column in columns}
    assert result.alarms == []


# --- gaps --------------------------------------------------------------------------------------


def test_a_gap_says_who_mends_it_why_and_where_it_came_from(suite_of):
    frame = profiles({"country": None})
    assert check_profiles(frame, suite_of(entry())).gaps == [
        {
            "lead_key": "lead-1",
            "field": "country",
            "severity": "warning",
            "owner": "marketing ops",
            "why": "no territory",
            "fix": "add it to the form",
            "origin": "Download: Sales Handoff Checklist",
        }
    ]


def test_without_a_form_the_campaign_is_at_fault_and_without_both_nobody(suite_of):
    frame = profiles(
        {"country": None, "submitted_form": " "},
        {"country": None, "submitted_form": None, "first_touch_campaign": None},
    )
    result = check_profiles(frame, suite_of(entry()))
    assert [gap["origin"] for gap in result.gaps] == ["handoff-2026", None]
    bare = frame.drop(columns=["submitted_form", "first_touch_campaign"])
    assert check_profiles(bare, suite_of(entry())).gaps[0]["origin"] is None


def test_two_expectations_on_one_field_make_one_gap_the_worse_one(suite_of):
    suite = suite_of(between("employee_count", 10, "info"), between("employee_count", 1, "warning"))
    result = check_profiles(profiles({"employee_count": 0}, {"employee_count": 5}), suite)
    assert [(gap["lead_key"], gap["severity"]) for gap in result.gaps] == [
        ("lead-1", "warning"),
        ("lead-2", "info"),
    ]


def test_the_fields_missing_are_listed_most_severe_first(lead_profiles):
    frame = profiles({"technology_stack": None, "country": None, "email": None})
    result = check_profiles(frame, lead_profiles)
    assert result.checks[0]["gaps"] == "email, country, technology_stack"


def test_a_pair_of_columns_is_a_gap_that_names_both(suite_of):
    suite = suite_of(
        entry(
            type="expect_column_pair_values_to_be_equal",
            kwargs={"column_A": "country", "column_B": "industry"},
        )
    )
    result = check_profiles(profiles({}, {"industry": "United States"}), suite)
    assert gaps(result) == {("lead-1", "country, industry")}


def test_a_tolerated_share_still_names_every_lead(suite_of):
    suite = suite_of(entry(kwargs={"column": "country", "mostly": 0.1}))
    result = check_profiles(profiles({}, {"country": None}), suite)
    assert gaps(result) == {("lead-2", "country")}


# --- alarms ------------------------------------------------------------------------------------


def test_an_expectation_that_cannot_be_judged_is_an_alarm_and_never_a_gap(suite_of):
    frame = profiles({"country": None}, {})
    result = check_profiles(frame, suite_of(entry("no_such_column"), entry("country")))
    assert statuses(result) == {"lead-1": "errored", "lead-2": "errored"}
    assert gaps(result) == {("lead-1", "country")}
    (alarm,) = result.alarms
    assert (alarm.field, alarm.leads) == ("no_such_column", 2)
    assert 'The column "no_such_column" in BatchData does not exist' in str(alarm)


def test_an_alarm_concerns_only_the_leads_the_expectation_is_about(suite_of):
    frame = profiles({"trigger_type": "demo_request"}, {})
    suite = suite_of(only_where("no_such_column", 'trigger_type == "demo_request"'))
    result = check_profiles(frame, suite)
    assert statuses(result) == {"lead-1": "errored", "lead-2": "complete"}
    assert result.alarms[0].leads == 1


def test_a_condition_that_cannot_be_read_concerns_everybody(suite_of):
    suite = suite_of(only_where("country", "no_such_column == 1"))
    result = check_profiles(profiles({}, {}), suite)
    assert set(statuses(result).values()) == {"errored"}
    assert "'no_such_column' is not defined" in result.alarms[0].reason


def test_an_expectation_about_averages_cannot_name_a_lead_and_is_an_alarm(suite_of):
    suite = suite_of(
        entry(
            type="expect_column_mean_to_be_between",
            kwargs={"column": "employee_count", "min_value": 1},
        )
    )
    result = check_profiles(profiles({}), suite)
    assert statuses(result) == {"lead-1": "errored"}
    assert "table as a whole" in result.alarms[0].reason


def test_an_alarm_does_not_repeat_what_a_lead_wrote(suite_of):
    frame = pd.DataFrame({"lead_key": ["a"], "employee_count": ["jane.smith@acme.example"]})
    result = check_profiles(frame, suite_of(between("employee_count", 1)))
    assert statuses(result) == {"a": "errored"}
    text = check_step._without_values(
        "could not convert 'Jane Smith' in \"employee_count\" of jane.smith@acme.example",
        suite_of(between("employee_count", 1)).entries[0],
    )
    assert text == "could not convert '***' in \"employee_count\" of j***@acme.example"
    assert "jane" not in str(result.alarms[0])


# --- many, few, none ---------------------------------------------------------------------------


def test_more_rows_than_a_chunk_are_all_judged_and_an_alarm_is_told_once(suite_of):
    frame = profiles(*({"country": None if at % 2 else "us"} for at in range(5)))
    suite = suite_of(entry(), entry("no_such_column"))
    result = check_profiles(frame, suite, chunk_rows=2)
    assert [check["lead_key"] for check in result.checks] == list(frame["lead_key"])
    assert gaps(result) == {("lead-2", "country"), ("lead-4", "country")}
    assert [alarm.leads for alarm in result.alarms] == [5]
    counts = [(one.evaluated, one.unexpected, one.errored) for one in result.validations]
    assert counts == [(5, 2, 0), (0, 0, 5)]


def test_frames_may_come_one_after_another(suite_of):
    frame = profiles({}, {"country": None}, {})
    result = check_profiles((frame.iloc[[at]] for at in range(3)), suite_of(entry()))
    assert statuses(result) == {
        "lead-1": "complete",
        "lead-2": "incomplete",
        "lead-3": "complete",
    }


@pytest.mark.parametrize("nobody", [pd.DataFrame(), profiles(), [], [profiles()]])
def test_no_leads_are_no_checks(lead_profiles, nobody):
    result = check_profiles(nobody, lead_profiles)
    assert (result.checks, result.gaps, result.alarms) == ([], [], [])
    assert len(result.validations) == len(lead_profiles.entries)


@pytest.mark.parametrize("frame", [pd.DataFrame({"country": ["us"]}), profiles({"lead_key": None})])
def test_rows_without_a_key_are_refused(suite_of, frame):
    with pytest.raises(ContextError, match="without a lead_key"):
        check_profiles(frame, suite_of(entry()))


def test_great_expectations_is_imported_only_when_there_is_something_to_check():
    program = (
        "import sys; from pathlib import Path; import flows.steps.check as check;"
        f"check.check_profiles([], check.load_suite(Path({str(LEAD_PROFILES)!r})));"
        "sys.exit('great_expectations' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_nothing_is_printed(suite_of, capfd):
    check_profiles(profiles({}), suite_of(entry()))
    assert capfd.readouterr() == ("", "")


# --- reading the suite -------------------------------------------------------------------------


def test_comments_and_order_of_words_leave_the_hash_alone_and_a_changed_severity_does_not(
    tmp_path, suite_of
):
    written = suite_of(entry()).hash
    turned = dict(reversed(entry().items()))
    path = tmp_path / "some_suite.yml"
    path.write_text("# a reason\n" + yaml.safe_dump([turned], sort_keys=False), encoding="utf-8")
    assert load_suite(path).hash == written
    assert suite_of(entry(severity="info")).hash != written


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (entry(severity="fatal"), "entry 2 has severity 'fatal', not critical or warning or info"),
        (entry(meta={"owner": "ops", "why": " "}), "entry 2 does not say its why or fix"),
        (entry(note="x"), "entry 2 needs exactly type, kwargs, severity and meta"),
        (entry(kwargs=[]), "entry 2 has kwargs or meta"),
        (
            entry(type="expect_table_row_count_to_equal", kwargs={"value": 1}),
            "entry 2 (expect_table_row_count_to_equal) is about no column",
        ),
        (
            entry(kwargs={"column": "country", "row_condition": "score > 1"}),
            "entry 2 needs condition_parser: pandas",
        ),
        ("country", "entry 2 needs exactly"),
    ],
)
def test_an_entry_that_makes_no_sense_is_named(suite_of, broken, sentence):
    with pytest.raises(ContextError) as caught:
        suite_of(entry(), broken)
    assert f"some_suite.yml {sentence}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "country: us", "- [unclosed"])
def test_a_file_that_is_no_suite_is_named(tmp_path, text):
    path = tmp_path / "thin.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContextError, match=r"thin\.yml"):
        load_suite(path)
    with pytest.raises(ContextError, match=r"absent\.yml cannot be read"):
        load_suite(tmp_path / "absent.yml")


@pytest.mark.parametrize(
    "unknown",
    [
        entry(type="expect_column_values_to_be_nice"),
        entry(kwargs={"column": "country", "colour": "red"}),
    ],
)
def test_an_expectation_nobody_knows_stops_the_check(suite_of, unknown):
    with pytest.raises(ContextError, match="entry 1 is not an expectation"):
        check_profiles(profiles({}), suite_of(unknown))


# --- the page ----------------------------------------------------------------------------------


def test_the_page_counts_what_is_missing_and_names_nobody(tmp_path, lead_profiles):
    frame = profiles({"country": None}, {"country": None, "email": None}, {"employee_count": 0})
    result = check_profiles(frame, lead_profiles)
    as_of = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    page = write_data_docs(result, lead_profiles, tmp_path / "docs", as_of)
    text = page.read_text(encoding="utf-8")
    assert page.name == "lead_profiles.html"
    assert [file.name for file in page.parent.iterdir()] == ["lead_profiles.html"]
    assert "3 leads checked: 0 complete, 3 incomplete, 0 errored." in text
    assert "checked at 2026-11-20 09:30 UTC" in text
    assert text.index("<td>country</td>") < text.index("<td>email</td>")
    assert "<td>country</td><td>warning</td><td>column values to not be null</td>" in text
    assert ">2 (67%)</td>" in text
    for value in ("Jane", "jane.smith", "acme", "lead-1", "handoff-2026", "Director"):
        assert value not in text


def test_the_page_needs_nothing_from_elsewhere(tmp_path, lead_profiles):
    page = write_data_docs(check_profiles([], lead_profiles), lead_profiles, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    assert "<script" not in text


def test_the_page_is_escaped_and_shows_what_could_not_be_judged(tmp_path, suite_of):
    meta = {"owner": "<b>ops</b>", "why": "a & b", "fix": "x"}
    suite = suite_of(only_where("no_such_column", "employee_count > 1") | {"meta": meta})
    page = write_data_docs(check_profiles(profiles({}), suite), suite, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;ops&lt;/b&gt;" in text
    assert "where employee_count &gt; 1" in text
    assert "<li>expect_column_values_to_not_be_null on no_such_column: 1 leads</li>" in text
    assert "1 not judged" in text
