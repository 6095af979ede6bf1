"""``python -m sandbox``: the outside world alone, until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

from sandbox.server import Sandbox


def main(arguments: list[str] | None = None) -> int:
    """Build, serve and wait. Returns 0 after SIGINT or SIGTERM, 1 if it cannot start."""
    options = _parse(arguments)
    # uvicorn reports what went wrong inside a request here; requests themselves are not news.
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        box = Sandbox(
            leads=options.leads,
            seed=options.seed,
            now=options.now,
            limits=not options.no_limits,
            olist=options.load,
            ports_from=options.ports_from,
            custom_fields=not options.bare_crm,
        )
        with box:
            if options.env:
                lines = "".join(f"{name}={value}\n" for name, value in box.env.items())
                _write(options.env, lines.encode())
            if options.truth:
                _write(options.truth, orjson.dumps(box.truth()))
            print(_addresses(box), flush=True)
            _serve(box, stop, options.arrivals)
    except (OSError, ValueError) as problem:
        print(f"The sandbox could not start: {problem}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    add = parser.add_argument
    add("--leads", type=_count, default=2000, metavar="N", help="people to invent (default 2000)")
    add("--seed", type=int, default=7, metavar="S", help="same seed, same people (default 7)")
    add("--load", nargs=2, metavar=("KIND", "DIR"), help="a data set instead: olist DIR")
    add("--env", type=Path, metavar="FILE", help="write addresses and tokens here, as settings")
    add("--truth", type=Path, metavar="FILE", help="write what was planted here, as JSON")
    add("--no-limits", action="store_true", help="no rate limits")
    add("--bare-crm", action="store_true", help="CRMs without the fields Baton writes to")
    add("--now", type=_moment, metavar="ISO", help="the sandbox's present (default: real time)")
    add("--arrivals", type=float, default=0.0, metavar="PER_MINUTE", help="submissions a minute")
    add("--ports-from", type=int, metavar="P", help="ports P to P+6 instead of free ones")
    options = parser.parse_args(arguments)
    if options.load:
        kind, directory = options.load
        if kind != "olist":
            parser.error(f"--load knows olist, not {kind!r}")
        options.load = Path(directory)
    return options


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO time") from problem
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _write(path: Path, content: bytes) -> None:
    """Write a file that is complete the moment it is there, and only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


def _addresses(box: Sandbox) -> str:
    env = box.env
    return (
        f"Sandbox: HubSpot {env['BATON_HUBSPOT_BASE_URL']}, "
        f"Salesforce {env['BATON_SALESFORCE_LOGIN_URL']}, Slack {env['BATON_SLACK_BASE_URL']}, "
        f"Clearbit {env['BATON_CLEARBIT_PERSON_BASE_URL']}, "
        f"SMTP {env['BATON_SMTP_HOST']}:{env['BATON_SMTP_PORT']}, control {box.control_url}"
    )


def _serve(box: Sandbox, stop: threading.Event, per_minute: float) -> None:
    """Wait for the signal; meanwhile let people arrive at the given rate."""
    if per_minute <= 0:
        stop.wait()
        return
    pause = 60 / per_minute
    due = time.monotonic() + pause
    while not stop.wait(max(0.0, due - time.monotonic())):
        with box.world.lock:
            box.arrivals.arrive(1)
        due += pause


if __name__ == "__main__":
    sys.exit(main())
