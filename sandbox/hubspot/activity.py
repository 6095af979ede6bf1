"""What people did, as HubSpot keeps it: form submissions, page events, marketing e-mail events.

Each kind is a timeline: sorted by time, read by bisection, so that a poll of the last minutes
costs the same in an account with millions of events. Ids are made from the position on reading;
a million of them need no memory.
"""

from __future__ import annotations

import base64
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

from sandbox.hubspot.record import Props
from sandbox.hubspot.schema import iso

SEQUENCE_BITS = 40
SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1
EMAIL_EVENT_TYPES = frozenset(
    {
        "SENT",
        "DROPPED",
        "PROCESSED",
        "DELIVERED",
        "DEFERRED",
        "BOUNCE",
        "OPEN",
        "CLICK",
        "PRINT",
        "FORWARD",
        "STATUSCHANGE",
        "SPAMREPORT",
        "SUPPRESSED",
        "SUPPRESSION",
        "UNBOUNCE",
    }
)
# The list endpoint names types that never occur in the account, as the real one does.
PAGE_EVENT_TYPES = ("e_visited_page", "e_form_submission_v2", "e_clicked_link_in_email_v2")


class Timeline:
    """Sequence numbers in order of time; what comes late is put in its place before a read."""

    __slots__ = ("_keys", "_sorted")

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._sorted = True

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, ms: int, sequence: int) -> None:
        key = ms << SEQUENCE_BITS | sequence
        if self._keys and key < self._keys[-1]:
            self._sorted = False
        self._keys.append(key)

    def extend(self, other: Timeline) -> None:
        self._keys += other._keys
        self._sorted = False

    @property
    def keys(self) -> list[int]:
        if not self._sorted:
            self._keys.sort()
            self._sorted = True
        return self._keys

    def walk(
        self, low: int | None, high: int | None, *, newest_first: bool, after: int | None = None
    ) -> Iterator[int]:
        """Keys with both bounds (ms) inclusive, beyond the key ``after`` in reading order."""
        keys = self.keys
        first = 0 if low is None else bisect_left(keys, low << SEQUENCE_BITS)
        last = len(keys) if high is None else bisect_left(keys, (high + 1) << SEQUENCE_BITS)
        if newest_first:
            if after is not None:
                last = min(last, bisect_left(keys, after))
            return (keys[at] for at in range(last - 1, first - 1, -1))
        if after is not None:
            first = max(first, bisect_left(keys, after + 1))
        return (keys[at] for at in range(first, last))


def take(
    keys: Iterator[int], limit: int, keep: Callable[[int], bool]
) -> tuple[list[int], int | None]:
    """Up to ``limit`` wanted keys, and the last of them when more follow."""
    page: list[int] = []
    for key in keys:
        if keep(key & SEQUENCE_MASK):
            if len(page) == limit:
                return page, page[-1]
            page.append(key)
    return page, None


def seal(value: int) -> str:
    """A paging mark as clients see it: opaque."""
    return base64.b64encode(str(value).encode()).decode()


def unseal(text: str) -> int | None:
    try:
        return int(base64.b64decode(text, validate=True))
    except ValueError:
        return None


def made_id(kind: str, sequence: int) -> str:
    digest = md5(f"{kind}:{sequence}".encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


@dataclass(slots=True)
class Form:
    guid: str
    name: str
    form_type: str
    created: int
    submissions: Timeline = field(default_factory=Timeline)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.guid,
            "name": self.name,
            "createdAt": iso(self.created),
            "updatedAt": iso(self.created),
            "archived": False,
            "formType": self.form_type,
            "fieldGroups": [],
            "configuration": {"language": "en", "cloneable": True, "editable": True},
            "legalConsentOptions": {"type": "none"},
        }


class Activity:
    """The three timelines of one portal."""

    def __init__(self, portal_id: int) -> None:
        self.portal_id = portal_id
        self.forms: dict[str, Form] = {}
        self.campaigns: dict[int, dict[str, Any]] = {}
        self._submissions: list[tuple[str | None, int, str, Props]] = []
        self._pages: list[tuple[int, str, str, str, int, str | None, dict[str, str] | None]] = []
        self._pages_by_type: defaultdict[str, Timeline] = defaultdict(Timeline)
        self._pages_by_contact: defaultdict[int, Timeline] = defaultdict(Timeline)
        self._emails: list[tuple[str, str, int, int, str | None, bool]] = []
        self._emails_all = Timeline()
        self._emails_by_recipient: defaultdict[str, Timeline] = defaultdict(Timeline)
        self._emails_by_type: defaultdict[str, Timeline] = defaultdict(Timeline)

    # -- submissions ---------------------------------------------------------------------------

    def add_submission(
        self, form: Form, values: dict[str, str], page_url: str, ms: int, id: str | None
    ) -> str:
        sequence = len(self._submissions)
        # Most ids are made on reading; only one given from outside needs memory.
        self._submissions.append((id, ms, page_url, Props(values)))
        form.submissions.add(ms, sequence)
        return id or made_id("submission", sequence)

    def submissions(self, form: Form, offset: int, limit: int) -> tuple[list[Any], int | None]:
        """A page, newest first. The mark is an offset: a submission that arrives between two
        pages pushes the last row of the first onto the second."""
        keys = form.submissions.keys
        end = len(keys) - offset
        chosen = keys[max(0, end - limit) : max(0, end)][::-1]
        rows = [self._submission(key & SEQUENCE_MASK) for key in chosen]
        return rows, offset + limit if end > limit else None

    def _submission(self, sequence: int) -> dict[str, Any]:
        conversion_id, ms, page_url, values = self._submissions[sequence]
        return {
            "conversionId": conversion_id or made_id("submission", sequence),
            "submittedAt": ms,
            "pageUrl": page_url,
            "values": [
                {"name": name, "value": value, "objectTypeId": "0-1"}
                for name, value in values.items()
            ],
        }

    # -- page events ---------------------------------------------------------------------------

    def add_page(
        self,
        contact_id: int,
        url: str,
        title: str,
        ms: int,
        event_type: str,
        verbatim: str | None,
        extra: dict[str, str] | None,
    ) -> str:
        """``verbatim`` is shown as the time of the event instead of ``ms``: real accounts hold
        times no parser accepts."""
        sequence = len(self._pages)
        self._pages.append((contact_id, event_type, url, title, ms, verbatim, extra))
        self._pages_by_type[event_type].add(ms, sequence)
        self._pages_by_contact[contact_id].add(ms, sequence)
        return self._page_id(sequence)

    def move_pages(self, old: int, new: int) -> None:
        """After a merge the survivor holds the events of both."""
        moved = self._pages_by_contact.pop(old, None)
        if moved is not None:
            self._pages_by_contact[new].extend(moved)

    def forget_pages(self, contact_id: int) -> None:
        """After a permanent delete nobody finds them; the rows stay to keep positions."""
        held = self._pages_by_contact.pop(contact_id, Timeline())
        gone = set(held.keys)
        for timeline in self._pages_by_type.values():
            timeline._keys = [key for key in timeline.keys if key not in gone]

    def event_types(self) -> list[str]:
        return [*PAGE_EVENT_TYPES, *(t for t in self._pages_by_type if t not in PAGE_EVENT_TYPES)]

    def pages(
        self,
        *,
        contact_id: int | None,
        event_type: str | None,
        low: int | None,
        high: int | None,
        newest_first: bool,
        after: int | None,
        limit: int,
        resolve: Callable[[int], int],
    ) -> tuple[list[dict[str, Any]], int | None]:
        if contact_id is not None:
            timeline = self._pages_by_contact.get(contact_id, Timeline())
        else:
            timeline = self._pages_by_type.get(event_type or "", Timeline())
        walked = timeline.walk(low, high, newest_first=newest_first, after=after)
        keys, mark = take(
            walked, limit, lambda at: event_type is None or self._pages[at][1] == event_type
        )
        return [self._page(key & SEQUENCE_MASK, resolve) for key in keys], mark

    def _page_id(self, sequence: int) -> str:
        return f"leviathan-{made_id('page', sequence)}-{self._pages[sequence][4]}"

    def _page(self, sequence: int, resolve: Callable[[int], int]) -> dict[str, Any]:
        contact_id, event_type, url, title, ms, verbatim, extra = self._pages[sequence]
        return {
            "objectType": "CONTACT",
            "objectId": str(resolve(contact_id)),
            "eventType": event_type,
            "occurredAt": iso(ms) if verbatim is None else verbatim,
            "id": self._page_id(sequence),
            # The empty string is this API's null.
            "properties": {
                "hs_url": url,
                "hs_page_title": title,
                "hs_page_id": "",
                "hs_referrer": "",
                "hs_utm_campaign": "",
                "hs_utm_medium": "",
                "hs_utm_source": "",
                "hs_visit_source": "",
                "hs_visit_source_details_1": "",
                "hs_user_agent": "Mozilla/5.0",
                "hs_cf_bot_score": "98",
                "hs_is_new_cookie": "false",
                **(extra or {}),
            },
        }

    # -- marketing e-mail events ---------------------------------------------------------------

    def add_email(
        self, kind: str, recipient: str, ms: int, campaign_id: int, url: str | None, filtered: bool
    ) -> str:
        sequence = len(self._emails)
        self._emails.append((kind, recipient, ms, campaign_id, url, filtered))
        self._emails_all.add(ms, sequence)
        self._emails_by_type[kind].add(ms, sequence)
        self._emails_by_recipient[recipient].add(ms, sequence)
        return made_id("email", sequence)

    def emails(
        self,
        *,
        kind: str | None,
        recipient: str | None,
        campaign_id: int | None,
        unfiltered_only: bool,
        low: int | None,
        high: int | None,
        after: int | None,
        limit: int,
    ) -> tuple[list[dict[str, Any]], int | None]:
        """A page, newest first."""
        if recipient is not None:
            timeline = self._emails_by_recipient.get(recipient, Timeline())
        elif kind is not None:
            timeline = self._emails_by_type.get(kind, Timeline())
        else:
            timeline = self._emails_all

        def keep(sequence: int) -> bool:
            row = self._emails[sequence]
            return (
                (kind is None or row[0] == kind)
                and (campaign_id is None or row[3] == campaign_id)
                and not (unfiltered_only and row[5])
            )

        walked = timeline.walk(low, high, newest_first=True, after=after)
        keys, mark = take(walked, limit, keep)
        return [self._email(key & SEQUENCE_MASK) for key in keys], mark

    def _email(self, sequence: int) -> dict[str, Any]:
        kind, recipient, ms, campaign_id, url, filtered = self._emails[sequence]
        event: dict[str, Any] = {
            "id": made_id("email", sequence),
            "created": ms,
            "type": kind,
            "recipient": recipient,
            "portalId": self.portal_id,
            "appId": 113,
            "appName": "Batch",
            "emailCampaignId": campaign_id,
            "emailCampaignGroupId": campaign_id,
            # The mail went out before anybody could open it.
            "sentBy": {
                "id": made_id("sent", campaign_id),
                "created": ms - (5 + sequence % 300) * 60_000,
            },
        }
        event["smtpId"] = None
        if kind in ("OPEN", "CLICK", "PROCESSED"):
            event |= {
                "filteredEvent": filtered,
                "browser": {"name": "Chrome", "type": "Browser", "version": ["Chrome 131"]},
                "deviceType": "COMPUTER",
                "location": {"country": "US", "state": "", "city": ""},
                "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0",
            }
        if kind in ("OPEN", "PROCESSED"):
            event["duration"] = 0
        if kind == "SENT":
            sender = "news@lumenfold.example"
            campaign = self.campaigns.get(campaign_id, {})
            event |= {"from": sender, "replyTo": [sender], "cc": [], "bcc": []}
            event["subject"] = campaign.get("subject", "")
        if url is not None:
            event |= {"url": url, "linkId": 0, "referer": ""}
        return event

    # -- definitions ---------------------------------------------------------------------------

    def campaign(self, id: int) -> dict[str, Any] | None:
        found = self.campaigns.get(id)
        if found is None:
            return None
        return {
            "id": id,
            "appId": 113,
            "appName": "Batch",
            "name": found["name"],
            "subject": found["subject"],
            "type": "BATCH_EMAIL",
        }
