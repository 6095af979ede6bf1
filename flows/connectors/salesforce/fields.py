"""The fields of ours a Salesforce org must have.

A field of Activity appears on Task and on Event.
"""

from __future__ import annotations

from flows.connectors.base import CustomField

CUSTOM_FIELDS = (
    CustomField(
        "Lead",
        "baton_lead_key__c",
        "Baton lead key",
        "text",
        "Names the lead in Baton. Written once; rows are recognised by it.",
        length=64,
        is_unique=True,
    ),
    CustomField(
        "Lead", "baton_score__c", "Baton score", "number", "From 1 to 10; 7 and above is ready."
    ),
    CustomField(
        "Lead",
        "baton_score_reasons__c",
        "Baton score reasons",
        "long_text",
        "The rules that gave or took points.",
        length=32_768,
    ),
    CustomField(
        "Lead", "baton_trigger__c", "Baton trigger", "text", "What made the lead ready, and where."
    ),
    CustomField(
        "Lead", "baton_trigger_at__c", "Baton trigger time", "datetime", "When that happened."
    ),
    CustomField(
        "Lead",
        "baton_sla_due_at__c",
        "Baton first touch due",
        "datetime",
        "Until when the owner's first touch is due.",
    ),
    CustomField(
        "Lead",
        "baton_context_gaps__c",
        "Baton context gaps",
        "text",
        "What is not known of the lead; none where nothing is missing.",
    ),
    CustomField(
        "Lead",
        "baton_policy_version__c",
        "Baton policy version",
        "text",
        "The policy the values were decided under.",
        length=64,
    ),
    CustomField(
        "Activity",
        "baton_task_key__c",
        "Baton task key",
        "text",
        "Names the hand-over the task belongs to. Written once.",
        length=64,
        is_unique=True,
    ),
)

# Our kinds in Salesforce's words: what a describe may answer, and what a creation asks for.
TYPES = {
    "text": frozenset({"string"}),
    "long_text": frozenset({"textarea"}),
    "number": frozenset({"double", "int", "currency", "percent"}),
    "datetime": frozenset({"datetime"}),
}
METADATA: dict[str, dict[str, object]] = {
    "text": {"type": "Text"},
    "long_text": {"type": "LongTextArea", "visibleLines": 5},
    "number": {"type": "Number", "precision": 5, "scale": 0},
    "datetime": {"type": "DateTime"},
}


def seen_on(field: CustomField) -> str:
    """Name the object on which a field is read and written."""
    return "Task" if field.object_name == "Activity" else field.object_name


def metadata(field: CustomField) -> dict[str, object]:
    """Write the definition of a field for the Tooling API."""
    definition = {**METADATA[field.kind], "label": field.label, "description": field.description}
    if field.kind in ("text", "long_text"):
        definition["length"] = field.length
    if field.is_unique:
        definition |= {"externalId": True, "unique": True, "caseSensitive": False}
    return {**definition, "required": False} if field.kind != "long_text" else definition


def misfit(field: CustomField, described: dict[str, object]) -> str | None:
    """Say in which way a described field cannot hold what we write; None where it can."""
    kind = str(described.get("type") or "")
    if kind and kind not in TYPES[field.kind]:
        return f"it is of type {kind}, and must be {METADATA[field.kind]['type']}"
    if field.is_unique and described.get("externalId") is False:
        return "it is no external id, so rows cannot be recognised by it"
    return None


def too_short(field: CustomField, described: dict[str, object]) -> str | None:
    """Say how much a described field holds, where that is less than we may write."""
    length = described.get("length")
    is_text = field.kind in ("text", "long_text")
    if is_text and isinstance(length, int) and 0 < length < field.length:
        return f"it holds {length} characters, and a value may have {field.length}"
    return None
