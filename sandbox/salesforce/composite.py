"""Calls inside a call: ``composite`` in order and with references, ``composite/batch`` without."""

from __future__ import annotations

import re
from typing import Any

from sandbox.salesforce.call import Answer, Call, an_object
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.values import Row
from sandbox.salesforce.writer import Undo

MOST = 25
REFERENCE = re.compile(r"@\{([^}]+)\}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def composite(call: Call) -> Answer:
    """Carry out up to 25 calls in order; later ones may name what earlier ones answered."""
    body = an_object(call.body)
    asked = _asked(body.get("compositeRequest"), "compositeRequest")
    names = [str(each.get("referenceId") or "") for each in asked]
    if len(set(names)) < len(names) or "" in names:
        raise SalesforceError("INVALID_INPUT", "Every referenceId must be given and be unique.")
    undo: Undo = []
    answers: dict[str, Row] = {}
    for each, name in zip(asked, names, strict=True):
        answers[name] = _one(call, each, name, answers, undo)
    has_failed = any(answer["httpStatusCode"] >= 300 for answer in answers.values())
    if has_failed and body.get("allOrNone") is True:
        while undo:
            undo.pop()()
        for answer in answers.values():
            if answer["httpStatusCode"] < 300:
                answer.update(_halted())
    return 200, {"compositeResponse": list(answers.values())}


def _one(call: Call, each: Row, name: str, answers: dict[str, Row], undo: Undo) -> Row:
    try:
        url = _filled(str(each.get("url") or ""), answers)
        inner = _filled(each.get("body"), answers)
    except SalesforceError as refusal:
        body = [{"errorCode": refusal.code, "message": refusal.message}]
        return {"body": body, "httpHeaders": {}, "httpStatusCode": 400, "referenceId": name}
    headers = {str(k).lower(): str(v) for k, v in (each.get("httpHeaders") or {}).items()}
    status, answer = call.gate.inside(call, _method(each), url, inner, headers, undo)
    told: dict[str, str] = {}
    if status == 201 and isinstance(answer, dict) and "id" in answer:
        told["Location"] = f"{url.rstrip('/')}/{answer['id']}"
    return {"body": answer, "httpHeaders": told, "httpStatusCode": status, "referenceId": name}


def batch(call: Call) -> Answer:
    """Carry out up to 25 calls that know nothing of each other; each counts as a call."""
    body = an_object(call.body)
    asked = _asked(body.get("batchRequests"), "batchRequests")
    call.store.count_call(max(0, len(asked) - 1))
    results: list[Row] = []
    has_errors = False
    for each in asked:
        if has_errors and body.get("haltOnError") is True:
            error = {"errorCode": "BATCH_PROCESSING_HALTED",
                     "message": "Batch processing halted per request"}  # fmt: skip
            results.append({"statusCode": 412, "result": [error]})
            continue
        # Addresses in a batch start with the version.
        url = "/services/data/" + str(each.get("url") or "").lstrip("/")
        status, answer = call.gate.inside(call, _method(each), url, each.get("richInput"), {}, None)
        has_errors = has_errors or status >= 300
        results.append({"statusCode": status, "result": answer})
    return 200, {"hasErrors": has_errors, "results": results}


def _asked(given: Any, name: str) -> list[Row]:
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise SalesforceError("JSON_PARSER_ERROR", f"{name} must be a list of requests")
    if len(given) > MOST:
        raise SalesforceError(
            "LIMIT_EXCEEDED", f"The maximum number of subrequests is {MOST}, not {len(given)}."
        )
    return given


def _method(each: Row) -> str:
    method = str(each.get("method") or "").upper()
    if method not in METHODS:
        raise SalesforceError("INVALID_INPUT", f"'{method}' is no HTTP method of a subrequest.")
    return method


def _filled(given: Any, answers: dict[str, Row]) -> Any:
    """Replace every ``@{name.field}`` by what the call of that name answered."""
    if isinstance(given, dict):
        return {name: _filled(value, answers) for name, value in given.items()}
    if isinstance(given, list):
        return [_filled(value, answers) for value in given]
    if not isinstance(given, str):
        return given
    return REFERENCE.sub(lambda match: str(_resolved(match.group(1), answers)), given)


def _resolved(reference: str, answers: dict[str, Row]) -> Any:
    name, _, path = reference.partition(".")
    found: Any = answers.get(name, {}).get("body")
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        else:
            found = None
    if found is None or isinstance(found, dict | list):
        raise SalesforceError(
            "PROCESSING_HALTED", f"Invalid reference specified. No value for {reference} found."
        )
    return found


def _halted() -> Row:
    error = {
        "errorCode": "PROCESSING_HALTED",
        "message": "The transaction was rolled back since another operation in the same "
        "transaction failed.",
    }
    return {"body": [error], "httpHeaders": {}, "httpStatusCode": 400}
