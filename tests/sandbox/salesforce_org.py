"""A Salesforce org over real HTTP, and shorthands for the tests that speak to it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import RLock
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from sandbox.clock import Clock
from sandbox.salesforce import SalesforceStore, salesforce_app
from sandbox.server import Server

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
STAMP = "2026-11-02T09:00:00.000+0000"
LONG_AGO = NOW - timedelta(days=30)
ROOT = "/services/data/v62.0"
JOBS = f"{ROOT}/jobs"
TOOLING = f"{ROOT}/tooling/sobjects/CustomField"
MANY = f"{ROOT}/composite/sobjects"
AVA, BEN, GONE = "005000000000001AAA", "005000000000002AAA", "005000000000009AAA"
ROBOT = "00500000000000zAAA"
NOBODY = "005000000000777AAA"
KEEP_OWNER = {"Sforce-Auto-Assign": "FALSE"}


@dataclass
class Org:
    """A store, the client that speaks to it, and shorthands for the tests."""

    store: SalesforceStore
    http: httpx.Client
    clock: Clock

    def lead(self, last: str = "Lovelace", at: datetime = LONG_AGO, **fields: Any) -> str:
        given = {"LastName": last, "Company": "Engines", "OwnerId": AVA, **fields}
        return self.store.insert("Lead", given, at=at)

    def query(self, soql: str, *, call: str = "query", **headers: str) -> dict[str, Any]:
        answer = self.http.get(f"{ROOT}/{call}", params={"q": soql}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def names(self, where: str, fields: str = "LastName") -> list[str]:
        found = self.query(f"SELECT {fields} FROM Lead {where}")
        return [record["LastName"] for record in found["records"]]

    def refusal(self, soql: str) -> dict[str, Any]:
        answer = self.http.get(f"{ROOT}/query", params={"q": soql})
        assert answer.status_code == 400, answer.text
        (error,) = answer.json()
        return error

    def row(self, id_: str, name: str = "Lead") -> dict[str, Any]:
        found = self.store.get(name, id_)
        assert found is not None
        return found

    def patch(self, *records: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
        typed = [{"attributes": {"type": "Lead"}, **record} for record in records]
        answer = self.http.patch(MANY, json={"records": typed, **body}, headers=KEEP_OWNER)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.http.post(f"{ROOT}/{path}", json=body, headers=headers)

    def make_field(self, full_name: str, **metadata: Any) -> httpx.Response:
        given = {"type": "Text", "label": "A field", "length": 40, **metadata}
        return self.http.post(TOOLING, json={"FullName": full_name, "Metadata": given})

    def permission_set(self) -> str:
        """Make a permission set that the integration user holds."""
        body = {"Name": "Baton", "Label": "Baton"}
        made = self.post("sobjects/PermissionSet", body).json()["id"]
        assigned = {"PermissionSetId": made, "AssigneeId": ROBOT}
        assert self.post("sobjects/PermissionSetAssignment", assigned).status_code == 201
        return made

    def grant(self, parent: str, field: str, *, edit: bool = True) -> httpx.Response:
        body = {
            "ParentId": parent,
            "SobjectType": field.partition(".")[0],
            "Field": field,
            "PermissionsRead": True,
            "PermissionsEdit": edit,
        }
        return self.post("sobjects/FieldPermissions", body)

    def poll(self, job: str, kind: str = "query") -> dict[str, Any]:
        answer = self.http.get(f"{JOBS}/{kind}/{job}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ran(self, job: str, kind: str = "query") -> dict[str, Any]:
        """Poll a job until it has ended."""
        for _ in range(20):
            told = self.poll(job, kind)
            if told["state"] in ("JobComplete", "Failed", "Aborted"):
                return told
        raise AssertionError(f"job {job} does not end")

    def query_job(self, soql: str, operation: str = "query") -> str:
        answer = self.post("jobs/query", {"operation": operation, "query": soql})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def ingest_job(self, text: str, operation: str = "insert", **more: Any) -> str:
        """Open a job on Lead, upload, close it."""
        body = {"object": "Lead", "operation": operation, "contentType": "CSV", **more}
        told = self.post("jobs/ingest", body).json()
        address = f"/{told['contentUrl']}"
        headers = {"Content-Type": "text/csv"}
        sent = self.http.put(address, content=text.encode(), headers=headers)
        assert (sent.status_code, sent.content) == (201, b"")
        closed = self.http.patch(f"{JOBS}/ingest/{told['id']}", json={"state": "UploadComplete"})
        assert closed.json()["state"] == "UploadComplete"
        return told["id"]

    def outcome(self, job: str, name: str) -> list[dict[str, str]]:
        """Return the rows of one of an ingest job's three results."""
        return rows_of(self.http.get(f"{JOBS}/ingest/{job}/{name}").text)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def codes(results: list[dict[str, Any]]) -> list[str]:
    return ["ok" if made["success"] else made["errors"][0]["statusCode"] for made in results]


def sign_in(http: httpx.Client, **changes: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": "key", "client_secret": "shh"}
    return http.post("/services/oauth2/token", data=form | changes)


@pytest.fixture(scope="module")
def org_server() -> Iterator[tuple[httpx.Client, SimpleNamespace]]:
    world = SimpleNamespace(lock=RLock(), salesforce=fresh_store(Clock(NOW, frozen=True)))
    served = Server("salesforce", salesforce_app(world), 0)
    served.start()
    with httpx.Client(base_url=served.url) as http:
        yield http, world
    served.stop()


def fresh_store(clock: Clock, **options: Any) -> SalesforceStore:
    store = SalesforceStore(clock, "key", "shh", ROBOT, **options)
    for id_, first, active in ((AVA, "Ava", True), (BEN, "Ben", True), (GONE, "Ivan", False)):
        fields = {"FirstName": first, "LastName": "Rep", "IsActive": active}
        store.insert("User", fields, id=id_, at=LONG_AGO)
    store.insert("User", {"LastName": "Robot", "Username": "robot@x.example"}, id=ROBOT)
    return store


@pytest.fixture
def org(org_server: tuple[httpx.Client, SimpleNamespace]) -> Org:
    http, world = org_server
    clock = Clock(NOW, frozen=True)
    world.salesforce = fresh_store(clock)
    http.headers["Authorization"] = f"Bearer {sign_in(http).json()['access_token']}"
    return Org(world.salesforce, http, clock)
