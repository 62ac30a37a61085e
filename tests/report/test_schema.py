"""The JSON Schema of the outputs: real outputs are valid, and have every key that it names."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from tests.report.conftest import Log, at, report

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: dict[str, Any] = json.loads(files("tap_cxone.report").joinpath("report.schema.json").read_text("utf-8"))
LABELS = {"tenant": "acme", "host": "na1.nice-incontact.com"}


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{name}"})


def keys(value: object, path: str = "") -> Iterator[str]:
    """Yield the path of each key of a JSON value; the entries of an array have one path."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"{path}.{name}"
            yield from keys(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from keys(item, f"{path}[]")


def described(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of each key that a schema describes."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    names = schema.get("propertyNames", {}).get("enum", ())
    for name, part in (schema.get("properties", {}) | dict.fromkeys(names, schema.get("additionalProperties"))).items():
        yield f"{path}.{name}"
        yield from described(part, f"{path}.{name}")
    if "items" in schema:
        yield from described(schema["items"], f"{path}[]")


@pytest.fixture
def outputs(faulty: Log) -> dict[str, list[Any]]:
    """Return outputs of each form: without labels of tenants, with them, and of an old and an empty log."""
    check = ("--check", "2024-01-01", "2024-01-31", "--json")
    found: dict[str, list[Any]] = {"report": [], "check": [], "last_run": []}

    def collect() -> None:
        for name, options in (("report", ("--json",)), ("check", check), ("last_run", ("--last-run", "--json"))):
            found[name].append(json.loads(report(faulty, *options).stdout))

    collect()
    faulty.begin("old", 20, 21, day=5)
    faulty.export("old", "job", 20, 21, old=True, day=5)
    faulty.labels = LABELS
    faulty.begin("new", 21, 23, day=6)
    faulty.export("new", "job", 21, 22, day=6)
    faulty.write(
        "run_ended", at(9, 7), run_id="none", exit_code=2, retryable=False, reason="No.", streams=0, seconds=1.5
    )
    names = {"stream": "bot_conversations", "job_id": "job", "receiver": "bi", "platform_host": LABELS["host"]}
    faulty.write("webhook_sync_success", at(9, 7), **names, latency_ms=40, dateFrom=at(0), dateTo=at(1))
    collect()
    faulty.path.write_bytes(b"")
    found["report"].append(json.loads(report(faulty, "--json").stdout))
    return found


@pytest.mark.parametrize("name", ["report", "check", "last_run"])
def test_outputs_are_valid_and_have_every_key(outputs: dict[str, list[Any]], name: str) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for output in outputs[name]:
        validator(name).validate(output)
    assert set(described({"$ref": f"#/$defs/{name}"})) == {key for output in outputs[name] for key in keys(output)}


def test_the_schema_is_that_of_the_report(outputs: dict[str, list[Any]]) -> None:
    assert SCHEMA["$ref"] == "#/$defs/report"
    changed = outputs["report"][0]
    del changed["runs"][0]["exit"]
    changed["streams"][0]["days"][0]["records"] = "7"
    changed["new"] = 1
    assert len(list(Draft202012Validator(SCHEMA).iter_errors(changed))) == 3
