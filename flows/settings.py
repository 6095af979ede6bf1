"""Every setting, in one place: nothing else in ``flows`` reads the environment.

``.env.example`` lists the same fields, one line each, and a test keeps the two equal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from flows.errors import SettingsError

PREFIX = "BATON_"


def _as_utc(moment: datetime) -> datetime:
    # A time without a zone is UTC, like every time in the stores; .env.example says so.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _stripped(value: Any) -> Any:
    # A pasted token ends in a line break often enough, and the vendor's 401 does not say why.
    return value.strip() if isinstance(value, str) else value


Moment = Annotated[datetime, AfterValidator(_as_utc)]
Text = Annotated[str, BeforeValidator(_stripped)]
Secret = Annotated[SecretStr, BeforeValidator(_stripped)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Share = Annotated[float, Field(gt=0, le=1)]

# What each system cannot work without. A mail relay inside the house may need no login.
REQUIRED: dict[str, tuple[str, ...]] = {
    "hubspot": ("hubspot_token",),
    "salesforce": ("salesforce_login_url", "salesforce_client_id"),
    "slack": ("slack_token",),
    "smtp": ("smtp_host", "smtp_sender"),
}


class Settings(BaseSettings):
    """What a run is told from outside. Secrets show as stars wherever they are printed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Path(".baton")
    go_live_at: Moment | None = None
    as_of: Moment | None = None
    lease_wait: float = Field(60, ge=0)
    # Both flows start at minutes 0, 10, ..., and a sync may take longer than a minute: whoever
    # gave up then would leave reminders to the next tick, which may find the stores in use again.
    sla_lease_wait: float = Field(290, ge=0)

    hubspot_base_url: Text = "https://api.hubapi.com"
    hubspot_token: Secret | None = None
    hubspot_api_version: Text = "2026-09"
    hubspot_timeout: Seconds = 30
    hubspot_requests_per_10s: int = Field(190, ge=0)
    hubspot_searches_per_second: int = Field(5, ge=0)
    hubspot_daily_share: Share = 0.8

    salesforce_login_url: Text | None = None
    salesforce_client_id: Text | None = None
    salesforce_client_secret: Secret | None = None
    salesforce_username: Text | None = None
    salesforce_private_key: Secret | None = None
    salesforce_audience: Text = "https://login.salesforce.com"
    salesforce_api_version: Text = "62.0"
    salesforce_timeout: Seconds = 30
    salesforce_bulk_from: int = Field(250_000, ge=0)
    salesforce_daily_share: Share = 0.8

    clearbit_key: Secret | None = None
    clearbit_person_base_url: Text = "https://person.clearbit.com"
    clearbit_company_base_url: Text = "https://company.clearbit.com"
    clearbit_timeout: Seconds = 10

    slack_base_url: Text = "https://slack.com/api"
    slack_token: Secret | None = None
    slack_timeout: Seconds = 30
    slack_seconds_between_messages: float = Field(1.0, ge=0)

    smtp_host: Text | None = None
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_username: Text | None = None
    smtp_password: Secret | None = None
    smtp_sender: Text | None = None
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_timeout: Seconds = 30

    @classmethod
    def load(cls, env_file: Path | None = None) -> Self:
        """Read the environment, and under it ``env_file``: what is exported wins.

        Raises: SettingsError naming the variable; never its value, which may be a secret.
        """
        if env_file is not None and not env_file.is_file():
            raise SettingsError(
                f"the settings file {env_file} does not exist",
                next_step="Copy .env.example, fill it in and name it with --env-file",
            )
        try:
            return cls(_env_file=env_file)
        except (ValidationError, UnicodeDecodeError) as problem:
            raise SettingsError(
                _unreadable(problem), next_step="Compare the line with .env.example"
            ) from None

    def require(self, systems: Iterable[str] = tuple(REQUIRED)) -> None:
        """Check that nothing a system needs is missing.

        Raises: SettingsError naming the first missing variable.
        """
        for system in systems:
            for name in REQUIRED.get(system, ()):
                if getattr(self, name) is None:
                    raise SettingsError(
                        f"{PREFIX}{name.upper()} is not set, and {system} cannot work without it",
                        next_step="Set it in the environment or in the file named by --env-file",
                    )
            if system == "salesforce":
                self._require_salesforce_credential()

    def _require_salesforce_credential(self) -> None:
        """One of the two flows must be complete: a client's secret, or a key and its user."""
        if self.salesforce_client_secret is not None:
            return
        missing = {
            "BATON_SALESFORCE_PRIVATE_KEY": self.salesforce_private_key,
            "BATON_SALESFORCE_USERNAME": self.salesforce_username,
        }
        told = [name for name, value in missing.items() if value is None]
        if told:
            raise SettingsError(
                "BATON_SALESFORCE_CLIENT_SECRET is not set, and salesforce cannot work without it",
                next_step="Set it in the environment or in the file named by --env-file; or, for "
                f"the JWT bearer flow, set {' and '.join(told)}",
            )


def _unreadable(problem: Exception) -> str:
    if not isinstance(problem, ValidationError):
        return "the settings file is not UTF-8 text"
    told = []
    for error in problem.errors(include_input=False, include_url=False, include_context=False):
        name = PREFIX + str(error["loc"][0] if error["loc"] else "?").upper()
        told.append(f"{name} is wrong ({error['msg']})")
    return "; ".join(told)


def telemetry_off() -> None:
    """Switch off every library's reports home. Called before any of them is imported."""
    os.environ.update(
        {
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "GX_ANALYTICS_ENABLED": "false",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
        }
    )


def dbt_environment(home: Path, **switches: str) -> dict[str, str | None]:
    """Tell dbt, which reads the environment, where the stores are and where to put its output.

    Returns what stood there before, for ``restore_environment``: settings read later in the same
    process must not find the home of this run (least of all a dry run's copy) in its place.
    """
    values = {"BATON_HOME": str(home), "DBT_TARGET_PATH": str(home / "dbt"), **switches}
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    return before


def restore_environment(before: dict[str, str | None]) -> None:
    """Put back what ``dbt_environment`` replaced."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def prefect_address() -> str | None:
    """Where a Prefect server is, or None: then a run is not recorded by one."""
    return os.environ.get("PREFECT_API_URL") or None


def forget_exported() -> None:
    """Forget every exported setting of ours and of Prefect's: a demo touches nobody's accounts."""
    for name in list(os.environ):
        # Both are read in whatever case they are written.
        if name.upper().startswith((PREFIX, "PREFECT_")):
            del os.environ[name]


def prefect_environment(home: Path, address: str) -> dict[str, str]:
    """Point Prefect at a server of ours; returns the environment its processes need."""
    # A proxy of the machine must not stand between us and a server on loopback.
    direct = ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1", "localhost")))
    os.environ.update(
        {
            "NO_PROXY": direct,
            "no_proxy": direct,
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": address,
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PREFECT_LOGGING_TO_API_ENABLED": "true",
            "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),
        }
    )
    return dict(os.environ)
