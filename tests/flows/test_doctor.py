"""Break one thing, and the doctor names it with its cure and calls nothing else broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from flows.cli import app
from flows.connectors.base import Finding
from flows.doctor import examine
from flows.settings import Settings
from flows.steps.extract import open_connector

if TYPE_CHECKING:
    from sandbox.server import Sandbox

pytestmark = pytest.mark.timeout(120)


@dataclass
class Patient:
    """A sandbox, the settings that point at it, and a home."""

    box: Sandbox
    home: Path
    values: dict[str, str]

    def control(self, path: str, **body: Any) -> None:
        httpx.post(f"{self.box.control_url}{path}", json=body, timeout=30).raise_for_status()

    def settings(self) -> Settings:
        file = self.home / "settings.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in self.values.items()))
        return Settings.load(file)

    def findings(self) -> list[Finding]:
        return list(examine(self.settings(), open_connector))


@pytest.fixture
def patient(sandbox_box: Callable[..., Sandbox], tmp_path: Path) -> Patient:
    box = sandbox_box(leads=5, golden=False)
    return Patient(box, tmp_path, {**box.env, "BATON_HOME": str(tmp_path / "home")})


def broken(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings if finding.status == "broken"}


def test_a_healthy_installation_has_nothing_broken_and_every_finding_of_trouble_a_cure(
    patient: Patient,
) -> None:
    findings = patient.findings()
    assert broken(findings) == {}
    looked_at = {finding.check.partition(".")[0] for finding in findings}
    assert looked_at >= {"hubspot", "salesforce", "slack", "smtp", "clock", "stores", "prefect"}


def wrong(name: str, value: str) -> Callable[[Patient], None]:
    def change(patient: Patient) -> None:
        patient.values[name] = value

    return change


def told(path: str, **body: Any) -> Callable[[Patient], None]:
    return lambda patient: patient.control(path, **body)


def _hidden(level: str) -> Callable[[Patient], None]:
    return told("/salesforce/access", object="Lead", fields=["baton_score__c"], level=level)


def _property(action: str, **more: Any) -> Callable[[Patient], None]:
    return told("/hubspot/properties", action=action, name="baton_score", **more)


@pytest.mark.parametrize(
    ("break_it", "check", "cure"),
    [
        (
            wrong("BATON_HUBSPOT_TOKEN", "pat-na1-wrong"),
            "hubspot.credential",
            "BATON_HUBSPOT_TOKEN",
        ),
        (told("/hubspot/token", expired=True), "hubspot.credential", "BATON_HUBSPOT_TOKEN"),
        (wrong("BATON_HUBSPOT_API_VERSION", "2031-01"), "hubspot.api_version", "API_VERSION"),
        (
            told("/hubspot/scopes", remove=["crm.objects.owners.read"]),
            "hubspot.stream owners",
            "crm.objects.owners.read",
        ),
        (_property("remove"), "hubspot.field contact.baton_score", "setup-crm"),
        (_property("retype", type="string"), "hubspot.field contact.baton_score", "Archive it"),
        (wrong("BATON_SALESFORCE_CLIENT_SECRET", "wrong"), "salesforce.credential", "CLIENT_ID"),
        (wrong("BATON_SALESFORCE_API_VERSION", "25.0"), "salesforce.api_version", "API_VERSION"),
        (_hidden("none"), "salesforce.field Lead.baton_score__c", "setup-crm"),
        (_hidden("read"), "salesforce.field Lead.baton_score__c", "setup-crm"),
        (
            told("/salesforce/fields", action="remove", object="Lead", field="baton_trigger__c"),
            "salesforce.field Lead.baton_trigger__c",
            "setup-crm",
        ),
        (
            told(
                "/salesforce/fields",
                action="retype",
                object="Lead",
                field="baton_score__c",
                type="string",
                length=255,
            ),
            "salesforce.field Lead.baton_score__c",
            "Rename it",
        ),
        (wrong("BATON_SLACK_TOKEN", "xoxb-wrong"), "slack.token", "credential"),
        (told("/slack/scopes", remove=["im:history"]), "slack.scope im:history", "im:history"),
        (wrong("BATON_SMTP_PASSWORD", "wrong"), "smtp.server", "credential"),
        (wrong("BATON_SMTP_HOST", "127.0.0.2"), "smtp.server", ""),
        (wrong("BATON_SMTP_SENDER", ""), "smtp.settings", "--env-file"),
        (wrong("BATON_CLEARBIT_KEY", "sk_wrong"), "clearbit.key", "BATON_CLEARBIT_KEY"),
    ],
)
def test_each_thing_that_is_broken_is_named_with_its_cure(
    patient: Patient, break_it: Callable[[Patient], None], check: str, cure: str
) -> None:
    break_it(patient)
    found = broken(patient.findings())
    assert check in found, sorted(found)
    assert cure in (found[check].cure or "no cure"), found[check]
    # One cause may be seen in several places of its own system, and in no other.
    assert {name.partition(".")[0] for name in found} == {check.partition(".")[0]}


@pytest.mark.parametrize(
    ("break_it", "check"),
    [
        (told("/hubspot/limits", used_today=640_000), "hubspot.daily_calls"),
        (told("/salesforce/limits", daily_limit=1000, calls_today=900), "salesforce.daily_calls"),
        (told("/hubspot/tier", tier="professional"), "hubspot.stream page_events"),
        (told("/hubspot/scopes", remove=["crm.objects.deals.read"]), "hubspot.stream deals"),
        (wrong("BATON_AS_OF", "2026-01-05T10:00:00"), "clock.as_of"),
        (wrong("BATON_CLEARBIT_PERSON_BASE_URL", "http://127.0.0.1:9"), "clearbit.key"),
    ],
)
def test_what_a_sync_can_do_without_is_a_warning_with_its_cure(
    patient: Patient, break_it: Callable[[Patient], None], check: str
) -> None:
    break_it(patient)
    findings = patient.findings()
    warned = {finding.check: finding for finding in findings if finding.status == "warning"}
    assert check in warned, warned
    assert warned[check].cure
    assert broken(findings) == {}


def test_a_clock_that_is_wrong_is_noticed(patient: Patient) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    patient.control("/clock", now=later.isoformat())
    (finding,) = broken(patient.findings()).values()
    assert finding.check == "clock.skew"
    assert "behind" in finding.detail
    assert "synchronisation" in (finding.cure or "")


def test_a_home_that_cannot_be_written_to_is_named(patient: Patient) -> None:
    (patient.home / "file").touch()
    patient.values["BATON_HOME"] = str(patient.home / "file" / "home")
    assert set(broken(patient.findings())) == {"stores.home"}


def test_a_lost_and_a_damaged_ledger_are_named_and_left_alone(patient: Patient) -> None:
    from flows.warehouse import Warehouse

    home = patient.home / "home"
    with Warehouse(home) as warehouse:
        warehouse.prepare()
    assert broken(patient.findings()) == {}
    ledger = home / "ledger.duckdb"
    kept = ledger.rename(patient.home / "kept.duckdb")
    assert "backup" in (broken(patient.findings())["stores.ledger"].cure or "")
    assert not ledger.exists(), "the doctor made a new ledger in the place of the lost one"
    ledger.write_bytes(b"not a database" * 1000)
    assert set(broken(patient.findings())) == {"stores.ledger"}
    assert ledger.read_bytes().startswith(b"not a database")
    kept.replace(ledger)
    assert broken(patient.findings()) == {}


def test_a_prefect_server_that_does_not_answer_is_named(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert set(broken(patient.findings())) == {"prefect.server"}


@pytest.mark.e2e
def test_a_server_without_the_deployment_is_a_warning(patient: Patient, prefect_api: str) -> None:
    found = {finding.check: finding for finding in patient.findings()}
    assert found["prefect.server"].status == "ok"
    assert found["prefect.deployment"].status == "warning"
    assert "prefect deploy" in (found["prefect.deployment"].cure or "")


def test_the_command_says_all_of_it_and_ends_with_1(
    patient: Patient, capsys: pytest.CaptureFixture[str]
) -> None:
    patient.control("/slack/scopes", remove=["chat:write"])
    patient.settings()
    file = str(patient.home / "settings.env")
    assert app(["--env-file", file, "doctor"]) == 1
    text = capsys.readouterr().out
    assert "broken   slack.scope chat:write" in text
    assert "cure: Add chat:write" in text
    assert app(["--env-file", file, "doctor", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["broken"] == 1
    secrets = [
        value for name, value in patient.values.items() if "TOKEN" in name or "SECRET" in name
    ]
    assert not any(secret in text or secret in json.dumps(document) for secret in secrets)


# baton setup-crm


def writes(patient: Patient) -> int:
    answer = httpx.get(f"{patient.box.control_url}/requests", params={"write": "true"})
    return sum(
        request["status"] in (200, 201, 204, 207)
        for request in answer.json()["requests"]
        if "oauth" not in request["path"]
    )


def test_setup_crm_makes_what_is_missing_and_the_second_time_nothing(
    sandbox_box: Callable[..., Sandbox], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = sandbox_box(leads=5, golden=False, custom_fields=False)
    patient = Patient(box, tmp_path, {**box.env, "BATON_HOME": str(tmp_path / "home")})
    sick = broken(patient.findings())
    assert len(sick) > 10
    assert all("setup-crm" in (finding.cure or "") for finding in sick.values())
    file = str(tmp_path / "settings.env")
    assert app(["--env-file", file, "setup-crm", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["created"] > 10
    assert broken(patient.findings()) == {}
    before = writes(patient)
    assert app(["--env-file", file, "setup-crm", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["created"], second["granted"], second["refused"]) == (0, 0, 0)
    assert second["present"] >= first["created"]
    assert writes(patient) == before, "the second time wrote something"


def test_setup_crm_leaves_a_field_of_another_type_as_it_is(
    patient: Patient, capsys: pytest.CaptureFixture[str]
) -> None:
    patient.control("/hubspot/properties", action="retype", name="baton_score", type="string")
    patient.settings()
    assert app(["--env-file", str(patient.home / "settings.env"), "setup-crm", "--json"]) == 1
    changes = json.loads(capsys.readouterr().out)["changes"]
    (refused,) = [change for change in changes if change["status"] == "refused"]
    assert "baton_score" in refused["what"]
    assert "must be a number" in refused["detail"]
