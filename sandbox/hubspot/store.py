"""The records of one HubSpot portal, and the rules that hold when they change.

Two groups of callers: the population and the sales reps (``create``, ``update``, ``merge`` …,
which may write anything) and the HTTP side, which meets the rules of the public API through
``writes``. The caller holds ``world.lock``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING, Any

from sandbox.hubspot.activity import EMAIL_EVENT_TYPES, Activity, Form
from sandbox.hubspot.collection import Collection, normal
from sandbox.hubspot.history import History
from sandbox.hubspot.limits import Limits, Throttle
from sandbox.hubspot.links import Links
from sandbox.hubspot.lists import Lists
from sandbox.hubspot.pipelines import Pipeline, standard_pipelines
from sandbox.hubspot.record import Projection, Record
from sandbox.hubspot.schema import (
    OBJECT_TYPES,
    STAGES,
    ObjectType,
    Property,
    as_text,
    bad_request,
    iso,
    object_type,
    options,
    parse_ms,
    to_ms,
)
from sandbox.hubspot.tokens import Tokens
from sandbox.hubspot.writes import Writes, stage_rank

if TYPE_CHECKING:
    from sandbox.clock import Clock

# Ids are counted per object; the ranges do not meet, so that a mix-up shows.
FIRST_IDS = {
    name: 1001 if name == "contacts" else number * 10_000_000_000 + 1
    for number, name in enumerate(OBJECT_TYPES)
}


class HubSpotStore:
    """One portal. ``limits`` is True (as documented), False (none) or a ``Limits``.

    ``custom_fields=False`` is an account in which Baton's set-up has not run yet.
    """

    def __init__(
        self,
        clock: Clock,
        portal_id: int = 48_000_001,
        token: str = "pat-na1-sandbox",
        limits: bool | Limits = True,
        index_lag: float = 1.0,
        *,
        custom_fields: bool = True,
    ) -> None:
        self.clock = clock
        self.portal_id = int(portal_id)
        self.tokens = Tokens(clock, token)
        self.tier = "enterprise"
        self.throttle = Throttle(clock, Limits() if limits is True else limits or None)
        self.effects: list[dict[str, Any]] = []
        self.owners: dict[int, dict[str, Any]] = {}
        self.activity = Activity(self.portal_id)
        self.links = Links()
        self.history = History()
        self.lists = Lists()
        self.pipelines = standard_pipelines()
        self.writes = Writes(self)
        self._collections = {
            name: Collection(kind, clock, index_lag, custom_fields)
            for name, kind in OBJECT_TYPES.items()
        }
        self._next_ids = dict(FIRST_IDS)

    # -- reading -------------------------------------------------------------------------------

    def collection(self, name: str) -> Collection:
        """The records of an object, by any spelling. Raises: ApiError 400."""
        return self._collections[object_type(name).name]

    @property
    def index_lag(self) -> float:
        """Seconds until search sees a change."""
        return self._collections["contacts"].index.lag

    @index_lag.setter
    def index_lag(self, seconds: float) -> None:
        for collection in self._collections.values():
            collection.index.lag = seconds

    @property
    def limits(self) -> Limits | None:
        """The limits in force; None when there are none."""
        return self.throttle.limits

    @limits.setter
    def limits(self, limits: Limits | None) -> None:
        self.throttle.limits = limits

    def find(self, name: str, id: str, id_property: str | None = None) -> Record | None:
        """A live record by id, merged-away id or unique property."""
        collection = self.collection(name)
        if id_property and id_property != "hs_object_id":
            if id_property not in collection.unique:
                raise bad_request(f"{id_property} is not a unique identifier property")
            found = collection.unique[id_property].get(normal(id))
            return None if found is None else collection.records.get(found)
        if not str(id).isdigit():
            return None
        return collection.records.get(collection.resolve(int(id)))

    @property
    def token(self) -> str:
        """The static token of the account's private app."""
        return self.tokens.static

    def find_archived(self, name: str, id: str) -> Record | None:
        return self.collection(name).archived.get(int(id)) if str(id).isdigit() else None

    def get(self, name: str, id: str) -> dict[str, Any] | None:
        """A record with every set property, for the control app and tests."""
        record = self.find(name, id)
        return None if record is None else self.shown(name, record, everything=True)

    def records(self, name: str) -> Iterable[dict[str, Any]]:
        """Every live record by id, with every set property."""
        collection = self.collection(name)
        for id in collection.ids():
            yield self.shown(name, collection.records[id], everything=True)

    def shown_all(
        self, name: str, records: Iterable[Record], wanted: Iterable[str] = ()
    ) -> list[dict[str, Any]]:
        """Records as they look on the wire; the properties wanted are looked up once for all."""
        collection = self.collection(name)
        kind, known = collection.kind, collection.properties
        names = Projection([key for key in wanted or kind.defaults if key in known])
        path = f"https://app.hubspot.com/contacts/{self.portal_id}/record/{kind.type_id}/"
        return [_row(record, kind, names, path) for record in records]

    def shown(
        self,
        name: str,
        record: Record,
        wanted: Iterable[str] = (),
        *,
        everything: bool = False,
    ) -> dict[str, Any]:
        """A record as it looks on the wire; unknown names are left out, unset ones are null."""
        if not everything:
            return self.shown_all(name, [record], wanted)[0]
        kind = self.collection(name).kind
        set_names = Projection([*record.props])
        path = f"https://app.hubspot.com/contacts/{self.portal_id}/record/{kind.type_id}/"
        return _row(record, kind, set_names, path)

    # -- what the population and the reps do ---------------------------------------------------

    def create(
        self,
        object: str,
        properties: dict[str, str | None],
        *,
        at: datetime | None = None,
        id: str | None = None,
    ) -> str:
        """Create a record and return its id; the dictionary becomes the record's own."""
        collection = self.collection(object)
        properties = self._own(collection, properties)
        ms = self.ms(at)
        if email := properties.get("email") if object == "contacts" else None:
            held = collection.unique["email"].get(normal(email))
            if held is not None:
                raise ValueError(f"contact {held} already has the e-mail of the new contact")
        if id is not None and int(id) in collection.records:
            raise ValueError(f"{object} {id} exists already")
        created = _popped_time(properties, collection.kind.created, ms)
        modified = _popped_time(properties, collection.kind.modified, ms)
        properties.pop("hs_object_id", None)
        record = Record(self.new_id(collection.kind.name, id), properties, created, modified)
        self.derive(collection.kind, record, None)
        collection.put(record, modified)
        return str(record.id)

    def update(
        self,
        object: str,
        id: str,
        properties: dict[str, str | None],
        *,
        at: datetime | None = None,
    ) -> None:
        """Change a record; None or "" clears. Lifecycle stages may go any way."""
        collection = self.collection(object)
        properties = self._own(collection, properties)
        record = self.find(object, id)
        if record is None:
            raise KeyError(f"{object} {id} does not exist")
        self.change(collection, record, properties, self.ms(at))

    def archive(self, object: str, id: str, *, at: datetime | None = None) -> None:
        """Put a record in the recycling bin: gone from search and lists, kept under archived."""
        collection = self.collection(object)
        ms = self.ms(at)
        record = collection.drop(collection.resolve(int(id)), ms)
        collection.archived[record.id] = Record(
            record.id, record.props, record.created, record.modified, ms
        )

    def purge(self, object: str, id: str, *, at: datetime | None = None) -> None:
        """Delete for good: the record, its events, its associations."""
        collection = self.collection(object)
        number = collection.resolve(int(id))
        collection.drop(number, self.ms(at))
        if object == "contacts":
            self.activity.forget_pages(number)
        self.links.forget(object, number)
        self.history.forget(object, number)

    def merge(self, primary_id: str, other_id: str, *, at: datetime | None = None) -> str:
        """Merge two contacts into a record with a NEW id and return it."""
        return self.merge_objects("contacts", primary_id, other_id, at=at)

    def merge_objects(
        self, object: str, primary_id: str, other_id: str, *, at: datetime | None = None
    ) -> str:
        """Merge two records of one object; both old ids resolve to the new one."""
        collection = self.collection(object)
        primary, other = self.find(object, primary_id), self.find(object, other_id)
        if primary is None or other is None or primary is other:
            raise KeyError(f"cannot merge {object} {primary_id} and {other_id}")
        ms = self.ms(at)
        props: dict[str, str | None] = {**other.props, **primary.props}
        if "lifecyclestage" in props:
            stages = [record.props.get("lifecyclestage") for record in (primary, other)]
            props["lifecyclestage"] = max(stages, key=stage_rank)
        merged = _merged_ids(primary) + _merged_ids(other)
        props["hs_merged_object_ids"] = ";".join(map(str, merged))
        if object == "contacts":
            props["hs_calculated_merged_vids"] = ";".join(f"{old}:{ms}" for old in merged)
            emails = [record.props.get("email") for record in (primary, other)]
            extra = [
                address
                for record in (primary, other)
                for address in (record.props.get("hs_additional_emails") or "").split(";")
            ]
            if all(emails):
                extra.append(emails[1] or "")
            if listed := ";".join(dict.fromkeys(address for address in extra if address)):
                props["hs_additional_emails"] = listed
        for record in (primary, other):
            collection.drop(record.id, ms)
        created = min(primary.created, other.created)
        survivor = Record(self.new_id(collection.kind.name), props, created, ms)
        collection.put(survivor, ms)
        for record in (primary, other):
            collection.merged_into[record.id] = survivor.id
            self._move(object, record.id, survivor.id)
        return str(survivor.id)

    def add_owner(
        self,
        id: str,
        email: str,
        first: str,
        last: str,
        user_id: int,
        archived: bool = False,
    ) -> None:
        now = iso(self.ms(None))
        self.owners[int(id)] = {
            "id": str(id),
            "email": email,
            "type": "PERSON",
            "firstName": first,
            "lastName": last,
            "userId": None if archived else int(user_id),
            "userIdIncludingInactive": int(user_id),
            "createdAt": now,
            "updatedAt": now,
            "archived": archived,
            "teams": [],
        }

    def define_property(self, object: str, name: str, **definition: Any) -> None:
        """Add a custom property the way an admin would; fields as in ``Property``."""
        collection = self.collection(object)
        ms = self.ms(None)
        given: dict[str, Any] = {"label": name, "group": "custom", "custom": True} | definition
        collection.groups.setdefault(given["group"], given["group"])
        prop = Property(name, **given, created=ms, updated=ms)
        if prop.type == "bool" and not prop.options:
            prop.options = options(["true", "false"])
        collection.properties[name] = prop
        if prop.unique:
            collection.unique.setdefault(name, {})

    def settle(self) -> None:
        """Bring every search index up to date, so that the first search need not."""
        for collection in self._collections.values():
            collection.index.settle()

    def add_pipeline(self, object: str, pipeline: Pipeline) -> None:
        """Add a pipeline the way an admin would; its stages become options of their property."""
        self.pipelines[object][pipeline.id] = pipeline
        known = self.collection(object).properties
        stage_name = "dealstage" if object == "deals" else "hs_pipeline_stage"
        pipeline_name = "pipeline" if object == "deals" else "hs_pipeline"
        labels = {stage.id: stage.label for stage in pipeline.stages.values()}
        for name, new in ((pipeline_name, {pipeline.id: pipeline.label}), (stage_name, labels)):
            added = options(list(new), list(new.values()))
            known[name].options = [*known[name].options, *added]

    def remove_property(self, object: str, name: str) -> None:
        """Archive a property the way an admin would; the values it had are gone from sight."""
        collection = self.collection(object)
        prop = collection.properties.pop(name)
        prop.archived = self.ms(None)
        collection.archived_properties[name] = prop
        collection.unique.pop(name, None)

    def touch_many(self, object: str, count: int, at: datetime | None = None) -> int:
        """Give the first ``count`` records one modified time, as a mass update does.

        Returns how many were touched. Search sees all of them at once.
        """
        collection, ms = self.collection(object), self.ms(at)
        ids = collection.ids()[:count]
        for id in ids:
            record = collection.records[id]
            collection.put(Record(id, record.props, record.created, ms), 0)
        return len(ids)

    def add_form(
        self,
        guid: str,
        name: str,
        form_type: str = "hubspot",
        created_at: datetime | None = None,
    ) -> None:
        self.activity.forms[guid] = Form(guid, name, form_type, self.ms(created_at))

    def submit(
        self,
        form_guid: str,
        values: dict[str, str],
        *,
        page_url: str,
        at: datetime | None = None,
        conversion_id: str | None = None,
        touch_contact: bool = True,
        page_title: str | None = None,
    ) -> str:
        """Record a submission; the contact with its e-mail is created or updated with it."""
        form = self.activity.forms[form_guid]
        ms = self.ms(at)
        conversion_id = self.activity.add_submission(form, values, page_url, ms, conversion_id)
        email = normal(values.get("email") or "")
        if touch_contact and email:
            self._convert(form, email, values, ms, page_title or _title_of(page_url))
        return conversion_id

    def add_page_event(
        self,
        contact_id: str,
        url: str,
        title: str,
        *,
        at: datetime | str,
        event_type: str = "e_visited_page",
        extra: dict[str, str] | None = None,
    ) -> str:
        """Record an event. A string ``at`` is shown as it is, even if no calendar knows it."""
        verbatim = at if isinstance(at, str) else None
        ms = (parse_ms(at) if isinstance(at, str) else to_ms(at)) or self.ms(None)
        holder = self._collections["contacts"].resolve(int(contact_id))
        return self.activity.add_page(holder, url, title, ms, event_type, verbatim, extra)

    def add_email_event(
        self,
        type: str,
        recipient: str,
        *,
        at: datetime,
        campaign_id: int,
        url: str | None = None,
        filtered: bool = False,
    ) -> str:
        if type not in EMAIL_EVENT_TYPES:
            raise ValueError(f"{type} is not an e-mail event type")
        return self.activity.add_email(
            type, normal(recipient), to_ms(at), int(campaign_id), url, filtered
        )

    def add_campaign(self, id: int, name: str, subject: str) -> None:
        self.activity.campaigns[int(id)] = {"name": name, "subject": subject}

    def associate(
        self,
        from_object: str,
        from_id: str | int,
        to_object: str,
        to_id: str | int,
        type_ids: Iterable[int] = (),
    ) -> None:
        """Link two records in both directions; without type ids the unlabelled type is used."""
        one, other = self.collection(from_object).kind.name, self.collection(to_object).kind.name
        self.links.add(one, int(from_id), other, int(to_id), type_ids)

    # -- what follows a write ---------------------------------------------------------------------

    def touch(self, object: str, id: int, properties: dict[str, str | None]) -> None:
        """A change HubSpot makes by itself: the modified time moves, no effect is recorded."""
        record = self.find(object, str(id))
        if record is not None:
            ms = max(self.ms(None), record.modified)
            self.change(self.collection(object), record, properties, ms, "CALCULATED")

    def effect(self, object: str, id: Any, action: str, fields: dict[str, Any]) -> None:
        self.effects.append(
            {
                "system": "hubspot",
                "object": object,
                "id": str(id),
                "action": action,
                "fields": dict(fields),
                "at": iso(self.ms(None)),
                "by": "api",
            }
        )

    # -- inside --------------------------------------------------------------------------------

    def ms(self, at: datetime | None) -> int:
        return to_ms(at or self.clock.now())

    def new_id(self, object: str, wanted: str | None = None) -> int:
        """The next id of an object; a wanted one is taken and counted from."""
        if wanted is None:
            self._next_ids[object] += 1
            return self._next_ids[object] - 1
        self._next_ids[object] = max(self._next_ids[object], int(wanted) + 1)
        return int(wanted)

    def _own(self, collection: Collection, properties: dict[str, Any]) -> dict[str, str | None]:
        """The same dictionary with string values; a name HubSpot does not know is a mistake."""
        if not properties.keys() <= collection.properties.keys():
            unknown = properties.keys() - collection.properties.keys()
            raise ValueError(
                f"{collection.kind.name} has no property {', '.join(sorted(unknown))}; "
                "add it to schema.py or call define_property"
            )
        for name, value in properties.items():
            if value == "":
                properties[name] = None
            elif value is not None and not isinstance(value, str):
                properties[name] = as_text(value)
        return properties

    def change(
        self,
        collection: Collection,
        record: Record,
        properties: dict[str, str | None],
        ms: int,
        source: str = "CRM_UI",
    ) -> Record:
        """The record's next version, with what HubSpot works out from it."""
        props: dict[str, str | None] = record.props.as_dict()
        for name, value in properties.items():
            if value in (None, ""):
                props.pop(name, None)
            else:
                props[name] = value
        changed = Record(record.id, props, record.created, ms)
        if "createdate" in properties or "hs_createdate" in properties:
            changed.created = _popped_time(props, collection.kind.created, record.created)
        self.derive(collection.kind, changed, record)
        self.history.changed(collection.kind.name, record, changed, source, None)
        collection.put(changed, ms)
        return changed

    def derive(self, kind: ObjectType, record: Record, before: Record | None) -> None:
        """Fill in what HubSpot calculates when certain properties change."""
        props, old = record.props, before.props if before else {}
        stage = props.get("lifecyclestage")
        if stage in STAGES and stage != old.get("lifecyclestage"):
            name = f"hs_v2_date_entered_{stage}"
            if before is not None or name not in props:
                props[name] = iso(record.modified if before else record.created)
        owner = props.get("hubspot_owner_id")
        if owner and owner != old.get("hubspot_owner_id") and before is not None:
            props["hubspot_owner_assigneddate"] = iso(record.modified)
        if kind.name == "deals" and (deal_stage := props.get("dealstage")):
            self._derive_deal(props, deal_stage)

    def _derive_deal(self, props: dict[str, str | None], stage_id: str) -> None:
        pipeline = self.pipelines["deals"].get(props.get("pipeline") or "default")
        stage = pipeline.stages.get(stage_id) if pipeline else None
        if stage is None:
            return
        chance = stage.metadata["probability"]
        props["hs_is_closed"] = stage.metadata["isClosed"]
        props["hs_is_closed_won"] = "true" if float(chance) == 1.0 else "false"
        # HubSpot prints the binary float in full: 0.2 is not "0.2" on the wire.
        props["hs_deal_stage_probability"] = _printed(chance)

    def _convert(
        self, form: Form, email: str, values: dict[str, str], ms: int, page_title: str
    ) -> None:
        collection = self._collections["contacts"]
        known: dict[str, str | None] = {
            name: value
            for name, value in values.items()
            if name in collection.properties
            and not collection.properties[name].read_only
            and value
            and name != "email"
        }
        held = self.find("contacts", email, "email")
        before = held.props if held else {}
        event, moment = intern(f"{page_title}: {form.name}"), iso(max(ms, 0))
        count = int(before.get("num_conversion_events") or 0)
        is_new_form = event != before.get("recent_conversion_event_name")
        unique = int(before.get("num_unique_conversion_events") or 0)
        known |= {
            "recent_conversion_event_name": event,
            "recent_conversion_date": moment,
            "num_conversion_events": str(count + 1),
            "num_unique_conversion_events": str(unique + is_new_form),
        }
        if not before.get("first_conversion_date"):
            known |= {"first_conversion_event_name": event, "first_conversion_date": moment}
        if held is not None:
            self.change(collection, held, known, max(ms, held.modified), "FORM")
            return
        known |= {
            "email": email,
            "lifecyclestage": known.get("lifecyclestage", "lead"),
            "hs_object_source": "FORM",
            "hs_object_source_label": "FORM",
        }
        # A submission dated 1970 or before is nonsense; the contact it makes is of today.
        created = ms if ms > 0 else self.ms(None)
        record = Record(self.new_id("contacts"), dict(known), created, created)
        self.derive(collection.kind, record, None)
        collection.put(record, created)

    def _move(self, object: str, old: int, new: int) -> None:
        if object == "contacts":
            self.activity.move_pages(old, new)
        self.links.move(object, old, new)


def _row(record: Record, kind: ObjectType, names: Projection, path: str) -> dict[str, Any]:
    created, modified, id = iso(record.created), iso(record.modified), str(record.id)
    properties = names.of(record.props)
    properties[kind.created] = created
    properties[kind.modified] = modified
    properties["hs_object_id"] = id
    row: dict[str, Any] = {
        "id": id,
        "properties": properties,
        "createdAt": created,
        "updatedAt": modified,
        "archived": record.archived is not None,
        "url": path + id,
    }
    if record.archived is not None:
        row["archivedAt"] = iso(record.archived)
    return row


@lru_cache
def _printed(probability: str) -> str:
    return f"{float(probability):.55f}".rstrip("0")


def _popped_time(properties: dict[str, str | None], name: str, default: int) -> int:
    given = properties.pop(name, None)
    parsed = parse_ms(given) if given else None
    return default if parsed is None else parsed


def _merged_ids(record: Record) -> list[int]:
    earlier = record.props.get("hs_merged_object_ids") or ""
    return [*(int(id) for id in earlier.split(";") if id), record.id]


def _title_of(url: str) -> str:
    path = re.sub(r"^https?://[^/]+|[?#].*$", "", url).rstrip("/")
    words = path.rpartition("/")[2].replace("-", " ")
    return words.title() or "Home"
