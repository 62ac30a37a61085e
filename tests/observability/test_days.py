"""Records per UTC day: counted while a file is read, without duplicates."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tap_cxone.observability import days
from tap_cxone.observability.days import add_days, count_days
from tap_cxone.records.verify import verify_export
from tap_cxone.streams.column_model import ColumnModel
from tests.records.exports import records_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FIRST, SECOND = date(2024, 1, 1), date(2024, 1, 2)


def test_dates_are_counted_by_utc_day() -> None:
    assert count_days(["2024-01-01T23:59:59.999Z", "2024-01-01T00:00:00Z"]) == {FIRST: 2}
    assert count_days(["2024-01-01T23:59:59.999Z", "2024-01-02T01:00:00+02:00", "2024-01-02"]) == {FIRST: 2, SECOND: 1}
    assert count_days([None, "", "Z", "tomorrow", 3]) == {}


def test_the_number_of_days_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "MAX_DAYS", 1)
    counted = count_days(["2024-01-01"])
    add_days(counted, count_days(["2024-01-02", "2024-01-01"]))
    assert counted == {FIRST: 2}


def test_dates_that_are_not_text_are_not_counted(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "at": {"type": ["integer", "null"]}}}
    path = tmp_path / "export"
    path.write_text("ID,At\n1,1\n1,1\n2,\n")
    found = verify_export(path, ColumnModel(schema, ["id"], date_field="at"))
    assert [kept["id"] for kept in records_of(found, found.keys.duplicates(None))] == ["1", "2"]
    assert found.days == {}
    found.close()


def test_duplicates_are_not_counted(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "at": {"type": ["string", "null"]}}}
    path = tmp_path / "export"
    path.write_text("ID,At\n1,2024-01-01T10:00:00Z\n2,2024-01-02T10:00:00Z\n1,2024-01-01T10:00:00Z\n3,\n")
    found = verify_export(path, ColumnModel(schema, ["id"], date_field="at"))
    assert found.days == {FIRST: 2, SECOND: 1}
    duplicates = found.keys.duplicates(None)
    assert duplicates
    assert [kept["id"] for kept in records_of(found, duplicates)] == ["1", "2", "3"]
    found.close()
    assert found.days == {FIRST: 1, SECOND: 1}
