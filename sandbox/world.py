"""Everything the servers share: one clock, the five systems, scripted faults, and the truth."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.truth import Truth

if TYPE_CHECKING:
    from sandbox.clearbit import ClearbitStore
    from sandbox.clock import Clock
    from sandbox.faults import Faults, RequestLog
    from sandbox.hubspot import HubSpotStore
    from sandbox.salesforce import SalesforceStore
    from sandbox.slack import SlackStore
    from sandbox.smtp import MailBox


@dataclass
class World:
    """The outside world. Whoever calls a store holds ``lock`` while doing so."""

    clock: Clock
    hubspot: HubSpotStore
    salesforce: SalesforceStore
    slack: SlackStore
    smtp: MailBox
    clearbit: ClearbitStore
    faults: Faults
    log: RequestLog
    lock: threading.RLock = field(default_factory=threading.RLock)
    truth: Truth = field(default_factory=Truth)
