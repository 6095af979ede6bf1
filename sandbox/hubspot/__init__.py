"""HubSpot on loopback: the store with its rules, and the app that serves it."""

from sandbox.hubspot.app import hubspot_app
from sandbox.hubspot.limits import Limits
from sandbox.hubspot.store import HubSpotStore

__all__ = ["HubSpotStore", "Limits", "hubspot_app"]
