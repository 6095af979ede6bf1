"""What the public API may write: every refusal, and the changes HubSpot makes along the way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.hubspot.collection import normal
from sandbox.hubspot.record import Record
from sandbox.hubspot.schema import (
    STAGES,
    ApiError,
    InvalidValueError,
    bad_request,
    invalid_properties,
    iso,
)

if TYPE_CHECKING:
    from sandbox.hubspot.store import HubSpotStore

# From this version on the rules an admin has set hold for API writes too.
RULES_HOLD_FROM = "2026-09"
MAX_NOTE = 65_536


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """What an admin demands of a property's values. Bounds are of the number or the length."""

    object: str
    property: str
    message: str
    pattern: str | None = None
    least: float | None = None
    most: float | None = None

    def accepts(self, value: str, is_number: bool) -> bool:
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return False
        size = float(value) if is_number else float(len(value))
        if self.least is not None and size < self.least:
            return False
        return self.most is None or size <= self.most


@dataclass(slots=True)
class Lock:
    """A record nobody may write: until a moment (ms), or for a number of attempts."""

    until: int | None
    attempts: int | None


class Writes:
    """The rules of the API over one store."""

    def __init__(self, store: HubSpotStore) -> None:
        self.store = store
        self.rules: list[ValidationRule] = []
        self.locks: dict[tuple[str, int], Lock] = {}

    def checked(self, object: str, properties: Any, version: str) -> dict[str, str | None]:
        """Check and normalise written values. Raises: ApiError 400 naming every refused one."""
        if not isinstance(properties, dict):
            raise bad_request("Invalid input JSON: properties must be an object")
        clean: dict[str, str | None] = {}
        problems = []
        for name, value in properties.items():
            try:
                held = self._value(object, name, value, version)
            except InvalidValueError as refused:
                problems.append((name, refused.code, str(refused)))
                continue
            if value is not None:  # null is ignored; "" clears
                clean[name] = held
        if problems:
            raise invalid_properties(problems)
        return clean

    def _value(self, object: str, name: str, value: Any, version: str) -> str | None:
        prop = self.store.collection(object).properties.get(name)
        if prop is None:
            raise InvalidValueError("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
        if prop.read_only:
            message = f'"{name}" is a read only property; its value cannot be set.'
            raise InvalidValueError("READ_ONLY_VALUE", message)
        if value is None:
            return None
        clean = prop.clean(value)
        if prop.external and clean:
            self._check_owner(clean)
        if clean is not None and version >= RULES_HOLD_FROM:
            for rule in self.rules:
                if (rule.object, rule.property) == (object, name) and not rule.accepts(
                    clean, prop.type == "number"
                ):
                    raise InvalidValueError("PROPERTY_VALIDATION_RULE", rule.message)
        return clean

    def _check_owner(self, id: str) -> None:
        # Archived owners are accepted: whether HubSpot refuses them depends on the object.
        owners = self.store.owners
        if owners and (not id.isdigit() or int(id) not in owners):
            raise InvalidValueError("INVALID_OWNER_ID", f"Owner {id} does not exist")

    def check_stage(
        self, object: str, clean: dict[str, str | None], held: dict[str, str | None]
    ) -> None:
        """A stage must be one of its pipeline. Raises: ApiError 400."""
        names = {"deals": ("pipeline", "dealstage"), "leads": ("hs_pipeline", "hs_pipeline_stage")}
        if object not in names:
            return
        pipeline_name, stage_name = names[object]
        stage = clean.get(stage_name)
        pipelines = self.store.pipelines[object]
        pipeline_id = clean.get(pipeline_name) or held.get(pipeline_name) or next(iter(pipelines))
        pipeline = pipelines.get(pipeline_id)
        if stage and (pipeline is None or stage not in pipeline.stages):
            message = f"{stage} is not a stage of the pipeline {pipeline_id}"
            raise invalid_properties([(stage_name, "INVALID_OPTION", message)])

    def conflict(
        self, object: str, clean: dict[str, str | None], own_id: int | None
    ) -> ApiError | None:
        """The error for a unique value somebody else holds, or None."""
        for name, holders in self.store.collection(object).unique.items():
            value = clean.get(name)
            held = holders.get(normal(value)) if value else None
            if held is None or held == own_id:
                continue
            if name == "email":
                return ApiError(409, f"Contact already exists. Existing ID: {held}", "CONFLICT")
            return bad_request(
                f"Cannot set property {name} on the object: {held} already has that value.",
                errors=[{"message": f"{held} already has that value", "code": "NON_UNIQUE_VALUE"}],
            )
        return None

    def check_lock(self, object: str, id: int) -> None:
        """Raises: ApiError 423 while somebody has locked the record."""
        lock = self.locks.get((object, id))
        if lock is None:
            return
        if lock.attempts is not None:
            lock.attempts -= 1
        is_over = lock.until is not None and self.store.ms(None) >= lock.until
        if lock.attempts == 0 or is_over:
            del self.locks[object, id]
        if not is_over:
            raise ApiError(423, f"Object {id} is locked. Wait at least 2 seconds and try again.")

    def create(self, object: str, clean: dict[str, str | None]) -> Record:
        """Create a record from checked values, as the API does."""
        store, collection = self.store, self.store.collection(object)
        ms, sent = store.ms(None), dict(clean)
        _complete(object, clean)
        for name, id in (("pipeline", "deals"), ("hs_pipeline", "leads")):
            if object == id:
                first = next(iter(store.pipelines[object].values()))
                clean.setdefault(name, first.id)
                if object == "leads":
                    clean.setdefault("hs_pipeline_stage", next(iter(first.stages)))
        clean["hs_object_source"] = "INTEGRATION"
        clean["hs_object_source_label"] = "INTEGRATION"
        record = Record(store.new_id(object), clean, ms, ms)
        store.derive(collection.kind, record, None)
        collection.put(record, ms)
        store.effect(object, record.id, "create", sent)
        return record

    def update(self, object: str, record: Record, clean: dict[str, str | None]) -> Record:
        """Change a record with checked values; a step back in lifecycle is silently left out."""
        applied = dict(clean)
        stage, held = clean.get("lifecyclestage"), record.props.get("lifecyclestage")
        if stage and held and self._is_backwards(object, stage, held):
            # The documented way back is to clear the stage first, in a request of its own.
            del applied["lifecyclestage"]
        changed = self.store.change(
            self.store.collection(object), record, applied, self.store.ms(None), "INTEGRATION"
        )
        self.store.effect(object, record.id, "update", applied)
        return changed

    def _is_backwards(self, object: str, stage: str, held: str) -> bool:
        """Stages are in the order the account shows them; its own may stand anywhere."""
        order = self.store.collection(object).properties["lifecyclestage"].values
        return stage in order and held in order and order.index(stage) < order.index(held)

    def note_work(self, record: Record, links: list[tuple[str, int, list[int]]]) -> None:
        """Logging work on a record moves its modified time."""
        for other, id, _ in links:
            self.store.touch(other, id, {"notes_last_updated": iso(record.created)})


def _complete(object: str, clean: dict[str, str | None]) -> None:
    """What HubSpot fills in by itself when a record is born."""
    if object == "contacts" and not clean.get("lifecyclestage"):
        clean["lifecyclestage"] = "lead"
    if object == "companies" and (domain := clean.get("domain")):
        # Recorded: a company created by its domain comes back with its website.
        clean.setdefault("website", domain)


def stage_rank(stage: str | None) -> int:
    return STAGES.index(stage) if stage in STAGES else -1
