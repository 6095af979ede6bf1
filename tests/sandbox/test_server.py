"""The running sandbox: ports, settings, control app, scripted faults, and the command."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
SETTINGS = [
    "BATON_HUBSPOT_BASE_URL",
    "BATON_HUBSPOT_TOKEN",
    "BATON_HUBSPOT_API_VERSION",
    "BATON_SALESFORCE_LOGIN_URL",
    "BATON_SALESFORCE_CLIENT_ID",
    "BATON_SALESFORCE_CLIENT_SECRET",
    "BATON_SALESFORCE_API_VERSION",
    "BATON_SLACK_BASE_URL",
    "BATON_SLACK_TOKEN",
    "BATON_CLEARBIT_KEY",
    "BATON_CLEARBIT_PERSON_BASE_URL",
    "BATON_CLEARBIT_COMPANY_BASE_URL",
    "BATON_SMTP_HOST",
    "BATON_SMTP_PORT",
    "BATON_SMTP_USERNAME",
    "BATON_SMTP_PASSWORD",
    "BATON_SMTP_SENDER",
    "BATON_SMTP_SECURITY",
    "SANDBOX_CONTROL_URL",
]


CONTACTS = "/crm/objects/2026-09/contacts"


@pytest.fixture
def hubspot(box: Sandbox) -> Iterator[httpx.Client]:
    token = {"Authorization": f"Bearer {box.env['BATON_HUBSPOT_TOKEN']}"}
    with httpx.Client(
        base_url=box.env["BATON_HUBSPOT_BASE_URL"], headers=token, timeout=20
    ) as client:
        yield client


def is_open(url: str) -> bool:
    host, port = url.split("//")[-1].split("/")[0].split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_the_settings_are_exactly_those_baton_reads(box: Sandbox) -> None:
    assert list(box.env) == SETTINGS
    assert all(box.env.values())
    assert box.env["BATON_SLACK_BASE_URL"].endswith("/api")


def test_every_system_answers_and_leaving_closes_every_port(now: datetime) -> None:
    with Sandbox(leads=0, now=now) as box:
        env = dict(box.env)
        addresses = [value for value in env.values() if value.startswith("http://")]
        addresses.append(f"{env['BATON_SMTP_HOST']}:{env['BATON_SMTP_PORT']}")
        assert len(addresses) == 7
        assert all(is_open(address) for address in addresses)
        assert httpx.get(f"{box.control_url}/health").json()["status"] == "ok"
    assert not any(is_open(address) for address in addresses)


def seven_free_ports() -> int:
    """Return the first of seven ports in a row that nobody listens on."""
    for first in range(21_000, 30_000, 7):
        if not any(is_open(f"http://127.0.0.1:{port}") for port in range(first, first + 7)):
            return first
    raise AssertionError("no seven free ports in a row")


def test_ports_can_be_given_and_a_taken_one_leaves_nothing_open(now: datetime) -> None:
    taken = seven_free_ports()
    with Sandbox(leads=0, now=now, ports_from=taken):
        refused = Sandbox(leads=0, now=now, ports_from=taken)
        with pytest.raises(OSError, match="in use"):
            refused.start()
    with Sandbox(leads=0, now=now, ports_from=taken) as box:
        assert box.env["BATON_HUBSPOT_BASE_URL"] == f"http://127.0.0.1:{taken}"
        assert box.env["BATON_SMTP_PORT"] == str(taken + 4)


def test_the_same_seed_keeps_its_secrets_over_a_restart(box: Sandbox, now: datetime) -> None:
    with Sandbox(leads=0, seed=7, now=now) as again, Sandbox(leads=0, seed=8, now=now) as other:
        assert again.env["BATON_HUBSPOT_TOKEN"] == box.env["BATON_HUBSPOT_TOKEN"]
        assert other.env["BATON_HUBSPOT_TOKEN"] != box.env["BATON_HUBSPOT_TOKEN"]


def test_a_wrong_token_is_refused(box: Sandbox) -> None:
    url = box.env["BATON_HUBSPOT_BASE_URL"] + CONTACTS
    assert httpx.get(url, headers={"Authorization": "Bearer nobody"}).status_code == 401


def test_the_truth_names_people_dirt_and_counts(control: httpx.Client) -> None:
    truth = control.get("/truth").json()
    assert truth["seed"] == 7
    assert len(truth["people"]) == truth["counts"]["people"] > 150
    assert truth["dirt"]["contact_without_email"]


def test_the_clock_can_be_set_advanced_and_frozen(control: httpx.Client, now: datetime) -> None:
    frozen = control.post("/clock", json={"frozen": True}).json()
    assert control.get("/clock").json() == frozen
    moved = control.post("/clock", json={"advance_seconds": 60}).json()
    gained = datetime.fromisoformat(moved["now"]) - datetime.fromisoformat(frozen["now"])
    assert gained == timedelta(seconds=60)
    back = control.post("/clock", json={"now": now.isoformat(), "frozen": False}).json()
    assert back["frozen"] is False
    assert back["now"] >= "2026-03-18T15:30"


def test_arrivals_submit_forms_now_and_join_the_truth(
    control: httpx.Client, hubspot: httpx.Client
) -> None:
    before = control.get("/truth").json()["counts"]["people"]
    arrived = control.post("/arrive", json={"count": 6, "kind": "new"}).json()["arrived"]
    assert [entry["kind"] for entry in arrived] == ["new"] * 6
    people = {e: p for p in control.get("/truth").json()["people"] for e in p["emails"]}
    assert len(control.get("/truth").json()["people"]) == before + 6
    for entry in arrived:
        assert people[entry["email"]]["hubspot_contact_ids"] == [entry["hubspot_contact_id"]]
        found = hubspot.get(f"{CONTACTS}/{entry['hubspot_contact_id']}").json()
        assert found["properties"]["email"] == entry["email"]


@pytest.mark.parametrize("kind", ["demo", "trial", "newsletter"])
def test_a_form_can_be_asked_for(control: httpx.Client, kind: str) -> None:
    arrived = control.post("/arrive", json={"count": 3, "kind": kind}).json()["arrived"]
    assert {entry["form"] for entry in arrived} == {kind}


def test_existing_people_come_back_without_a_second_entry(control: httpx.Client) -> None:
    before = control.get("/truth").json()["counts"]["people"]
    arrived = control.post("/arrive", json={"count": 4, "kind": "existing"}).json()["arrived"]
    assert {entry["kind"] for entry in arrived} == {"existing"}
    assert control.get("/truth").json()["counts"]["people"] == before


def test_arrivals_and_work_repeat_for_a_seed(now: datetime) -> None:
    def day() -> tuple[Any, Any]:
        box = Sandbox(leads=60, seed=3, now=now, frozen=True)
        return [box.arrivals.arrive(5) for _ in range(2)], [box.work.work(4) for _ in range(3)]

    first, second = day(), day()
    assert first == second
    assert first[0][0] != first[0][1]


def test_an_unknown_kind_is_refused_with_the_known_ones(control: httpx.Client) -> None:
    answer = control.post("/arrive", json={"count": 1, "kind": "chatbot"})
    assert answer.status_code == 400
    assert "newsletter" in answer.json()["error"]


def test_golden_leads_are_there_already_and_stay_single(control: httpx.Client) -> None:
    before = control.get("/truth").json()["counts"]["people"]
    assert "jane_smith" in control.post("/golden").json()["golden"]
    assert control.get("/truth").json()["counts"]["people"] == before


def test_reps_touch_fresh_leads_first_and_leave_no_effect(
    control: httpx.Client, box: Sandbox
) -> None:
    lead = next(
        row
        for row in control.get("/records/salesforce/Lead").json()["records"]
        if row["Status"] == "Open - Not Contacted" and row["OwnerId"] != "005000000000009AAA"
    )
    handed_over = {"baton_lead_key__c": "k1", "baton_trigger_at__c": "2026-03-18T15:00:00Z"}
    control.post(
        "/mutate",
        json={"system": "salesforce", "object": "Lead", "id": lead["Id"], "fields": handed_over},
    )
    worked = control.post("/work", json={"count": 2}).json()["worked"]
    assert (worked[0]["lead_id"], worked[0]["action"]) == (lead["Id"], "touched")
    task = control.get(f"/records/salesforce/Task/{worked[0]['task_id']}").json()
    assert (task["Status"], task["WhoId"]) == ("Completed", lead["Id"])
    assert task["CreatedById"] == lead["OwnerId"]
    assert control.get(f"/records/salesforce/Lead/{lead['Id']}").json()["Status"].startswith("Work")
    assert control.get("/effects", params={"system": "salesforce"}).json()["count"] == 0


def test_work_goes_on_to_an_outcome_for_every_lead(now: datetime) -> None:
    box = Sandbox(leads=40, seed=5, now=now, golden=False)
    actions = {entry["action"] for _ in range(12) for entry in box.work.work(60)}
    assert actions == {"touched", "qualified", "disqualified"}
    closed = [
        row
        for row in box.world.salesforce.all("Lead")
        if row["Status"] == "Closed - Not Converted" and row.get("DisqualificationReason__c")
    ]
    assert closed


def test_requests_are_logged_with_what_they_change(
    control: httpx.Client, hubspot: httpx.Client
) -> None:
    control.delete("/requests")
    hubspot.get(CONTACTS, params={"limit": 1})
    hubspot.post(f"{CONTACTS}/search", json={"limit": 1})
    created = hubspot.post(CONTACTS, json={"properties": {"email": "new.one@acme.example"}})
    assert created.status_code == 201
    rows = control.get("/requests", params={"system": "hubspot"}).json()["requests"]
    assert [(row["method"], row["is_write"], row["status"]) for row in rows] == [
        ("GET", False, 200),
        ("POST", False, 200),
        ("POST", True, 201),
    ]
    assert rows[0]["query"] == "limit=1"
    assert control.get("/requests", params={"write": "true"}).json()["count"] == 1
    effects = control.get("/effects", params={"system": "hubspot"}).json()["effects"]
    assert (effects[-1]["action"], effects[-1]["id"]) == ("create", created.json()["id"])


def test_records_can_be_changed_behind_the_vendors_back(control: httpx.Client) -> None:
    made = control.post(
        "/mutate",
        json={
            "system": "salesforce",
            "object": "Lead",
            "fields": {"LastName": "Hand", "Company": "Made", "Email": "hand@made.example"},
            "by": "005000000000006AAA",
        },
    ).json()["id"]
    row = control.get(f"/records/salesforce/Lead/{made}").json()
    assert row["CreatedById"] == "005000000000006AAA"
    control.post("/delete", json={"system": "salesforce", "object": "Lead", "id": made})
    assert control.get(f"/records/salesforce/Lead/{made}").json()["IsDeleted"] is True
    pair = [
        control.post(
            "/mutate",
            json={
                "system": "hubspot",
                "object": "contacts",
                "fields": {"email": f"m{n}@x.example"},
            },
        ).json()["id"]
        for n in range(2)
    ]
    merged = control.post(
        "/merge", json={"system": "hubspot", "winner": pair[0], "loser": pair[1]}
    ).json()["id"]
    assert merged not in pair
    assert control.get(f"/records/hubspot/contacts/{pair[1]}").json()["id"] == merged
    control.post("/delete", json={"system": "hubspot", "object": "contacts", "id": merged})
    assert control.get(f"/records/hubspot/contacts/{merged}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/records/marketo/Lead", None, 404),
        ("GET", "/records/salesforce/Lead/00Q000000000000AAA", None, 404),
        ("POST", "/mutate", {"system": "salesforce", "object": "Lead"}, 400),
        ("POST", "/mutate", {"system": "slack", "object": "message", "fields": {}}, 404),
        ("POST", "/faults", [{"kind": "explode"}], 400),
        ("POST", "/faults", [{"kind": "drop", "color": "red"}], 400),
        ("POST", "/clock", {"now": "yesterday"}, 400),
    ],
)
def test_nonsense_is_refused_with_a_sentence(
    control: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    answer = control.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]


# What a fault does to one call, and whether the call had its effect.


def script(control: httpx.Client, **fault: Any) -> None:
    control.post("/faults", json=[{"system": "hubspot", **fault}]).raise_for_status()


def create(hubspot: httpx.Client, email: str) -> httpx.Response:
    return hubspot.post(CONTACTS, json={"properties": {"email": email}})


def exists(control: httpx.Client, email: str) -> bool:
    rows = control.get("/records/hubspot/contacts").json()["records"]
    return any(row["properties"].get("email") == email for row in rows)


def test_a_status_fault_answers_instead_of_the_vendor(
    control: httpx.Client, hubspot: httpx.Client
) -> None:
    script(
        control,
        kind="status",
        status=429,
        body={"status": "error", "category": "RATE_LIMITS"},
        headers={"X-Test": "1"},
        method="POST",
        after=1,
        times=2,
    )
    answers = [create(hubspot, f"status{number}@acme.example") for number in range(4)]
    assert [answer.status_code for answer in answers] == [201, 429, 429, 201]
    assert answers[1].json()["category"] == "RATE_LIMITS"
    assert answers[1].headers["x-test"] == "1"
    assert not exists(control, "status1@acme.example")


def test_a_dropped_call_never_happened(control: httpx.Client, hubspot: httpx.Client) -> None:
    script(control, kind="drop", method="POST")
    with pytest.raises(httpx.TransportError):
        create(hubspot, "drop@acme.example")
    assert not exists(control, "drop@acme.example")
    assert create(hubspot, "drop@acme.example").status_code == 201


def test_a_call_dropped_after_the_effect_did_happen(
    control: httpx.Client, hubspot: httpx.Client
) -> None:
    control.delete("/requests")
    script(control, kind="drop_after", path="/contacts$")
    with pytest.raises(httpx.TransportError):
        create(hubspot, "dropafter@acme.example")
    assert exists(control, "dropafter@acme.example")
    row = control.get("/requests").json()["requests"][-1]
    assert (row["status"], row["is_write"], row["fault"]) == (None, True, "drop_after")


def test_a_late_answer_has_its_effect_before_the_client_gives_up(
    control: httpx.Client, hubspot: httpx.Client
) -> None:
    script(control, kind="timeout", seconds=20)
    with pytest.raises(httpx.ReadTimeout):
        hubspot.post(CONTACTS, json={"properties": {"email": "late@acme.example"}}, timeout=0.3)
    assert exists(control, "late@acme.example")


def test_a_short_delay_only_delays(control: httpx.Client, hubspot: httpx.Client) -> None:
    script(control, kind="timeout", seconds=0.2)
    started = time.monotonic()
    assert hubspot.get(CONTACTS, params={"limit": 1}).status_code == 200
    assert time.monotonic() - started >= 0.2


def test_half_a_body_is_not_json(control: httpx.Client, hubspot: httpx.Client) -> None:
    script(control, kind="truncate")
    answer = hubspot.get(CONTACTS, params={"limit": 2})
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="char"):
        answer.json()


def test_a_maintenance_page_comes_with_200(control: httpx.Client, hubspot: httpx.Client) -> None:
    script(control, kind="html", times=None)
    for _ in range(3):
        answer = hubspot.get(CONTACTS)
        assert answer.status_code == 200
        assert answer.text.startswith("<!doctype html>")
    control.delete("/faults")
    assert hubspot.get(CONTACTS).json()["results"]


def test_a_fault_of_one_system_spares_the_others(
    control: httpx.Client, hubspot: httpx.Client
) -> None:
    control.post("/faults", json={"system": "salesforce|slack", "kind": "drop", "times": None})
    assert hubspot.get(CONTACTS).status_code == 200


def test_mail_faults_are_scripted_at_the_mail_server(control: httpx.Client, box: Sandbox) -> None:
    fault = {"system": "smtp", "kind": "status", "status": 550, "path": "x@lumenfold.example"}
    assert control.post("/faults", json=fault).status_code == 200
    assert box.world.smtp.due("rcpt", ["x@lumenfold.example"]).startswith("550")
    assert control.post("/faults", json={"system": "smtp", "kind": "html"}).status_code == 400


# The command


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_writes_its_files_and_ends_quietly_on_a_signal(
    command: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    env, truth = tmp_path / "sandbox.env", tmp_path / "truth.json"
    arguments = f"--leads 30 --now 2026-03-18T15:30:00Z --arrivals 600 --env {env} --truth {truth}"
    with command(*arguments.split()) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        settings = dict(row.split("=", 1) for row in env.read_text().splitlines())
        assert list(settings) == SETTINGS
        assert settings["BATON_HUBSPOT_BASE_URL"] in line
        assert env.stat().st_mode & 0o077 == 0
        known = len(orjson.loads(truth.read_bytes())["people"])
        deadline = time.monotonic() + 20
        url = f"{settings['SANDBOX_CONTROL_URL']}/truth"
        while len(httpx.get(url).json()["people"]) == known and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(httpx.get(url).json()["people"]) > known
        process.send_signal(number)
        assert process.wait(timeout=15) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert not is_open(settings["BATON_HUBSPOT_BASE_URL"])


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--load", "marketo", "."], 2, "olist"),
        (["--leads", "-1"], 2, "negative"),
        (["--now", "soon"], 2, "ISO"),
        (["--load", "olist", "no-such-folder"], 1, "no-such-folder"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    command: Callable[..., subprocess.Popen[str]], arguments: list[str], status: int, said: str
) -> None:
    with command(*arguments) as process:
        _, complaint = process.communicate(timeout=30)
        assert process.returncode == status
        assert said in complaint
