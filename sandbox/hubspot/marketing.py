"""Forms and their submissions, page events, marketing e-mail events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.hubspot.activity import EMAIL_EVENT_TYPES, seal
from sandbox.hubspot.call import Answer, Call
from sandbox.hubspot.schema import EMAIL, ApiError, bad_request, not_found, parse_ms


def list_forms(call: Call) -> Answer:
    # Without formTypes only real HubSpot forms are listed: captured and flow forms stay unseen.
    kinds = call.names("formTypes") or ["hubspot"]
    forms = [
        form
        for form in call.store.activity.forms.values()
        if ("all" in kinds or form.form_type in kinds) and not call.flag("archived")
    ]
    limit, offset = call.limit(20, 100), call.mark("after") or 0
    following = seal(offset + limit) if offset + limit < len(forms) else None
    return 200, call.page([form.as_json() for form in forms[offset : offset + limit]], following)


def get_form(call: Call) -> Answer:
    form = call.store.activity.forms.get(call.path["id"])
    if form is None:
        raise not_found()
    return 200, form.as_json()


def list_submissions(call: Call) -> Answer:
    form = call.store.activity.forms.get(call.path["id"])
    if form is None:
        raise not_found()
    if form.form_type == "blog_comment":
        raise ApiError(400, "Form type is not allowed.", "FORM_TYPE_NOT_ALLOWED")
    offset, limit = call.mark("after") or 0, call.limit(20, 50)
    rows, following = call.store.activity.submissions(form, offset, limit)
    answer: dict[str, Any] = {"results": rows}
    if following is not None:
        mark = seal(following)
        answer["paging"] = {"next": {"after": mark, "link": f"?after={mark}"}}
    return 200, answer


def submit_form(call: Call) -> Answer:
    """The public endpoint a website's form posts to; no credentials."""
    form = call.store.activity.forms.get(call.path["id"])
    if form is None or call.path["portal"] != str(call.store.portal_id):
        raise not_found()
    body = call.body
    fields = body.get("fields")
    if not isinstance(fields, list) or not all(isinstance(item, dict) for item in fields):
        raise _form_error("fields", "Required field 'fields' is missing", "REQUIRED_FIELD")
    if len(fields) > 1_000:
        raise _form_error("fields", "Too many values", "MAX_NUMBER_OF_SUBMITTED_VALUES_EXCEEDED")
    values = {str(item.get("name")): str(item.get("value") or "") for item in fields}
    email = values.get("email", "").strip()
    if email and not EMAIL.match(email):
        raise _form_error("fields.email", "Invalid email address", "INVALID_EMAIL")
    context = body.get("context") or {}
    submitted = parse_ms(str(body["submittedAt"])) if body.get("submittedAt") else None
    conversion_id = call.store.submit(
        form.guid,
        values,
        page_url=str(context.get("pageUri") or ""),
        page_title=context.get("pageName"),
        at=_moment(submitted),
    )
    call.store.effect("form_submissions", conversion_id, "create", {"form": form.guid})
    return 200, {"inlineMessage": "Thanks for submitting the form."}


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def _form_error(field: str, message: str, kind: str) -> ApiError:
    return ApiError(
        400,
        "The request is not valid",
        errors=[{"message": f"Error in '{field}'. {message}", "errorType": kind}],
    )


def list_events(call: Call) -> Answer:
    _require_enterprise(call)
    query, contacts = call.query, call.store.collection("contacts")
    kind = query.get("objectType")
    if kind and call.store.collection(kind) is not contacts:
        return 200, {"results": []}
    contact_id: int | None = None
    if id := query.get("objectId"):
        if not kind:
            raise bad_request("objectType is required when objectId is given")
        contact_id = contacts.resolve(int(id)) if id.isdigit() else -1
    elif email := query.get("objectProperty.email"):
        record = call.store.find("contacts", email, "email")
        contact_id = record.id if record else -1
    event_type = query.get("eventType")
    if contact_id is None and not event_type:
        raise bad_request("eventType is required unless an object is given")
    sort = query.get("sort", "-occurredAt")
    if sort.lstrip("-") != "occurredAt":
        raise bad_request(f"Invalid sort: {sort}")
    rows, mark = call.store.activity.pages(
        contact_id=contact_id,
        event_type=event_type,
        low=call.time("occurredAfter"),
        high=call.time("occurredBefore"),
        newest_first=sort.startswith("-"),
        after=call.mark("after"),
        limit=call.limit(100, 100),
        resolve=contacts.resolve,
    )
    return 200, call.page(rows, None if mark is None else seal(mark))


def list_event_types(call: Call) -> Answer:
    _require_enterprise(call)
    return 200, {"eventTypes": call.store.activity.event_types()}


def _require_enterprise(call: Call) -> None:
    """An account of a lower tier cannot be granted the scope. Raises: ApiError 403."""
    if call.store.tier != "enterprise":
        call.store.tokens.refuse("business-intelligence")


def list_email_events(call: Call) -> Answer:
    kind, recipient = call.query.get("eventType"), call.query.get("recipient")
    if kind and kind not in EMAIL_EVENT_TYPES:
        raise bad_request(f"Invalid eventType: {kind}")
    campaign = call.query.get("campaignId", "")
    rows, mark = call.store.activity.emails(
        kind=kind,
        recipient=recipient.strip().lower() if recipient else None,
        campaign_id=int(campaign) if campaign.isdigit() else None,
        unfiltered_only=call.flag("excludeFilteredEvents"),
        low=call.time("startTimestamp", ms_only=True),
        high=call.time("endTimestamp", ms_only=True),
        after=call.mark("offset"),
        limit=call.limit(10, 1_000),
    )
    answer: dict[str, Any] = {"hasMore": mark is not None}
    # The last page carries an offset too; only hasMore says that there is nothing behind it.
    answer["offset"] = seal(mark if mark is not None else 0)
    answer["events"] = rows
    return 200, answer


def get_campaign(call: Call) -> Answer:
    campaign = call.store.activity.campaign(int(call.path["id"]))
    if campaign is None:
        raise not_found()
    return 200, campaign
