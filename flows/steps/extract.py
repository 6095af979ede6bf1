"""Pull every stream of every lead source into the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml
from pydantic import SecretStr

from flows.connectors.base import Connector, Stream
from flows.connectors.hubspot import HubSpot
from flows.connectors.salesforce import Salesforce
from flows.connectors.slack import Slack
from flows.connectors.smtp import Smtp
from flows.errors import SettingsError
from flows.landing import Landed
from flows.ledger import Ledger
from flows.settings import Settings
from flows.warehouse import DBT_PROJECT, Warehouse


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one stream brought, in records."""

    address: str
    pulled: int
    landed: int
    quarantined: int
    seconds: float


def open_connectors(settings: Settings) -> dict[str, Connector]:
    """Open a connector for every system. Raises: SettingsError naming what is not set."""
    settings.require()
    return {system: open_connector(settings, system) for system in OPENERS}


def open_connector(settings: Settings, system: str) -> Connector:
    """Open one system's connector. Raises: SettingsError naming what is not set."""
    settings.require([system])
    return OPENERS[system](settings)


def _hubspot(settings: Settings) -> Connector:
    return HubSpot(
        base_url=settings.hubspot_base_url,
        token=_secret(settings.hubspot_token),
        api_version=settings.hubspot_api_version,
        timeout=settings.hubspot_timeout,
        requests_per_10s=settings.hubspot_requests_per_10s,
        searches_per_second=settings.hubspot_searches_per_second,
        daily_share=settings.hubspot_daily_share,
    )


def _salesforce(settings: Settings) -> Connector:
    key = settings.salesforce_private_key
    return Salesforce(
        login_url=settings.salesforce_login_url or "",
        client_id=settings.salesforce_client_id or "",
        client_secret=_secret(settings.salesforce_client_secret),
        username=settings.salesforce_username,
        private_key=None if key is None else key.get_secret_value(),
        audience=settings.salesforce_audience,
        api_version=settings.salesforce_api_version,
        timeout=settings.salesforce_timeout,
        bulk_from=settings.salesforce_bulk_from,
        daily_share=settings.salesforce_daily_share,
    )


def _slack(settings: Settings) -> Connector:
    return Slack(
        base_url=settings.slack_base_url,
        token=_secret(settings.slack_token),
        timeout=settings.slack_timeout,
        seconds_between_messages=settings.slack_seconds_between_messages,
    )


def _smtp(settings: Settings) -> Connector:
    password = settings.smtp_password
    return Smtp(
        host=settings.smtp_host or "",
        port=settings.smtp_port,
        sender=settings.smtp_sender or "",
        username=settings.smtp_username,
        password=None if password is None else password.get_secret_value(),
        security=settings.smtp_security,
        timeout=settings.smtp_timeout,
    )


OPENERS: dict[str, Callable[[Settings], Connector]] = {
    "hubspot": _hubspot,
    "salesforce": _salesforce,
    "slack": _slack,
    "smtp": _smtp,
}


def _secret(value: SecretStr | None) -> str:
    """Open a secret where a connector takes it; ``require`` has seen that it is there."""
    return "" if value is None else value.get_secret_value()


def lead_sources() -> list[str]:
    """Name the systems people come from: the list dbt holds, so that there is no second one."""
    project = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    return list(project["vars"]["lead_sources"])


def sources(connectors: dict[str, Connector]) -> list[Connector]:
    """Pick the connectors of the lead sources. Raises: SettingsError for one that has none."""
    unknown = [name for name in lead_sources() if name not in connectors]
    if unknown:
        raise SettingsError(
            f"lead_sources in dbt_project.yml names {', '.join(unknown)}, which has no connector"
        )
    return [connectors[name] for name in lead_sources()]


def pull_stream(
    connector: Connector,
    stream: Stream,
    warehouse: Warehouse,
    ledger: Ledger,
    progress: Callable[[str, int, int | None], None] = lambda _address, _done, _total: None,
) -> Pulled:
    """Land what a stream has new. Second run: the look-back again, and nothing new of it."""
    began = time.perf_counter()
    address = f"{connector.system}.{stream.name}"
    landed = Landed()
    pages = connector.pull(stream, warehouse.journal.cursor_of(address), _now(ledger))
    landed = warehouse.journal.land(
        address,
        pages,
        ledger.run_id,
        ledger.as_of,
        lambda so_far, total: progress(address, so_far.pulled, total),
    )
    seconds = time.perf_counter() - began
    quarantined = ledger.count_stream(address, landed, seconds)
    return Pulled(address, landed.pulled, landed.landed, quarantined, seconds)


def _now(ledger: Ledger) -> datetime:
    return ledger.as_of.replace(tzinfo=UTC)
