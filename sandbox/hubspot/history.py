"""The past of property values, newest first, as ``propertiesWithHistory`` shows it.

Only values that were changed after the record's birth are written down; of any other the one
version is known from the record itself. A population of a million needs no memory for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.hubspot.schema import iso

if TYPE_CHECKING:
    from sandbox.hubspot.record import Record

# HubSpot keeps the last versions of a contact's property.
MOST_VERSIONS = 45
_BORN = {"FORM": "FORM", "IMPORT": "IMPORT", "INTEGRATION": "INTEGRATION"}

Version = tuple[int, str, str, str | None]  # ms, value, source type, source id


class History:
    """Versions of values by object, record id and property."""

    def __init__(self) -> None:
        self.is_kept = True
        self._held: dict[tuple[str, int], dict[str, list[Version]]] = {}

    def changed(
        self, object: str, before: Record, after: Record, source: str, source_id: str | None
    ) -> None:
        """Write down every value that differs between two versions of a record."""
        if not self.is_kept:
            return
        old, new = before.props, after.props
        names = [name for name in {*old, *new} if old.get(name) != new.get(name)]
        if not names:
            return
        held = self._held.setdefault((object, before.id), {})
        for name in names:
            versions = held.get(name)
            if versions is None:
                versions = held[name] = []
                if (first := old.get(name)) is not None:
                    versions.append(_born(before, first))
            versions.append((after.modified, new.get(name) or "", source, source_id))
            del versions[:-MOST_VERSIONS]

    def of(self, object: str, record: Record, name: str) -> list[dict[str, Any]]:
        """The versions of one value, newest first."""
        versions = self._held.get((object, record.id), {}).get(name)
        if versions is None:
            value = record.props.get(name)
            versions = [] if value is None else [_born(record, value)]
        return [
            {
                "value": value,
                "timestamp": iso(ms),
                "sourceType": source,
                **({"sourceId": source_id} if source_id else {}),
            }
            for ms, value, source, source_id in reversed(versions)
        ]

    def forget(self, object: str, id: int) -> None:
        self._held.pop((object, id), None)


def _born(record: Record, value: str) -> Version:
    source = record.props.get("hs_object_source") or ""
    return record.created, value, _BORN.get(source, "CRM_UI"), None
