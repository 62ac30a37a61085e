"""CSV exports with varying columns: names, types, empty cells, invalid rows, new and missing columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.column_names import column_name, column_names
from tap_cxone.errors import CorruptExportError, NoExportError, UnfitExportError
from tap_cxone.records.verify import verify_export
from tap_cxone.streams.column_model import ColumnModel
from tap_cxone.streams.new_columns import with_types
from tests.records.exports import records_of, rejected_of

if TYPE_CHECKING:
    from pathlib import Path

TYPED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "segment_id": {"type": "string"},
        "start_date": {"type": ["string", "null"], "format": "date-time"},
        "day": {"type": ["string", "null"], "format": "date"},
        "score": {"type": ["number", "null"]},
        "turns": {"type": ["integer", "null"]},
        "held": {"type": ["boolean", "null"]},
        "note": {"type": ["string", "null"]},
    },
    "required": ["segment_id"],
}
BARE: dict[str, Any] = {"type": "object", "properties": {"segment_id": {"type": "string"}}}


def anything(_: str) -> bool:
    return True


def rows(folder: Path, text: str, model: ColumnModel) -> tuple[list[dict[str, Any]], list[tuple[Any, str]], Any]:
    """Verify a file; return records, rejected rows with reasons, and the verified file."""
    path = folder / "export"
    path.write_bytes(text.encode())
    found = verify_export(path, model)
    records = records_of(found)
    invalid = [(rejected.record, rejected.reason) for rejected in rejected_of(found)]
    found.close()
    assert (found.valid, found.invalid) == (len(records), len(invalid))
    return records, invalid, found


def extensible_model(schema: dict[str, Any] = BARE, *keys: str) -> ColumnModel:
    return ColumnModel(schema, keys or ("segment_id",), adds=anything)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Segment ID", "segment_id"),
        ("ACD Call ID", "acd_call_id"),
        ("Agent 1 Name", "agent_1_name"),
        ("acdCallId", "acd_call_id"),
        ("ACDCallID", "acd_call_id"),
        ("  Start-Date (UTC) ", "start_date_utc"),
        ("1st Agent", "_1st_agent"),
        ("already_snake", "already_snake"),
        ("Größe", "größe"),
        ("m² used", "m_used"),
        ("%", ""),
    ],
)
def test_column_name_of_a_header(header: str, name: str) -> None:
    assert column_name(header) == name


def test_headers_with_the_same_name_are_numbered() -> None:
    headers = ("Agent Name", "agent-name", "Agent Name 2", "%", "Agent Name")
    assert column_names(headers) == ("agent_name", "agent_name_3", "agent_name_2", "column_4", "agent_name_4")


@given(st.lists(st.text(alphabet="aA1 _-ß%", max_size=4), max_size=12))
def test_column_names_are_unique(headers: list[str]) -> None:
    names = column_names(tuple(headers))
    assert len(set(names)) == len(headers)
    assert all(names)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Last Name", "last_name"),
        ("lastName", "last_name"),
        ("LASTNAME", "last_name"),
        ("last-name", "last_name"),
        (" Last  (Name) ", "last_name"),
        ("WorkflowInstance ID", "workflow_instance_id"),
        ("Workflowinstance ID", "workflow_instance_id"),
        ("WORKFLOWINSTANCE_ID", "workflow_instance_id"),
        ("Score %", "score"),
        ("1ST AGENT", "_1st_agent"),
        ("Größe", "größe"),
        ("Last Names", "last_names"),
        ("%", "column_1"),
    ],
)
def test_a_header_is_compared_by_letters_and_digits(header: str, name: str) -> None:
    known = ("last_name", "workflow_instance_id", "score", "_1st_agent", "größe")
    assert column_names((header,), known) == (name,)


def test_of_two_headers_of_one_column_the_second_is_numbered() -> None:
    assert column_names(("LASTNAME", "Last Name", "Other"), ("last_name",)) == ("last_name", "last_name_2", "other")
    assert column_names(("LASTNAME", "Last Name"), ("last_name", "last_name_2")) == ("last_name", "last_name_2")


def test_of_two_similar_columns_the_one_with_the_exact_name_is_found() -> None:
    known = ("acd_id", "acdid")
    assert column_names(("ACD ID", "acdid"), known) == ("acd_id", "acdid")
    assert column_names(("acd%id", "ACDID"), known) == ("acd_id", "acdid")
    assert column_names(("ACDId", "Acd-ID"), known[::-1]) == ("acd_id", "acd_id_2")


@given(st.lists(st.text(alphabet="aA1 _-ß%İ", max_size=4), max_size=12), st.data())
def test_column_names_with_known_columns_are_unique(headers: list[str], data: st.DataObject) -> None:
    known = tuple(data.draw(st.lists(st.sampled_from(column_names(tuple(headers)) or ("a",)), unique=True)))
    names = column_names(tuple(headers), known)
    assert len(set(names)) == len(headers)
    assert all(names)


def test_headers_in_another_spelling_fill_the_columns_of_the_schema(tmp_path: Path) -> None:
    text = "SEGMENTID,startDate,S.C.O.R.E.,TURNS\n1,2024-01-31 15:04:05,1.5,3\n"
    records, invalid, found = rows(tmp_path, text, extensible_model(TYPED))
    assert not invalid
    assert records == [{"segment_id": "1", "start_date": "2024-01-31T15:04:05.000Z", "score": 1.5, "turns": 3}]
    assert found.fields.columns == ["segment_id", "start_date", "score", "turns"]
    assert found.model.properties.keys() == TYPED["properties"].keys()


def test_a_file_without_the_date_column_counts_no_days(tmp_path: Path) -> None:
    model = ColumnModel(TYPED, ["segment_id"], adds=anything, date_field="start_date")
    records, invalid, found = rows(tmp_path, "Segment ID,Note\n1,x\n", model)
    assert records == [{"segment_id": "1", "note": "x"}]
    assert not invalid
    assert not found.days


def test_only_text_columns_get_other_types() -> None:
    columns = {"segment_id": {"type": "integer"}, "note": {"type": ["number", "null"]}, "day": {"type": "string"}}
    typed = with_types(TYPED, columns | {"start_date": {"type": "string"}, "unknown": {"type": "string"}})
    assert typed["properties"] == TYPED["properties"] | {"note": {"type": ["number", "null"]}}
    described = {"properties": {"a": {"type": ["string", "null"], "description": "A."}}}
    as_date = with_types(described, {"a": {"type": ["string", "null"], "format": "date", "description": "Else."}})
    assert as_date["properties"]["a"] == {"type": ["string", "null"], "format": "date", "description": "A."}


def test_new_columns_of_the_file_are_added_as_text(tmp_path: Path) -> None:
    text = '\ufeff"Segment ID",Note,Agent 1 Name\r\n1,"two\r\nlines, ""quoted""",Ann\r\n2,,\r\n'
    records, invalid, found = rows(tmp_path, text, extensible_model())
    assert records == [
        {"segment_id": "1", "note": 'two\r\nlines, "quoted"', "agent_1_name": "Ann"},
        {"segment_id": "2", "note": None, "agent_1_name": None},
    ]
    assert not invalid
    assert list(found.model.properties) == ["segment_id", "note", "agent_1_name"]
    assert not found.fields.unknown


def test_a_fixed_schema_drops_and_reports_other_columns(tmp_path: Path) -> None:
    model = ColumnModel(BARE, ["segment_id"])
    records, _, found = rows(tmp_path, "Segment ID,Note\n1,x\n", model)
    assert records == [{"segment_id": "1"}]
    assert found.fields.unknown == {"note"}


def test_only_selected_new_columns_are_added(tmp_path: Path) -> None:
    model = ColumnModel(BARE, ["segment_id"], adds={"note", "team"}.__contains__)
    records, _, found = rows(tmp_path, "Segment ID,Note,Agent\n1,x,Ann\n", model)
    assert records == [{"segment_id": "1", "note": "x"}]
    assert found.fields.unknown == {"agent"}


def test_a_file_with_only_a_header_has_no_rows(tmp_path: Path) -> None:
    records, invalid, found = rows(tmp_path, "\ufeffSegment ID,Note\r\n", extensible_model())
    assert not records
    assert not invalid
    assert found.fields.columns == ["segment_id", "note"]


def test_cells_are_converted_to_the_types_of_the_schema(tmp_path: Path) -> None:
    text = (
        "Segment ID,Start Date,Day,Score,Turns,Held,Note\n"
        "1,2024-01-31T15:04:05.123Z,2024-01-31,1.5,3,TRUE,007\n"
        "2,2024-01-31 15:04:05,2024-01-31,-2,0,no,x\n"
        "3,2024-01-31T15:04:05,20240131,1e3,5,1,x\n"
        "4,2024-01-31T15:04:05+02:00,,,,,\n"
    )
    records, invalid, _ = rows(tmp_path, text, extensible_model(TYPED))
    assert not invalid
    assert [record["start_date"] for record in records] == [
        "2024-01-31T15:04:05.123Z",
        "2024-01-31T15:04:05.000Z",
        "2024-01-31T15:04:05.000Z",
        "2024-01-31T15:04:05+02:00",
    ]
    assert [record["day"] for record in records] == ["2024-01-31"] * 3 + [None]
    assert [record["score"] for record in records] == [1.5, -2, 1000.0, None]
    assert [record["turns"] for record in records] == [3, 0, 5, None]
    assert [record["held"] for record in records] == [True, False, True, None]
    assert [record["note"] for record in records] == ["007", "x", "x", None]


@pytest.mark.parametrize(
    "row",
    [
        "1,tomorrow,,,,,",
        "1,10/01/2024 10:00,,,,,",
        "1,,tomorrow,,,,",
        "1,,,many,,,",
        "1,,,'1,,,",
        "1,,,NaN,,,",
        "1,,,,1.5,,",
        "1,,,,,perhaps,",
        ",,,,,,",
        "1,,,,,",
        "1,,,,,,,",
    ],
)
def test_an_invalid_row_is_rejected_and_no_other(tmp_path: Path, row: str) -> None:
    header = "Segment ID,Start Date,Day,Score,Turns,Held,Note"
    good = "a,2024-01-31T15:04:05Z,2024-01-31,1,1,true,x"
    records, [(kept, reason)], _ = rows(tmp_path, f"{header}\n{good}\n{row}\n{good}\n", extensible_model(TYPED))
    assert [record["segment_id"] for record in records] == ["a", "a"]
    assert kept
    assert reason


@pytest.mark.parametrize("others", ["2,,1,,,\n", "2,,1,,,\n3,,many,,,\n", ""])
def test_the_text_null_is_not_a_number(tmp_path: Path, others: str) -> None:
    header = "Segment ID,Start Date,Score,Turns,Held,Note\n"
    records, invalid, _ = rows(tmp_path, f"{header}1,,null,,,\n{others}", extensible_model(TYPED))
    assert [record["segment_id"] for record in records] == ["2"] * bool(others)
    assert "1" in [row["segment_id"] for row, _ in invalid]


def test_many_equal_headers_are_named_in_no_time() -> None:
    names = column_names(("Agent",) * 20_000)
    assert names[:3] == ("agent", "agent_2", "agent_3")
    assert len(set(names)) == 20_000


def test_a_reason_does_not_quote_the_value(tmp_path: Path) -> None:
    _, [(_, reason)], found = rows(tmp_path, "Segment ID,Score\n1,secret\n", extensible_model(TYPED))
    assert "secret" not in reason
    assert found.misfit == reason


def test_invalid_utf8_rejects_only_its_own_row(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(b"Segment ID,Note\n1,\xff\n2,x\n")
    found = verify_export(path, extensible_model())
    found.close()
    assert (found.valid, found.invalid) == (1, 1)


def test_duplicates_of_a_key_of_several_columns(tmp_path: Path) -> None:
    text = "Workflow Instance ID,Question ID\na,bc\nab,c\na,bc\n"
    path = tmp_path / "export"
    path.write_text(text)
    keys = ("workflow_instance_id", "question_id")
    model = extensible_model({"type": "object", "properties": {key: {"type": "string"} for key in keys}}, *keys)
    found = verify_export(path, model)
    duplicates = found.keys.duplicates(None)
    assert duplicates is not None
    records = records_of(found, duplicates)
    found.close()
    assert [record["question_id"] for record in records] == ["bc", "c"]


def test_a_key_may_be_a_number(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
    records, [(_, reason)], _ = rows(tmp_path, "ID\n1\nx\n2\n", ColumnModel(schema, ["id"]))
    assert records == [{"id": 1}, {"id": 2}]
    assert reason


def test_an_alias_of_a_key_is_renamed_to_the_key(tmp_path: Path) -> None:
    model = ColumnModel(BARE, ["segment_id"], adds=anything, aliases={"segment_id": ("recording",)})
    for header in ("Recording", "RECOR-DING"):
        records, _, _ = rows(tmp_path, f"{header},Note\n1,x\n", model)
        assert records == [{"segment_id": "1", "note": "x"}]


def test_a_web_page_is_not_csv(tmp_path: Path) -> None:
    with pytest.raises(CorruptExportError, match="not CSV but a web page"):
        rows(tmp_path, "<!DOCTYPE html>\n<html></html>\n", extensible_model())


@pytest.mark.parametrize("text", ["Note,Score,Turns,Held,Agent\n1,2,3,true,5\n", "Note,Score,Turns,Held,Agent\n"])
def test_the_error_for_a_missing_key_lists_the_columns_of_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        UnfitExportError, match=r"no column for the key segment_id; it has note, score, turns, held, agent"
    ):
        rows(tmp_path, text, extensible_model(TYPED))


def test_a_file_without_a_header_is_not_quoted(tmp_path: Path) -> None:
    text = "1001,Jane Doe,a private note\n1002,John Doe,another\n"
    with pytest.raises(NoExportError) as caught:
        rows(tmp_path, text, extensible_model(TYPED))
    assert caught.value.message == (
        "the file has no column for the key segment_id; none of its columns (3) is known, so perhaps it has no header"
    )
    # A value that is like the name of a column.
    with pytest.raises(UnfitExportError, match=r"it has note and 2 more$"):
        rows(tmp_path, "1001,Note,Jane Doe\n", extensible_model(TYPED))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_named(tmp_path: Path, separator: str) -> None:
    text = separator.join(("Segment ID", "Note")) + "\n"
    with pytest.raises(NoExportError, match=r"seem to be separated by .*, not by commas"):
        rows(tmp_path, text, extensible_model(TYPED))


@pytest.mark.parametrize("text", ["Score,SCORE", "Score %,Other,Score", "score_2,Score,SCORE", "Score,Score,Score"])
def test_two_columns_of_a_file_are_not_the_same_one_of_the_schema(tmp_path: Path, text: str) -> None:
    first, *_, second = [header for header in text.split(",") if header.lower().startswith("score")][-2:]
    data = f"Segment ID,{text}\n1{',2' * len(text.split(','))}\n"
    with pytest.raises(
        UnfitExportError, match=rf"two headers for the column 'score', '{first}' and '{second}': .* 'score_[23]'"
    ):
        rows(tmp_path, data, extensible_model(TYPED))


@pytest.mark.parametrize("text", ["Segment ID,SEGMENT-ID", "Recording,RECORDING"])
def test_two_columns_of_a_file_are_not_the_same_key(tmp_path: Path, text: str) -> None:
    model = ColumnModel(BARE, ["segment_id"], adds=anything, aliases={"segment_id": ("recording",)})
    with pytest.raises(UnfitExportError, match=r"two headers for the column '.*', '.*' and '.*'"):
        rows(tmp_path, f"{text}\n1,2\n", model)


def test_a_second_column_that_nothing_is_lost_by_is_read(tmp_path: Path) -> None:
    wider = TYPED | {"properties": TYPED["properties"] | {"note_2": {"type": ["string", "null"]}}}
    records, _, _ = rows(tmp_path, "Segment ID,Note,NOTE\n1,a,b\n", extensible_model(wider))
    assert records == [{"segment_id": "1", "note": "a", "note_2": "b"}]
    records, _, _ = rows(tmp_path, "Segment ID,Team,TEAM\n1,a,b\n", extensible_model(TYPED))
    assert records == [{"segment_id": "1", "team": "a", "team_2": "b"}], "of columns that the schema does not have"
    model = ColumnModel(TYPED, ["segment_id"], adds=anything, selected={"segment_id"})
    records, _, _ = rows(tmp_path, "Segment ID,Note,NOTE\n1,a,b\n", model)
    assert records == [{"segment_id": "1", "note_2": "b"}], "of a deselected column"
    model = ColumnModel(BARE, ["segment_id"], adds=anything, aliases={"segment_id": ("recording",)})
    records, _, _ = rows(tmp_path, "Segment ID,Recording,RECORDING\n1,a,b\n", model)
    assert records == [{"segment_id": "1", "recording": "a", "recording_2": "b"}], "of an alias that is not needed"


def test_the_error_for_a_missing_required_field_ends_with_the_hint(tmp_path: Path) -> None:
    schema = BARE | {"required": ["segment_id", "tax"]}
    model = ColumnModel(schema, ["segment_id"], adds=anything, hint=": check the schema")
    with pytest.raises(UnfitExportError, match=r"no column for the required field tax; .* note: check the schema$"):
        rows(tmp_path, "Segment ID,Note\n1,2\n", model)
