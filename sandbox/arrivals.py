"""What goes on after ``now``: people submit forms, and reps work their leads.

Both are deterministic for a seed and the number of the call, so that a failing run can be
repeated. ``arrive`` makes triggers, ``work`` makes first touches and outcomes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from sandbox.cast import Cast, Person
from sandbox.clock import hubspot_time
from sandbox.lumenfold import FORM, FORMS, PAGES, REPS, SITE, Form, Rep
from sandbox.selling import completed_activity, held_meeting
from sandbox.truth import held_in_hubspot, missing_fields
from sandbox.vocabulary import DISQUALIFICATION_REASONS
from sandbox.world import World

KINDS = ("new", "existing", *FORM)
_WEIGHTS = list(accumulate(form.weight for form in FORMS))
_OPEN = ("Open - Not Contacted", "Working - Contacted", "Qualified")
_ACTIVE = {rep.user_id: rep for rep in REPS if rep.is_active}


class Arrivals:
    """New submissions by new and by known people."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.seed = seed
        self.calls = 0

    def arrive(self, count: int, kind: str | None = None) -> list[dict[str, Any]]:
        """Let ``count`` people submit a form now, with page views in the half hour before.

        ``kind`` is ``new`` or ``existing`` (people), or a form's key; None mixes all.
        Returns one entry per submission: email, kind, form and the ids. Raises: ValueError.
        """
        if kind is not None and kind not in KINDS:
            raise ValueError(f"Unknown kind {kind!r}; known are {', '.join(KINDS)}.")
        self.calls += 1
        rng = random.Random(f"{self.seed}/arrive/{self.calls}")
        cast = Cast(rng, max(5, count), self.world.truth.by_email)
        now = self.world.clock.now()
        known = [p for p in self.world.truth.people if p["hubspot_contact_ids"] and p["emails"]]
        entries = []
        for _ in range(count):
            form = FORM[kind] if kind in FORM else rng.choices(FORMS, cum_weights=_WEIGHTS)[0]
            is_new = kind == "new" or (kind != "existing" and rng.random() < 0.7) or not known
            if is_new:
                entries.append(self._newcomer(cast.person(), form, now, rng))
            else:
                entries.append(self._returning(rng.choice(known), form, now, rng))
        return entries

    def _newcomer(
        self, person: Person, form: Form, now: datetime, rng: random.Random
    ) -> dict[str, Any]:
        everything = person.properties()
        # An enrichment tool fills in half of the newcomers; of the rest only answers are known.
        enriched = rng.random() < 0.5
        known = {
            name: value
            for name, value in everything.items()
            if value is not None and (enriched or name in form.asks)
        }
        missing = missing_fields(held_in_hubspot(known))
        contact_id = self.world.hubspot.create(
            "contacts",
            {
                **known,
                "lifecyclestage": "subscriber" if form.key == "newsletter" else "lead",
                "hs_analytics_source": "PAID_SEARCH",
                "hs_analytics_source_data_1": "lead routing software",
                "hs_analytics_first_url": form.url,
                "hs_analytics_first_timestamp": hubspot_time(now - timedelta(minutes=31)),
            },
            at=now,
        )
        self.world.truth.add_person(person.email, hubspot_contact_ids=[contact_id], missing=missing)
        answers = {name: known[name] for name in form.asks if name in known}
        return self._submission("new", contact_id, form, answers, now, rng)

    def _returning(
        self, entry: dict[str, Any], form: Form, now: datetime, rng: random.Random
    ) -> dict[str, Any]:
        contact_id = entry["hubspot_contact_ids"][0]
        return self._submission(
            "existing", contact_id, form, {"email": entry["emails"][0]}, now, rng
        )

    def _submission(
        self,
        kind: str,
        contact_id: str,
        form: Form,
        answers: dict[str, Any],
        now: datetime,
        rng: random.Random,
    ) -> dict[str, Any]:
        hubspot = self.world.hubspot
        for _ in range(rng.randrange(0, 5)):
            path, title = rng.choice(PAGES)
            viewed = now - timedelta(seconds=rng.randrange(30, 1800))
            hubspot.add_page_event(contact_id, SITE + path, title, at=viewed)
        conversion_id = hubspot.submit(form.guid, answers, page_url=form.url, at=now)
        return {
            "email": answers["email"],
            "kind": kind,
            "form": form.key,
            "hubspot_contact_id": contact_id,
            "conversion_id": conversion_id,
        }


class Work:
    """The sales team's day: each call lets reps take one step with some of their open leads."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.seed = seed
        self.calls = 0

    def work(self, count: int) -> list[dict[str, Any]]:
        """Let reps act on up to ``count`` open leads; freshly handed-over leads come first.

        Returns one entry per lead: lead_id, owner_id, action, task_id or event_id.
        """
        self.calls += 1
        rng = random.Random(f"{self.seed}:work:{self.calls}")
        now = self.world.clock.now()
        open_leads = [
            lead
            for lead in self.world.salesforce.all("Lead")
            if lead.get("Status") in _OPEN
            and not lead.get("IsConverted")
            and not lead.get("IsDeleted")
            and lead.get("OwnerId") in _ACTIVE
        ]
        open_leads.sort(
            key=lambda lead: (
                lead["Status"] != _OPEN[0],
                not lead.get("baton_trigger_at__c"),
                str(lead.get("baton_trigger_at__c") or ""),
                lead["Id"],
            )
        )
        handed_over = [lead for lead in open_leads if lead.get("baton_lead_key__c")]
        rest = [lead for lead in open_leads if not lead.get("baton_lead_key__c")]
        rng.shuffle(rest)
        return [
            self._act(lead["Id"], lead["Status"], _ACTIVE[lead["OwnerId"]], now, rng)
            for lead in (handed_over + rest)[:count]
        ]

    def _act(
        self, lead_id: str, status: str, rep: Rep, now: datetime, rng: random.Random
    ) -> dict[str, Any]:
        if status == _OPEN[0]:
            step: Callable[..., dict[str, Any]] = self._touch
        elif status == _OPEN[1]:
            step = rng.choice((self._touch, self._qualify, self._disqualify))
        else:
            step = rng.choice((self._qualify, self._disqualify))
        done = step(lead_id, rep, now, rng)
        return {"lead_id": lead_id, "owner_id": rep.user_id, **done}

    def _touch(self, lead_id: str, rep: Rep, now: datetime, rng: random.Random) -> dict[str, Any]:
        task_id = completed_activity(self.world, lead_id, rep, now, rng)
        self._update(lead_id, rep, now, Status=_OPEN[1])
        return {"action": "touched", "task_id": task_id}

    def _qualify(self, lead_id: str, rep: Rep, now: datetime, rng: random.Random) -> dict[str, Any]:
        event_id = held_meeting(self.world, lead_id, rep, now)
        self._update(lead_id, rep, now, Status=_OPEN[2])
        return {"action": "qualified", "event_id": event_id}

    def _disqualify(
        self, lead_id: str, rep: Rep, now: datetime, rng: random.Random
    ) -> dict[str, Any]:
        reason = rng.choice(DISQUALIFICATION_REASONS)
        self._update(
            lead_id, rep, now, Status="Closed - Not Converted", DisqualificationReason__c=reason
        )
        return {"action": "disqualified", "reason": reason}

    def _update(self, lead_id: str, rep: Rep, now: datetime, **fields: Any) -> None:
        self.world.salesforce.update("Lead", lead_id, fields, at=now, by=rep.user_id)
