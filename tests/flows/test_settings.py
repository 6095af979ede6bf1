from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from flows.errors import SettingsError
from flows.settings import PREFIX, REQUIRED, Settings, telemetry_off

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_the_example_lists_every_setting_with_a_comment_and_no_other() -> None:
    lines = EXAMPLE.read_text().splitlines()
    listed = [line.partition("=")[0] for line in lines if re.match(r"[A-Z]", line)]
    assert sorted(listed) == sorted(PREFIX + name.upper() for name in Settings.model_fields)
    for before, line in pairwise(lines):
        if re.match(r"[A-Z]", line):
            assert before.startswith("# "), f"{line} has no comment above it"


def test_the_example_as_it_stands_means_the_defaults() -> None:
    assert Settings.load(EXAMPLE) == Settings.load()


def test_what_is_exported_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "env"
    file.write_text("BATON_SMTP_PORT=2525\nBATON_SMTP_HOST=mail\nSANDBOX_CONTROL_URL=http://x\n")
    monkeypatch.setenv("BATON_SMTP_PORT", "465")
    settings = Settings.load(file)
    assert (settings.smtp_port, settings.smtp_host) == (465, "mail")


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_HUBSPOT_TOKEN", " pat-na1-0f9c\n")
    settings = Settings.load()
    assert "0f9c" not in repr(settings) + str(settings.model_dump())
    assert settings.hubspot_token is not None
    assert settings.hubspot_token.get_secret_value() == "pat-na1-0f9c"


def test_the_first_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="BATON_HUBSPOT_TOKEN is not set, and hubspot"):
        Settings.load().require()
    monkeypatch.setenv("BATON_HUBSPOT_TOKEN", "x")
    Settings.load().require(["hubspot"])
    with pytest.raises(SettingsError, match="BATON_SALESFORCE_LOGIN_URL"):
        Settings.load().require()
    for name in (name for names in REQUIRED.values() for name in names):
        monkeypatch.setenv(PREFIX + name.upper(), "x")
    with pytest.raises(SettingsError, match="BATON_SALESFORCE_CLIENT_SECRET"):
        Settings.load().require()
    monkeypatch.setenv("BATON_SALESFORCE_PRIVATE_KEY", "x")
    with pytest.raises(SettingsError, match="set BATON_SALESFORCE_USERNAME"):
        Settings.load().require()
    monkeypatch.setenv("BATON_SALESFORCE_USERNAME", "x")
    Settings.load().require()
    monkeypatch.delenv("BATON_SALESFORCE_USERNAME")
    monkeypatch.setenv("BATON_SALESFORCE_CLIENT_SECRET", "x")
    Settings.load().require()


def test_a_wrong_value_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_SMTP_PORT", "s3cr3t")
    with pytest.raises(SettingsError, match="BATON_SMTP_PORT is wrong") as caught:
        Settings.load()
    assert "s3cr3t" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        Settings.load(tmp_path / "none")


def test_a_time_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_AS_OF", "2026-01-05T10:00:00")
    monkeypatch.setenv("BATON_GO_LIVE_AT", "2026-01-05T11:00:00+01:00")
    settings = Settings.load()
    assert settings.as_of == settings.go_live_at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert settings.go_live_at is not None
    assert settings.go_live_at.utcoffset() == datetime.now(UTC).utcoffset()


def test_telemetry_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED", "GX_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")
    telemetry_off()
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
    assert os.environ["DO_NOT_TRACK"] == "1"
