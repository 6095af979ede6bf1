"""The account around the records: owners, details, usage."""

from __future__ import annotations

from sandbox.hubspot.activity import seal
from sandbox.hubspot.call import Answer, Call
from sandbox.hubspot.limits import TIME_ZONE, Limits
from sandbox.hubspot.schema import iso, not_found, to_ms


def list_owners(call: Call) -> Answer:
    archived, email = call.flag("archived"), call.query.get("email")
    limit, after = call.limit(100, 500), call.mark("after") or 0
    found = [
        owner
        for id, owner in sorted(call.store.owners.items())
        if id > after
        and owner["archived"] is archived
        and (not email or owner["email"].lower() == email.strip().lower())
    ]
    following = seal(int(found[limit - 1]["id"])) if len(found) > limit else None
    return 200, call.page(found[:limit], following)


def get_owner(call: Call) -> Answer:
    field = "userIdIncludingInactive" if call.query.get("idProperty") == "userId" else "id"
    archived = call.flag("archived")
    for owner in call.store.owners.values():
        if str(owner[field]) == call.path["id"] and owner["archived"] is archived:
            return 200, owner
    raise not_found()


def account_details(call: Call) -> Answer:
    offset = call.store.throttle.resets_at().utcoffset()
    seconds = int(offset.total_seconds()) if offset else 0
    sign, (hours, minutes) = "-" if seconds < 0 else "+", divmod(abs(seconds) // 60, 60)
    return 200, {
        "portalId": call.store.portal_id,
        "accountType": "STANDARD",
        "timeZone": TIME_ZONE,
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": f"{sign}{hours:02d}:{minutes:02d}",
        "utcOffsetMilliseconds": seconds * 1000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }


def api_usage(call: Call) -> Answer:
    limits = call.store.limits or Limits()
    usage = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": limits.per_day,
        "currentUsage": call.store.throttle.used_today(),
        "collectedAt": iso(to_ms(call.store.clock.now())),
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(to_ms(call.store.throttle.resets_at())),
    }
    return 200, {"results": [usage]}
