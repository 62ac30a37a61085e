"""The types that two pages show fit the declared columns and the files of the sandbox."""

from __future__ import annotations

import csv
import re
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_cxone.config.entities import Entity, entities
from tap_cxone.records.verify import verify_export
from tap_cxone.sandbox import Sandbox
from tap_cxone.streams.column_model import ColumnModel
from tap_cxone.streams.new_columns import with_types
from tests.conftest import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.records.verify import VerifiedFile


def documented(file: str, content: str) -> Any:
    """Return the only YAML example of a file that contains a text."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (PROJECT / file).read_text(), re.MULTILINE | re.DOTALL)
    [example] = [block for block in blocks if content in block]
    return yaml.safe_load(example)


def by_stream(configured: list[dict[str, Any]] | None = None) -> dict[str, Entity]:
    return {entity.stream: entity for entity in entities(configured)}


def read_sandbox_file(folder: Path, entity: Entity, schema: dict[str, Any]) -> VerifiedFile:
    """Verify a file with two days of an entity's rows against a schema."""
    rows = list(Sandbox().extraction_rows(entity.entity, entity.version, date(2024, 1, 1), date(2024, 1, 3)))
    path = folder / "export.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    found = verify_export(path, ColumnModel(schema, entity.primary_keys))
    found.close()
    assert len(rows) == 240
    return found


@pytest.mark.parametrize("file", ["docs/data-extraction.md", "docs/columns.md"])
def test_types_of_single_columns_fit_the_sandbox(tmp_path: Path, file: str) -> None:
    [plugin] = documented(file, "    schema:\n      qm_workflows:\n")
    for stream, columns in plugin["schema"].items():
        entity = by_stream()[stream]
        assert columns.keys() <= entity.schema["properties"].keys()
        typed = with_types(entity.schema, columns)
        assert all(typed["properties"][name]["type"] == spec["type"] for name, spec in columns.items())
        found = read_sandbox_file(tmp_path, entity, typed)
        assert (found.valid, found.invalid) == (240, 0)


def test_the_schema_to_copy_has_all_columns_and_fits_the_sandbox(tmp_path: Path) -> None:
    configured = documented("docs/columns.md", "data_extraction_entities")["config"]["data_extraction_entities"]
    entity = by_stream(configured)["qm_workflows"]
    assert list(entity.schema["properties"]) == list(by_stream()["qm_workflows"].schema["properties"])
    found = read_sandbox_file(tmp_path, entity, entity.schema)
    assert (found.valid, found.invalid, found.fields.unknown) == (240, 0, set())
    numbers = {name for name, spec in found.model.properties.items() if "number" in spec["type"]}
    assert numbers == {"score", "score_percentage", "maximum_possible_score"}
