"""Every recorded answer of Clearbit goes through our connector, and the sandbox answers likewise.

Bodies only: no status or header was recorded. The ones of clearbit-node are of the first version
of the API (``employees`` and ``location`` at the top), which must still be kept whole but are no
model for the sandbox, which answers as version 2 does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from flows.connectors.clearbit import Clearbit
from sandbox.server import Sandbox
from tests.flows.connectors.vendor import Reply, Vendor
from tests.replay.recordings import files_in, load, needs_recordings, single
from tests.replay.shapes import Shape, differences, shape_of
from tests.replay.wire import SECRET, http_to, losses, play, same

pytestmark = needs_recordings

FOLDER = "clearbit"
OLD = "clearbit-node"
COMBINED = "hull/unit__fixtures__combined.json"
PERSON = "hull/fixtures__person.json"
COMPANY = "hull/fixtures__company.json"
REVEAL = "hull/unit__fixtures__reveal.json"
# file → the address of the service that gave it; the first three kinds are those we ask for.
ANSWERS = {
    COMBINED: "/v2/combined/find",
    PERSON: "/v2/people/find",
    COMPANY: "/v2/companies/find",
    f"{OLD}/person.json": "/v1/people/find",
    f"{OLD}/company.json": "/v1/companies/find",
    REVEAL: "/v1/companies/find",
    "hull/fixtures__prospect.json": "/v1/people/search",
    f"{OLD}/discovery.json": "/v1/companies/search",
    f"{OLD}/name_to_domain.json": "/v1/domains/find",
    f"{OLD}/risk.json": "/v1/calculate",
    f"{OLD}/watchlist.json": "/v1/search/all",
}
NO_ANSWERS = {f"{OLD}/LICENSE": "a licence"}
# Named in the reference of version 2, though no recording of 2016 holds them.
DOCUMENTED = (
    *(".phone", ".activeAt", ".inactiveAt", ".employment.subRole"),
    *(".category.gicsCode", ".metrics.trafficRank", ".techCategories", ".ultimateParent"),
    # Recorded of a person by the first version; of a company in the tables of those who land it.
    *(".angellist", ".facebook.likes"),
)


@pytest.fixture
def clearbit(player: Vendor) -> Iterator[Clearbit]:
    connector = Clearbit(
        key=SECRET, person_base_url=player.url, company_base_url=player.url, timeout=5
    )
    yield connector
    connector.close()


def body_of(name: str) -> Any:
    return load(FOLDER, name)


def company_halves() -> dict[str, dict[str, Any]]:
    """Every recorded company, whichever service told it."""
    return {
        COMPANY: body_of(COMPANY),
        f"{OLD}/company.json": body_of(f"{OLD}/company.json"),
        COMBINED: body_of(COMBINED)["company"],
        REVEAL: revealed(),
        f"{OLD}/discovery.json": body_of(f"{OLD}/discovery.json")["results"][0],
    }


def revealed() -> dict[str, Any]:
    found: dict[str, Any] = body_of(REVEAL)["company"]
    return found


def person_halves() -> dict[str, dict[str, Any]]:
    return {
        PERSON: body_of(PERSON),
        f"{OLD}/person.json": body_of(f"{OLD}/person.json"),
        COMBINED: body_of(COMBINED)["person"],
    }


def test_no_recording_is_left_out() -> None:
    assert files_in(FOLDER) == set(ANSWERS) | set(NO_ANSWERS)
    assert len(ANSWERS) == 11


def test_every_recorded_answer_comes_through_the_wire_whole(player: Vendor) -> None:
    http = http_to(player, "clearbit")
    recordings = [single(FOLDER, name, "GET", path, 200) for name, path in ANSWERS.items()]
    lost = losses(player, http, recordings)
    http.close()
    assert lost == []
    assert len(player.calls) == 11


def test_the_recorded_combined_answer_is_found_whole(player: Vendor, clearbit: Clearbit) -> None:
    recording = single(FOLDER, COMBINED, "GET", "/v2/combined/find", 200)
    player.script = lambda call: play(recording)
    found = clearbit.look_up("person", "someone@calvinklein.example")
    assert found.status == "found"
    assert same(found.body, recording.body)
    (call,) = player.calls
    assert (call.method, call.path) == ("GET", recording.path)
    assert call.query == {"email": ["someone@calvinklein.example"]}


@pytest.mark.parametrize("name", [COMBINED, PERSON, f"{OLD}/person.json"])
@pytest.mark.parametrize("other", [None, {}])
def test_each_recorded_person_is_found_whole_without_a_company(
    player: Vendor, clearbit: Clearbit, name: str, other: Any
) -> None:
    body = {"person": person_halves()[name], "company": other}
    player.script = lambda call: Reply(body)
    found = clearbit.look_up("person", "someone@x.example")
    assert found.status == "found"
    assert same(found.body, body)


@pytest.mark.parametrize(
    "name", [COMBINED, COMPANY, REVEAL, f"{OLD}/company.json", f"{OLD}/discovery.json"]
)
def test_each_recorded_company_is_found_whole(
    player: Vendor, clearbit: Clearbit, name: str
) -> None:
    company = company_halves()[name]
    player.script = lambda call: Reply(company)
    found = clearbit.look_up("company", "uber.example")
    assert found.status == "found"
    assert same(found.body, company)
    assert [call.path for call in player.calls] == ["/v2/companies/find"]
    half = {"person": None, "company": company}
    player.script = lambda call: Reply(half)
    found = clearbit.look_up("person", "someone@uber.example")
    assert found.status == "found"
    assert same(found.body, half)


def test_a_recorded_list_is_no_person(player: Vendor, clearbit: Clearbit) -> None:
    # The watch list answers with a list: whoever is asked for a person and says that is not read.
    recording = single(FOLDER, f"{OLD}/watchlist.json", "GET", "/v2/combined/find", 200)
    player.script = lambda call: play(recording)
    assert clearbit.look_up("person", "joe@x.example").status == "unknown"


@pytest.mark.parametrize("name", [name for name in ANSWERS if name.startswith(OLD)])
def test_a_recorded_answer_of_another_service_is_no_person(
    player: Vendor, clearbit: Clearbit, name: str
) -> None:
    recording = single(FOLDER, name, "GET", "/v2/combined/find", 200)
    player.script = lambda call: play(recording)
    assert clearbit.look_up("person", "joe@x.example").status in ("missing", "unknown")


# The sandbox in the same shape


@pytest.fixture(scope="module")
def combined(box: Sandbox) -> list[dict[str, Any]]:
    """What the sandbox tells of everybody in its world."""
    key, address = box.env["BATON_CLEARBIT_KEY"], box.env["BATON_CLEARBIT_PERSON_BASE_URL"]
    store = box.world.clearbit
    store.always_found = True
    found = []
    with httpx.Client(base_url=address, auth=(key, "")) as client:
        emails = [email for person in box.truth()["people"] for email in person["emails"]]
        for email in emails:
            answered = client.get("/v2/combined/find", params={"email": email})
            found += [answered.json()] if answered.status_code == 200 else []
    store.always_found = False
    assert len(found) > 20
    return found


@pytest.fixture(scope="module")
def companies(box: Sandbox, combined: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The companies of those people, asked for by domain."""
    key, address = box.env["BATON_CLEARBIT_KEY"], box.env["BATON_CLEARBIT_COMPANY_BASE_URL"]
    domains = {body["company"]["domain"] for body in combined if body["company"]}
    box.world.clearbit.always_found = True
    with httpx.Client(base_url=address, auth=(key, "")) as client:
        answers = [client.get("/v2/companies/find", params={"domain": d}) for d in sorted(domains)]
    box.world.clearbit.always_found = False
    assert len(answers) > 5
    assert {answered.status_code for answered in answers} == {200}
    return [answered.json() for answered in answers]


def recorded_people() -> Shape:
    return shape_of([body_of(PERSON), body_of(COMBINED)["person"]])


def recorded_companies() -> Shape:
    return shape_of([body_of(COMPANY), body_of(COMBINED)["company"], revealed()])


def test_a_combined_answer_has_two_halves(combined: list[dict[str, Any]]) -> None:
    assert {frozenset(body) for body in combined} == {frozenset(body_of(COMBINED))}


def test_people_have_the_recorded_shape(combined: list[dict[str, Any]]) -> None:
    people = [body["person"] for body in combined if body["person"]]
    assert len(people) > 10
    wrong = differences(recorded_people(), shape_of(people), documented=DOCUMENTED)
    assert [line for line in wrong if not may_be_null(line)] == []


def test_companies_have_the_recorded_shape(
    combined: list[dict[str, Any]], companies: list[dict[str, Any]]
) -> None:
    halves = [body["company"] for body in combined if body["company"]]
    for told in (halves, companies):
        wrong = differences(recorded_companies(), shape_of(told), documented=DOCUMENTED)
        assert [line for line in wrong if not may_be_null(line)] == []


def may_be_null(line: str) -> bool:
    # "Every leaf may be null", says the reference; three recordings cannot show every null.
    return " is null, recorded:" in line


def test_some_of_what_is_null_in_recordings_is_null_here(combined: list[dict[str, Any]]) -> None:
    for recorded, half in ((recorded_people(), "person"), (recorded_companies(), "company")):
        ours = shape_of([body[half] for body in combined if body[half]])
        both = set(nulls(recorded)) & set(nulls(ours))
        assert both, f"no part of a {half} is ever null here, many are in recordings"


def nulls(shape: Shape, path: str = "") -> Iterator[str]:
    if "null" in shape.types:
        yield path
    for key, (_, below) in shape.keys.items():
        yield from nulls(below, f"{path}.{key}")


def test_refusals_are_objects_with_type_and_message(box: Sandbox) -> None:
    # No refusal was recorded: this is the shape of the reference.
    address = box.env["BATON_CLEARBIT_PERSON_BASE_URL"]
    key = box.env["BATON_CLEARBIT_KEY"]
    path = f"{address}/v2/combined/find"
    told = [
        httpx.get(path, auth=("sk_nobody", ""), params={"email": "a@x.example"}),
        httpx.get(path, auth=(key, ""), params={"email": "nobody@nowhere.example"}),
        httpx.get(path, auth=(key, ""), params={"email": "no address"}),
        httpx.get(path, auth=(key, "")),
    ]
    assert [answered.status_code for answered in told] == [401, 404, 422, 400]
    for answered in told:
        body = answered.json()
        assert set(body) == {"error"}, json.dumps(body)
        assert {key: type(value) for key, value in body["error"].items()} == {
            "type": str,
            "message": str,
        }
        assert "retry-after" not in answered.headers
