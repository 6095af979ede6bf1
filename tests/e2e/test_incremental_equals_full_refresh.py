"""However the rooms came to be, step by step or all at once, they hold the same rows.

One home lives through three weeks: people arrive and reps work, records are merged, joined by an
e-mail and parted again, a lead changes its company, a meeting that was planned takes place. Then
a copy of it is built from nothing, at the same ``as_of``. Another copy lives through edits of the
policy first, each of which touches only the leads it can say something else of.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.warehouse import Warehouse
from sandbox.clock import salesforce_time
from sandbox.lumenfold import REPS
from tests.e2e.edits import CELLS, EVERY_EDIT, FOR_EVERYBODY, Edited
from tests.e2e.stage import OF_THE_RUN, Stage, differences, run_dbt, told
from tests.house import POLICY

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)


def record(stage: Stage, path: str) -> Any:
    return stage.control("GET", f"/records/{path}")


@pytest.fixture(scope="module")
def stage(set_up: Callable[..., Stage]) -> Stage:
    stage = set_up(leads=250, now=NOW, frozen=True, limits=False)
    people = [
        one
        for one in stage.world.truth.people
        if len(one["hubspot_contact_ids"]) == 1 and one["emails"] and not one["golden"]
    ]
    in_map_only = [one for one in people if not one["salesforce_lead_ids"]]
    with_lead = [one for one in people if one["salesforce_lead_ids"]]
    rep = REPS[5].user_id

    stage.sync()

    # Two people become one in HubSpot, two leads become one in Salesforce, two are joined by an
    # address.
    stage.advance(hours=1)
    stage.arrive(12)
    one, other = in_map_only[0], in_map_only[1]
    stage.control(
        "POST",
        "/merge",
        {
            "system": "hubspot",
            "winner": one["hubspot_contact_ids"][0],
            "loser": other["hubspot_contact_ids"][0],
        },
    )
    winner, loser = with_lead[0]["salesforce_lead_ids"][0], with_lead[1]["salesforce_lead_ids"][0]
    stage.control("POST", "/merge", {"system": "salesforce", "winner": winner, "loser": loser})
    joined = in_map_only[2]["hubspot_contact_ids"][0]
    stage.mutate("hubspot", "contacts", joined, email=with_lead[2]["emails"][0].upper())
    # A meeting that lies ahead is no touch yet.
    ahead = stage.world.clock.now() + timedelta(days=3)
    stage.mutate(
        "salesforce",
        "Event",
        None,
        by=rep,
        WhoId=with_lead[3]["salesforce_lead_ids"][0],
        OwnerId=rep,
        Subject="Demo",
        StartDateTime=salesforce_time(ahead),
        EndDateTime=salesforce_time(ahead + timedelta(hours=1)),
    )
    stage.sync()

    # The address goes away again; somebody moves to a company whose people we know; reps work.
    stage.advance(hours=20)
    stage.control("POST", "/work", {"count": 30})
    stage.mutate("hubspot", "contacts", joined, email="somebody.else@elsewhere.example")
    colleague = next(
        one for one in with_lead[4:] if one["emails"][0].partition("@")[2] != "example.com"
    )
    domain = colleague["emails"][0].partition("@")[2]
    mover = with_lead[5]
    for contact in mover["hubspot_contact_ids"]:
        stage.mutate("hubspot", "contacts", contact, email=f"mover@{domain}")
    for lead in mover["salesforce_lead_ids"]:
        stage.mutate("salesforce", "Lead", lead, by=rep, Email=f"mover@{domain}")
    gone = with_lead[6]["salesforce_lead_ids"][0]
    stage.control("POST", "/delete", {"system": "salesforce", "object": "Lead", "id": gone})
    stage.sync()

    # A rep has another name, another an address HubSpot does not know, and somebody changes sides.
    stage.mutate("salesforce", "User", rep, LastName="Married")
    stage.mutate("salesforce", "User", REPS[2].user_id, Email="elsewhere@us.example")
    contacts = [one for one in people if one["salesforce_contact_ids"]]
    account = record(stage, f"salesforce/Contact/{contacts[0]['salesforce_contact_ids'][0]}")
    stage.mutate(
        "salesforce",
        "Contact",
        contacts[1]["salesforce_contact_ids"][0],
        by=rep,
        AccountId=account["AccountId"],
    )
    stage.advance(hours=1)
    stage.sync()

    # Ten days pass in which nothing happens but time: points fade, clocks run out.
    stage.advance(days=10)
    stage.sync()
    stage.arrive(6)
    stage.control("POST", "/work", {"count": 20})
    stage.advance(days=8)
    stage.sync()
    stage.advance(minutes=5)
    stage.sync()
    return stage


def test_every_table_of_every_room_is_the_same_after_a_full_refresh(
    stage: Stage, tmp_path: Path
) -> None:
    rebuilt = stage.copy(tmp_path / "rebuilt")
    ran = run_dbt(rebuilt, "run", "--full-refresh")
    assert ran.returncode == 0, ran.stdout[-3000:]
    found = differences(stage.home, rebuilt, ignore=OF_THE_RUN)
    assert not found, told(found)
    # And building touches no fact.
    assert differences(stage.home, rebuilt, store="ledger.duckdb") == {}


def test_one_scoring_row_touches_whom_it_can_affect_and_no_edit_touches_nobody(
    stage: Stage, tmp_path: Path
) -> None:
    with Warehouse(stage.copy(tmp_path / "edited")) as warehouse:
        home = Edited(warehouse, NOW)
        assert home.find() == {}, "nothing has changed since the last sync"

        # A reason is read by whoever reviews the policy: a country's is told with no lead.
        warehouse.execute("update policy.country_names set reason = 'because'")
        warehouse.execute(
            "update policy.scoring_rules set points = 40 where rule_id = 'asked_for_demo'"
        )
        asked = set(
            home.column(
                "select lead_key from people.lead_touches where touch_type = 'demo_request'"
            )
        )
        assert home.find() == {"policy: scoring_rules": asked}
        leads = home.column("select lead_key from people.lead_profiles")
        assert 0 < len(asked) < len(leads) / 4


def test_every_decision_table_is_edited_here_or_touches_everybody() -> None:
    assert sorted((*CELLS, *FOR_EVERYBODY)) == sorted(path.stem for path in POLICY.glob("*.csv"))


def test_whom_an_edit_of_the_policy_does_not_touch_is_as_a_full_refresh_has_it(
    stage: Stage, tmp_path: Path
) -> None:
    edit_and_rebuild(stage, tmp_path, seed=1, rounds=1, edits=8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_whichever_cell_of_the_policy_is_edited_a_full_refresh_has_the_same(
    stage: Stage, tmp_path: Path, seed: int
) -> None:
    edit_and_rebuild(stage, tmp_path, seed, rounds=len(EVERY_EDIT), edits=4)


def edit_and_rebuild(stage: Stage, folder: Path, seed: int, rounds: int, edits: int) -> None:
    """Edit cells in an order that is the seed's, a few in each round, and compare in the end."""
    cells = random.Random(seed).sample(EVERY_EDIT, len(EVERY_EDIT))
    done = []
    with Warehouse(stage.copy(folder / "edited")) as warehouse:
        home = Edited(warehouse, NOW, seed)
        for start in range(0, len(cells), edits)[:rounds]:
            done += [home.edit(*cell) for cell in cells[start : start + edits]]
            home.find()
            home.build()
    shutil.copytree(folder / "edited", folder / "rebuilt")
    with Warehouse(folder / "rebuilt") as warehouse:
        rooms = ("people", "scoring", "routing", "lifecycle", "reporting")
        warehouse.dbt("run", "--full-refresh", "--select", *rooms)
    found = differences(folder / "edited", folder / "rebuilt", ignore=OF_THE_RUN)
    assert not found, f"{done}\n{told(found)}"
