"""The records of the org and what people do to them; names are checked, nothing else is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sandbox.salesforce.derive import CHILDREN, converted, derive
from sandbox.salesforce.history import SNAPSHOT, TRACKED, changes
from sandbox.salesforce.objects import ACCESS
from sandbox.salesforce.stored import Stored
from sandbox.salesforce.table import HistoryTable
from sandbox.salesforce.values import Row, must_be_id, wire_time

MERGEABLE = ("Lead", "Contact", "Account")
# What can stand on a queue: every queue of this org takes both.
QUEUED = ("Lead", "Task")


class Records(Stored):
    """The ways in that the population and the reps use."""

    # -- the population's and the reps' way in --

    def insert(
        self,
        object: str,
        fields: Row,
        *,
        at: datetime | None = None,
        id: str | None = None,
        by: str | None = None,
    ) -> str:
        """Add a record as it stands and return its id; audit fields may be given too.

        Raises ValueError for an object or field the org does not have.
        """
        table = self.table(object)
        stamp = wire_time(at or self.clock.now())
        given = converted(table.sobject, fields)
        row: Row = {"Id": must_be_id(id) if id else self._mint(table.sobject)}
        if row["Id"] in table.rows:
            raise ValueError(f"Salesforce already holds {object} {row['Id']}.")
        row |= table.defaults
        if "OwnerId" in table.sobject.fields:
            row["OwnerId"] = by or self.integration_user_id
        row |= {name: value for name, value in given.items() if value is not None}
        actor = by or self.person(row)
        for name, value in (
            ("CreatedDate", stamp),
            ("CreatedById", actor),
            ("LastModifiedDate", stamp),
            ("LastModifiedById", actor),
            ("SystemModstamp", stamp),
        ):
            row.setdefault(name, value)
        derive(table.sobject, row, given, stamp)
        table.add(row)
        self._follow(object, row, stamp, actor)
        return str(row["Id"])

    def _follow(self, object: str, row: Row, stamp: str, actor: str) -> None:
        """Do what the coming of a record brings about elsewhere."""
        if object in ("Task", "Event"):
            self._hang(row)
        elif object == "Opportunity":
            self._snapshot(row, stamp, actor)
        elif object == "Group" and row.get("Type") == "Queue":
            for name in QUEUED:
                self.insert("QueueSobject", {"QueueId": row["Id"], "SobjectType": name})

    def update(
        self,
        object: str,
        id: str,
        fields: Row,
        *,
        at: datetime | None = None,
        by: str | None = None,
    ) -> None:
        """Change a record as a person would; None empties a field."""
        table = self.table(object)
        row = table.rows[must_be_id(id)]
        stamp = wire_time(at or self.clock.now())
        given = converted(table.sobject, fields)
        given.pop("SystemModstamp", None)  # moves with every change, never by hand
        before = {name: row.get(name) for name in (*SNAPSHOT, "OwnerId", "Status")}
        table.unindex(row)
        for name, value in given.items():
            if value is None and table.sobject.fields[name].type == "boolean":
                value = False
            row[name] = value
        derive(table.sobject, row, given, stamp)
        self.stamp(table, row, stamp, by or self.person(row))
        row |= {name: given[name] for name in ("LastModifiedById",) if given.get(name)}
        table.index(row)
        self._remember(object, before, row, stamp)
        if object in ("Task", "Event") and given.keys() & {"WhoId", "Status", "ActivityDate"}:
            self._hang(row)

    def delete(
        self, object: str, id: str, at: datetime | None = None, by: str | None = None
    ) -> None:
        """Put a record into the bin: ``query`` no longer shows it, ``queryAll`` does.

        Access is not binned but gone.
        """
        table = self.table(object)
        row = table.rows[must_be_id(id)]
        if object in ACCESS:
            table.remove(row)
            return
        row["IsDeleted"] = table.has_bin = True
        self.stamp(table, row, wire_time(at or self.clock.now()), by or self.person(row))

    def undelete(self, object: str, id: str, at: datetime | None = None) -> None:
        """Take a record out of the bin again."""
        table = self.table(object)
        row = table.rows[must_be_id(id)]
        row["IsDeleted"] = False
        self.stamp(table, row, wire_time(at or self.clock.now()), self.person(row))

    def purge(self, object: str, id: str) -> None:
        """Remove a record for good: not even ``queryAll`` shows it, only the log of deletions."""
        table = self.table(object)
        row = table.rows[must_be_id(id)]
        self.purged.setdefault(object, []).append((wire_time(self.clock.now()), row["Id"]))
        table.remove(row)

    def merge(
        self,
        object: str,
        winner: str,
        loser: str,
        at: datetime | None = None,
        by: str | None = None,
    ) -> None:
        """Merge two records: the loser is deleted and points at the winner, its children move.

        Nothing on the winner says what it swallowed; only its modification time moves.
        """
        if object not in MERGEABLE:
            raise ValueError(f"Salesforce merges {', '.join(MERGEABLE)}; not {object}.")
        table = self.table(object)
        kept, lost = table.rows[must_be_id(winner)], table.rows[must_be_id(loser)]
        stamp = wire_time(at or self.clock.now())
        actor = by or self.person(kept)
        lost["MasterRecordId"] = kept["Id"]
        self.delete(object, lost["Id"], at, actor)
        for child, name in CHILDREN[object]:
            self._move_children(child, name, lost["Id"], kept["Id"], stamp)
        self.stamp(table, kept, stamp, actor)
        self._note(object, kept, "leadMerged", stamp)

    def convert(
        self,
        lead_id: str,
        account_id: str,
        contact_id: str,
        opportunity_id: str | None = None,
        at: datetime | None = None,
        by: str | None = None,
    ) -> None:
        """Mark a lead as converted into records that exist; its activities move to the contact.

        The contact does not learn the lead's id: only the lead points forward.
        """
        table = self.table("Lead")
        row = table.rows[must_be_id(lead_id)]
        before = dict(row)
        moment = at or self.clock.now()
        row |= {
            "IsConverted": True,
            "ConvertedDate": moment.astimezone(UTC).date().isoformat(),
            "ConvertedAccountId": must_be_id(account_id),
            "ConvertedContactId": must_be_id(contact_id),
            "ConvertedOpportunityId": must_be_id(opportunity_id) if opportunity_id else None,
            "Status": "Closed - Converted",
        }
        stamp = wire_time(moment)
        self.stamp(table, row, stamp, by or self.person(row))
        self._remember("Lead", before, row, stamp)
        self._note("Lead", row, "leadConverted", stamp)
        for child in ("Task", "Event"):
            self._move_children(child, "WhoId", row["Id"], must_be_id(contact_id), stamp)

    def touch(self, object: str, ids: Iterable[str] | None, at: datetime | None = None) -> int:
        """Give many records one SystemModstamp, as a mass update does; None means all living."""
        table = self.table(object)
        named = table.rows if ids is None else [must_be_id(id_) for id_ in ids]
        chosen = {id_ for id_ in named if not table.rows[id_].get("IsDeleted")}
        table.tidy()
        table.lift_many(chosen)
        stamp = wire_time(at or self.clock.now())
        for id_ in chosen:
            table.rows[id_]["SystemModstamp"] = stamp
        return len(chosen)

    # -- what a change brings about elsewhere --

    def _remember(self, object: str, before: Row, row: Row, stamp: str) -> None:
        for name, old, new in changes(object, before, row, self.find):
            self._note(object, row, name, stamp, old, new)
        if object == "Opportunity" and any(before.get(k) != row.get(k) for k in SNAPSHOT):
            self._snapshot(row, stamp, row["LastModifiedById"])

    def _note(
        self, object: str, row: Row, name: str, stamp: str, old: str = "", new: str = ""
    ) -> None:
        log = self._tables[TRACKED[object][0]] if object in TRACKED else None
        if isinstance(log, HistoryTable):
            log.note(stamp, row["Id"], name, old or None, new or None, row["LastModifiedById"])

    def _snapshot(self, row: Row, stamp: str, actor: str) -> None:
        log = self._tables["OpportunityHistory"]
        if isinstance(log, HistoryTable):
            log.note(stamp, row["Id"], *(row.get(name) for name in SNAPSHOT), actor)

    def _hang(self, row: Row) -> None:
        """Remember an activity with its person, and date the person's last activity."""
        who = row.get("WhoId")
        if not who:
            return
        hung = self._activities.setdefault(who, [])
        if row["Id"] not in hung:
            hung.append(row["Id"])
        day = row.get("ActivityDate") or (row.get("CompletedDateTime") or "")[:10]
        person = self.find(who)
        # The person's SystemModstamp does not move: nobody edited the person.
        if person is not None and day and (row["Id"][:3] == "00U" or row.get("IsClosed")):
            person["LastActivityDate"] = max(person.get("LastActivityDate") or "", day)

    def _unhang(self, row: Row) -> None:
        hung = self._activities.get(row.get("WhoId") or "", [])
        if row["Id"] in hung:
            hung.remove(row["Id"])

    def _move_children(self, child: str, name: str, old: str, new: str, stamp: str) -> None:
        table = self.table(child)
        if name == "WhoId":
            ids = [id_ for id_ in self._activities.get(old, ()) if id_ in table.rows]
        else:
            ids = [id_ for id_, row in table.rows.items() if row.get(name) == old]
        for id_ in ids:
            row = table.rows[id_]
            if row.get(name) == old:
                row[name] = new
                self.stamp(table, row, stamp)
                if name == "WhoId":
                    self._hang(row)

    # -- for writes that may be undone --

    def forget(self, object: str, id: str) -> None:
        """Undo an insert."""
        table = self.table(object)
        row = table.rows[id]
        table.remove(row)
        self._unhang(row)

    def restore(self, object: str, row: Row, before: Row) -> None:
        """Undo an update or a deletion."""
        table = self.table(object)
        if row["Id"] not in table.rows:
            table.add(row)
        table.unindex(row)
        self.stamp(table, row, before["SystemModstamp"])
        row.clear()
        row.update(before)
        table.index(row)
