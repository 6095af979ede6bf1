"""Pipelines of deals and leads, and their stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.hubspot.definitions import DEAL_STAGES, LEAD_STAGES
from sandbox.hubspot.schema import not_found

if TYPE_CHECKING:
    from sandbox.hubspot.call import Answer, Call

EPOCH = "1970-01-01T00:00:00Z"


@dataclass(slots=True)
class Stage:
    id: str
    label: str
    metadata: dict[str, str]

    def as_json(self, order: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": order,
            "metadata": self.metadata,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            "createdAt": EPOCH,
            "updatedAt": EPOCH,
            "archived": False,
        }


@dataclass(slots=True)
class Pipeline:
    id: str
    label: str
    stages: dict[str, Stage] = field(default_factory=dict)

    def as_json(self, order: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": order,
            "createdAt": EPOCH,
            "updatedAt": EPOCH,
            "archived": False,
            "stages": [stage.as_json(at) for at, stage in enumerate(self.stages.values())],
        }


def deal_stage(id: str, label: str, probability: str) -> Stage:
    is_closed = str(float(probability) in (0.0, 1.0)).lower()
    return Stage(id, label, {"isClosed": is_closed, "probability": probability})


def lead_stage(id: str, label: str, state: str) -> Stage:
    is_closed = str(state in ("QUALIFIED", "UNQUALIFIED")).lower()
    return Stage(id, label, {"isClosed": is_closed, "leadState": state})


def standard_pipelines() -> dict[str, dict[str, Pipeline]]:
    """The pipelines a new account has, by object and id."""
    deals = Pipeline("default", "Sales Pipeline")
    deals.stages = {row[0]: deal_stage(*row) for row in DEAL_STAGES}
    leads = Pipeline("lead-pipeline-id", "Lead pipeline")
    leads.stages = {row[0]: lead_stage(*row) for row in LEAD_STAGES}
    return {"deals": {deals.id: deals}, "leads": {leads.id: leads}}


def list_pipelines(call: Call) -> Answer:
    held = call.store.pipelines.get(call.object, {})
    return 200, {"results": [row.as_json(at) for at, row in enumerate(held.values())]}


def get_pipeline(call: Call) -> Answer:
    return 200, _found(call)


def list_stages(call: Call) -> Answer:
    return 200, {"results": _found(call)["stages"]}


def _found(call: Call) -> dict[str, Any]:
    held = list(call.store.pipelines.get(call.object, {}).values())
    for order, pipeline in enumerate(held):
        if pipeline.id == call.path["id"]:
            return pipeline.as_json(order)
    raise not_found()
