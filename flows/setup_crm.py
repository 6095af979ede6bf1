"""Make the fields Baton writes to, and the right to write them. Safe to repeat."""

from __future__ import annotations

from collections.abc import Iterator

from flows.connectors.base import Change, SetsUp
from flows.errors import SourceError
from flows.settings import Settings
from flows.steps.extract import open_connector

SYSTEMS = ("hubspot", "salesforce")


def set_up(settings: Settings) -> Iterator[tuple[str, Change]]:
    """Yield what was made or found, system by system; one that fails does not stop the other.

    Second run: everything is ``present`` and nothing is written. Raises: SettingsError naming
    what is not set.
    """
    settings.require(SYSTEMS)
    for system in SYSTEMS:
        connector = open_connector(settings, system)
        try:
            if isinstance(connector, SetsUp):
                for change in connector.set_up():
                    yield system, change
        except SourceError as error:
            yield system, Change("set-up", "refused", str(error))
        finally:
            connector.close()
