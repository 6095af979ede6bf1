"""Every recorded answer of Salesforce goes through our connector, and nothing of it is lost."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from flows.connectors.base import Field
from flows.connectors.salesforce import Salesforce
from tests.flows.connectors.vendor import Call, Reply, Vendor
from tests.replay.recordings import files_in, needs_recordings, single
from tests.replay.salesforce_answers import (
    ANSWERS,
    DATA,
    HULL,
    HULL_ANSWERS,
    NO_ANSWERS,
    NOW,
    RESTFORCE,
    landed,
    org,
    pull,
    recorded,
    stream_of,
)
from tests.replay.wire import assert_same_objects, http_to, losses, payloads, play

pytestmark = needs_recordings


def test_no_recording_is_left_out() -> None:
    on_disk = {f"{name}/{path}" for name in (RESTFORCE, HULL) for path in files_in(name)}
    replayed = {f"{RESTFORCE}/{path}" for path in ANSWERS}
    replayed |= {f"{HULL}/{path}" for path in HULL_ANSWERS}
    assert on_disk == replayed | set(NO_ANSWERS)
    assert len(replayed) == 37


def test_every_recorded_answer_comes_through_the_wire_whole(player: Vendor) -> None:
    http = http_to(player, "salesforce")
    recordings = [single(RESTFORCE, name, *asked) for name, asked in ANSWERS.items()]
    recordings += [single(HULL, name, *asked) for name, asked in HULL_ANSWERS.items()]
    lost = losses(player, http, recordings)
    http.close()
    assert lost == []
    assert len(player.calls) == len(recordings) == 37


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("fixtures__api_responses__findleads.json", "leads"),
        ("fixtures__api_responses__findcontacts.json", "contacts"),
        ("org_query", "accounts"),
    ],
)
def test_a_recorded_query_lands_one_record_per_row(
    player: Vendor, salesforce: Salesforce, name: str, stream: str
) -> None:
    page = recorded(name)
    player.script = org(player, lambda call: play(page))
    pages = pull(salesforce, stream)
    assert_same_objects(payloads(pages), page.body["records"])
    keys = {record.key for page in pages for record in page.records}
    assert keys == {row["Id"] for row in page.body["records"]}


def test_the_recorded_pages_of_one_query_are_turned_to_the_end(
    player: Vendor, salesforce: Salesforce
) -> None:
    first, last = recorded("query_paginated_first_page"), recorded("query_paginated_last_page")
    following = first.body["nextRecordsUrl"]
    player.script = org(player, lambda call: play(last if call.path == following else first))
    pages = pull(salesforce)
    assert_same_objects(landed(pages), [*first.body["records"], *last.body["records"]])
    assert [call.path for call in player.calls].count(following) == 1


@pytest.mark.parametrize("name", ["query_success", "query_aggregate_success"])
def test_recorded_rows_without_an_id_wait_whole_in_quarantine(
    player: Vendor, salesforce: Salesforce, name: str
) -> None:
    page = recorded(name)
    player.script = org(player, lambda call: play(page))
    pages = pull(salesforce)
    assert_same_objects(landed(pages), page.body["records"])
    assert [record for page in pages for record in page.records] == []
    assert {reject.reason for page in pages for reject in page.rejects} == {"no usable id"}


def test_a_recorded_empty_query_lands_nothing(player: Vendor, salesforce: Salesforce) -> None:
    player.script = org(player, lambda call: play(recorded("query_empty")))
    pages = pull(salesforce)
    assert landed(pages) == []


def test_a_recorded_single_row_lands_whole_with_all_its_types(
    player: Vendor, salesforce: Salesforce
) -> None:
    # One object with a value of every type; in a query's envelope, as our reads ask for it.
    row = recorded("sobject_find_success").body
    page = Reply({"totalSize": 1, "done": True, "records": [row]})
    player.script = org(player, lambda call: page)
    pages = pull(salesforce)
    assert_same_objects(payloads(pages), [row])
    assert b"23.0" in pages[0].records[0].payload


@pytest.mark.parametrize(
    ("name", "object_name"),
    [("fixtures__api_responses__deletedcontacts.json", "Contact"), ("get_deleted_success", "Lead")],
)
def test_recorded_deletions_land_as_tombstones(
    player: Vendor, salesforce: Salesforce, name: str, object_name: str
) -> None:
    deletions = recorded(name)
    everything_else = org(player, lambda call: play(recorded("query_empty")))

    def script(call: Call) -> Reply:
        if call.path.rstrip("/") == f"{DATA}/sobjects/{object_name}/deleted":
            return play(deletions)
        return everything_else(call)

    # Deletions are listed from the first pull on, with the look-back of every hour.
    stream = stream_of(salesforce, f"{object_name.lower()}s")
    player.script = everything_else
    cursor = [page.cursor for page in salesforce.pull(stream, None, NOW)][-1]
    player.script = script
    later = NOW + timedelta(hours=2)
    records = [r for page in salesforce.pull(stream, cursor, later) for r in page.records]
    gone = deletions.body["deletedRecords"]
    assert {record.key for record in records} == {row["id"] for row in gone}
    assert all(record.is_deleted for record in records)
    told = {json.loads(record.payload).get("deletedDate") for record in records}
    assert told == {row["deletedDate"] for row in gone}


def test_the_recorded_description_keeps_every_field(player: Vendor, salesforce: Salesforce) -> None:
    description = recorded("sobject_describe_success")

    def script(call: Call) -> Reply:
        if call.method == "POST":
            parts = call.json["batchRequests"]
            results = [{"statusCode": 200, "result": description.body} for _ in parts]
            return Reply({"hasErrors": False, "results": results})
        return play(description)

    player.script = org(player, script)
    fields = salesforce.describe()["leads"]
    assert {field.name: field for field in fields} == {
        field["name"]: expected_field(field) for field in description.body["fields"]
    }
    assert len(fields) == len(description.body["fields"])


def expected_field(field: dict[str, Any]) -> Field:
    options = tuple(value["value"] for value in field["picklistValues"] if value["active"])
    return Field(
        name=field["name"],
        kind=field["type"],
        label=field["label"],
        options=options if field["restrictedPicklist"] else (),
        is_writable=field["updateable"],
    )


def test_the_recorded_versions_are_read_by_the_doctor(
    player: Vendor, salesforce: Salesforce
) -> None:
    versions = recorded("services_data_success")
    description = recorded("sobject_describe_success")

    def script(call: Call) -> Reply:
        if call.path.rstrip("/") == "/services/data":
            return play(versions)
        if call.path.endswith("/describe"):
            return play(description)
        return play(recorded("query_empty"))

    player.script = org(player, script)
    findings = list(salesforce.examine())
    told = [finding for finding in findings if finding.check == "salesforce.api_version"]
    # 62.0 is asked for; the org of the recording offers 20.0 and 100.
    assert [finding.status for finding in told] == ["broken"]
    assert "62.0" in told[0].detail
