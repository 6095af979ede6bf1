"""Every answer that was recorded at Clearbit is kept without loss, and read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.connectors.clearbit import Clearbit
from flows.ledger import Ledger
from flows.warehouse import Warehouse
from sandbox.server import Server
from tests.replay.recordings import folder, needs_recordings

COMPANY = ("domain", "name", "category", "metrics")
pytestmark = [needs_recordings, pytest.mark.timeout(180)]


def recordings() -> list[tuple[str, str, dict[str, Any]]]:
    """Every recorded body as one of the two calls would bring it: file, kind, body."""
    found = []
    for path in sorted(folder("clearbit").rglob("*.json")):
        body = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict):
            found += [(path.name, "company", one) for one in body]
        elif "results" in body:
            found += [(path.name, "company", one) for one in body["results"]]
        elif "person" in body:
            found.append((path.name, "person", body))
        elif "employment" in body:
            found.append((path.name, "person", {"person": body, "company": None}))
        else:
            found.append((path.name, "company", body.get("company") or body))
    return found


def test_every_recorded_answer_is_kept_whole_and_read(tmp_path: Path) -> None:
    found = recordings()
    assert {kind for _, kind, _ in found} == {"person", "company"}
    served: dict[str, dict[str, Any]] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked = dict(httpx.QueryParams(scope["query_string"].decode()))
        content = json.dumps(served[next(iter(asked.values()))]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": content})

    server = Server("recorded", app, 0)
    server.start()
    provider = Clearbit(
        key="sk_recorded", person_base_url=server.url, company_base_url=server.url, timeout=20
    )
    with Warehouse(tmp_path) as warehouse:
        warehouse.prepare()
        ledger = Ledger(warehouse)
        ledger.begin(datetime(2026, 3, 1, tzinfo=UTC), None)
        for number, (_, kind, body) in enumerate(found):
            lookup = f"{number}@n{number}.example" if kind == "person" else f"n{number}.example"
            served[lookup] = body
            call = {
                **dict.fromkeys(("call_id", "lookup"), lookup),
                "provider": "clearbit", "kind": kind, "lead_key": "L1", "period": "2026-03",
                "attempt": 1,
            }  # fmt: skip
            answer = provider.look_up("person" if kind == "person" else "company", lookup)
            assert (answer.status, answer.body) == ("found", body)
            ledger.call_outcome(call, answer.status, body=answer.body, reason=answer.reason)
        warehouse.dbt("run", "--select", "stg_clearbit__lookups")
        kept = warehouse.rows("select lookup, body from ledger.ops.enrichment_calls")
        staged = {
            row["email"] or row["domain"]: row
            for row in warehouse.rows("select * from staging.stg_clearbit__lookups")
        }
    server.stop()
    provider.close()
    assert {row["lookup"]: json.loads(row["body"]) for row in kept} == served
    for lookup, body in served.items():
        row, person, company = staged[lookup], body.get("person"), body.get("company")
        if person:
            assert row["full_name"] == person["name"]["fullName"]
            assert row["job_title"] == person["employment"]["title"]
            if "geo" in person:
                assert row["country"] == str(person["geo"]["countryCode"]).lower()
        company = company if "@" in lookup else body
        if company and all(name in company for name in COMPANY):
            assert row["company_name"] == company["name"]
            assert row["employee_count"] == company["metrics"]["employees"]
            assert row["sector"] == str(company["category"]["sector"]).lower()
            technologies = set((row["technology_stack"] or "").split(";")) - {""}
            assert technologies == set(company.get("tech") or ())
