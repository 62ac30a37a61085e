"""Data Extraction files: their CSV content and the storage with its signed URLs."""

from __future__ import annotations

import csv
import re
import socket
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tap_cxone.sandbox import Fault, Sandbox, SandboxOptions

from .extraction_client import read_csv, read_rows

if TYPE_CHECKING:
    from .conftest import Clock, ServeExtractions

RECORDINGS = "recording-interaction-metadata"
JAN_2, JAN_4, JAN_5 = date(2024, 1, 2), date(2024, 1, 4), date(2024, 1, 5)
VERSIONS = [
    (RECORDINGS, "7", "Segment ID", "Start Date", 13),
    (RECORDINGS, "10", "Segment ID", "Start Date", 14),
    (RECORDINGS, "12", "Segment ID", "Start Date", 14),
    ("qm-workflows", "1", "Workflow ID", "Submission Date", 35),
    ("qm-workflows", "3", "Workflow ID", "Submission Date", 40),
    ("qm-workflows", "4", "Workflow ID", "Submission Date", 42),
    ("qm-questions", "1", "WorkflowInstance ID", "Evaluation Submission Date", 34),
    ("wfm-payroll", "1", "Payroll ID", "Date", 4),
]


@pytest.mark.parametrize(("entity", "version", "key", "date_column", "width"), VERSIONS)
def test_a_file_has_the_rows_of_its_days(
    serve_extractions: ServeExtractions, entity: str, version: str, key: str, date_column: str, width: int
) -> None:
    sandbox, client = serve_extractions()
    rows = read_rows(client.extract(entityName=entity, version=version))
    assert rows == list(sandbox.extraction_rows(entity, version, JAN_2, JAN_4))
    assert len(rows) == 2 * 24
    assert {len(row) for row in rows} == {width}
    assert all(row[key] for row in rows)
    moments = [row[date_column] for row in rows]
    assert moments == sorted(moments)
    assert {text[:10] for text in moments} == {"2024-01-02", "2024-01-03"}
    if date_column != "Date":
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text) for text in moments)
        assert {"2024-01-02T00:00:00.000Z", "2024-01-03T00:00:00.000Z"} < set(moments)
    sparse = {name for name in rows[0] if any(not row[name] for row in rows)}
    assert sparse, "no column has empty cells"
    assert not sparse & {key, date_column, "Question ID"}


def test_versions_have_different_columns(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions()
    seven, ten, twelve = (set(read_csv(client.extract(version=version))[0]) for version in ("7", "10", "12"))
    assert ten - seven == {"Sentiment"}
    assert (twelve - ten, ten - twelve) == ({"Channel"}, {"Disposition"})


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("words", ["WorkflowInstance ID", "Firstname (Agent)", "Evaluation Score %", "Form ID"]),
        ("camel", ["workflowinstanceId", "firstnameAgent", "evaluationScore%", "formId"]),
        ("capitals", ["WORKFLOWINSTANCE_ID", "FIRSTNAME_AGENT", "EVALUATION_SCORE_%", "FORM_ID"]),
    ],
)
def test_headers_have_the_chosen_spelling(
    serve_extractions: ServeExtractions, spelling: str, expected: list[str]
) -> None:
    sandbox, client = serve_extractions(header_spelling=spelling)
    header, *lines = read_csv(client.extract(entityName="qm-questions", version="1"))
    assert len(header) == 34
    assert set(expected) <= set(header)
    rows = sandbox.extraction_rows("qm-questions", "1", JAN_2, JAN_4)
    assert lines == [list(row.values()) for row in rows]


def test_questions_of_one_evaluation_share_its_columns(serve_extractions: ServeExtractions) -> None:
    sandbox, _ = serve_extractions()
    rows = list(sandbox.extraction_rows("qm-questions", "1", JAN_2, JAN_4))
    shared = ("WorkflowInstance ID", "Agent ID", "Lastname (Eva)", "Segment ID", "Form ID", "Evaluation Score %")
    evaluations = {tuple(row[column] for column in shared) for row in rows}
    assert len(evaluations) == len({row["WorkflowInstance ID"] for row in rows}) == len(rows) // 3


def test_keys_are_unique(serve_extractions: ServeExtractions) -> None:
    sandbox, _ = serve_extractions()
    questions = list(sandbox.extraction_rows("qm-questions", "1", JAN_2, JAN_4))
    both = {(row["WorkflowInstance ID"], row["Question ID"]) for row in questions}
    assert len(both) == len(questions)
    assert len({row["WorkflowInstance ID"] for row in questions}) == len(questions) // 3
    assert len({row["Question ID"] for row in questions}) == 3
    segments = list(sandbox.extraction_rows(RECORDINGS, "7", date(2024, 1, 1), date(2024, 3, 1)))
    assert len({row["Segment ID"] for row in segments}) == len(segments) == 60 * 24


def test_the_csv_has_a_bom_quotes_and_leading_zeros(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions(rows_per_day=120)
    job_id = client.create_job()
    response = client.download(job_id)
    content = response.content
    assert response.headers["Content-Type"] == "text/csv"
    assert content.startswith(b"\xef\xbb\xbfSegment ID,ACD Call ID,Start Date,")
    assert content.endswith(b"\r\n")
    assert b'""' in content
    notes = [row["Notes"] for row in read_rows(content)]
    for part in ("\n", "\r\n", '"', ",", "ü", "🙂"):
        assert any(part in note for note in notes), part
    ids = {row["Agent 1 ACD ID"] for row in read_rows(content)}
    assert all(text.startswith("0000") for text in ids)


def test_a_file_without_rows_has_only_a_header(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions(quiet_days=2)
    empty = client.extract(startDate="2024-01-02", endDate="2024-01-03")
    assert empty.count(b"\n") == 1
    assert read_csv(empty)[0][0] == "Segment ID"
    assert client.extract(startDate="2024-01-03", endDate="2024-01-03") == empty
    assert client.extract(startDate="2022-01-01", endDate="2022-01-03") == empty


def test_the_end_date_can_be_inclusive(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions(inclusive_end=True)
    rows = read_rows(client.extract())
    assert rows == list(sandbox.extraction_rows(RECORDINGS, "7", JAN_2, JAN_5))
    assert len(read_rows(client.extract(endDate="2024-01-02"))) == 24


def test_there_are_no_rows_in_the_future(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions(rows_per_day=8_640)
    today = datetime.now(UTC).date()
    body = {"startDate": str(today - timedelta(days=1)), "endDate": str(today + timedelta(days=1))}
    rows = read_rows(client.extract(**body))
    now = datetime.now(UTC)
    assert 8_640 < len(rows) < 2 * 8_640
    assert rows[-1]["Start Date"] <= now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert now - datetime.fromisoformat(rows[-1]["Start Date"]) < timedelta(seconds=60)
    assert list(sandbox.extraction_rows(RECORDINGS, "7", today + timedelta(days=1), today + timedelta(days=3))) == []


def test_a_split_range_has_the_same_rows(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions()
    other = Sandbox(SandboxOptions(rows_per_day=24))
    whole = read_rows(client.extract())
    parts = [client.extract(startDate=f"2024-01-0{day}", endDate=f"2024-01-0{day + 1}") for day in (2, 3)]
    assert [row for part in parts for row in read_rows(part)] == whole
    assert list(other.extraction_rows(RECORDINGS, "7", JAN_2, JAN_4)) == whole


def test_bad_rows_have_a_cell_too_many_or_too_few(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions(bad_rows=0.3, rows_per_day=120)
    header, *lines = read_csv(client.extract())
    widths = Counter(len(line) - len(header) for line in lines)
    assert widths.keys() == {-1, 0, 1}
    assert 0.15 < 1 - widths[0] / len(lines) < 0.45
    good = [dict(zip(header, line, strict=True)) for line in lines if len(line) == len(header)]
    assert good == list(sandbox.extraction_rows(RECORDINGS, "7", JAN_2, JAN_4))


def test_rows_can_be_repeated(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions(repeated_records=0.3, rows_per_day=120)
    counts = Counter(tuple(row.items()) for row in read_rows(client.extract()))
    assert set(counts.values()) == {1, 2}
    expected = {tuple(row.items()) for row in sandbox.extraction_rows(RECORDINGS, "7", JAN_2, JAN_4)}
    assert set(counts) == expected


def test_every_status_request_signs_a_new_url(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions()
    job_id = client.create_job()
    urls = [client.status_and_url(job_id)[1] for _ in range(3)]
    assert len(set(urls)) == 3
    assert sandbox.signed_urls == urls
    query = parse_qs(urlsplit(urls[0]).query)
    assert (query["X-Amz-Expires"], query["X-Amz-Algorithm"]) == (["30"], ["AWS4-HMAC-SHA256"])
    assert [requests.get(url, timeout=5).status_code for url in urls] == [200] * 3
    assert sandbox.extractions[0].downloads == 3


def test_the_storage_has_another_host(serve_extractions: ServeExtractions) -> None:
    if "127.0.0.1" not in {entry[4][0] for entry in socket.getaddrinfo("localhost", None)}:
        pytest.skip("localhost does not resolve to 127.0.0.1 on this machine")
    sandbox, client = serve_extractions()
    storage, api = urlsplit(client.status_and_url(client.create_job())[1]), urlsplit(sandbox.url)
    assert (storage.hostname, api.hostname) == ("localhost", "127.0.0.1")
    assert storage.port == api.port


def test_a_signed_url_expires_and_the_error_repeats_it(serve_extractions: ServeExtractions, clock: Clock) -> None:
    sandbox, client = serve_extractions(url_seconds=60)
    job_id = client.create_job()
    _, url = client.status_and_url(job_id)
    assert requests.get(url, timeout=5).status_code == 200
    clock.advance(61)
    response = requests.get(url, timeout=5)
    assert response.status_code == 403
    assert response.headers["Content-Type"].startswith("application/xml")
    assert "expired" in response.text
    assert parse_qs(urlsplit(url).query)["X-Amz-Signature"][0] in response.text
    assert client.download(job_id).status_code == 200
    assert sandbox.extractions[0].downloads == 2


def test_a_running_download_outlives_its_signed_url(serve_extractions: ServeExtractions, clock: Clock) -> None:
    _, client = serve_extractions(url_seconds=60, rows_per_day=15_000)
    job_id = client.create_job()
    with requests.get(client.status_and_url(job_id)[1], timeout=30, stream=True) as response:
        assert "Content-Length" not in response.headers, "the file is too small to be streamed"
        clock.advance(61)
        content = b"".join(response.iter_content(1 << 16))
    assert len(read_rows(content)) == 30_000


def test_altered_urls_are_rejected(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions()
    _, url = client.status_and_url(client.create_job())
    _, other = client.status_and_url(client.create_job())
    signature = parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]
    altered = [
        url.replace(signature, signature[::-1]),
        url.replace("X-Amz-Expires=30", "X-Amz-Expires=3000"),
        url.partition("?")[0],
        f"{other.partition('?')[0]}?{urlsplit(url).query}",
        url + "&x=y",
    ]
    for altered_url in altered:
        response = requests.get(altered_url, timeout=5)
        assert (response.status_code, response.text.count("<Error>")) == (403, 1)
    assert requests.head(url, timeout=5).status_code == 403


def test_the_storage_rejects_an_additional_token(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions()
    _, url = client.status_and_url(client.create_job())
    response = client.session.get(url, timeout=5)
    assert response.status_code == 400
    assert "<Code>InvalidArgument</Code>" in response.text
    assert sandbox.tokens[0] in response.text
    assert sandbox.extractions[0].downloads == 0


def test_the_file_of_an_expired_job_is_not_found(serve_extractions: ServeExtractions, clock: Clock) -> None:
    _, client = serve_extractions(extraction_expires_after=20)
    _, url = client.status_and_url(client.create_job())
    clock.advance(20)
    response = requests.get(url, timeout=5)
    assert response.status_code == 404
    assert "<Code>NoSuchKey</Code>" in response.text


@pytest.mark.parametrize("kind", ["truncated", "corrupt", "unclosed"])
def test_files_can_be_damaged(serve_extractions: ServeExtractions, kind: str) -> None:
    sandbox, client = serve_extractions()
    job_id = client.create_job()
    whole = client.download(job_id).content
    sandbox.set_faults(Fault("download", kind, times=1))
    bad = client.download(job_id).content
    assert bad != whole
    if kind == "corrupt":
        assert len(bad) == len(whole)
        with pytest.raises(UnicodeDecodeError):
            bad.decode()
    else:
        assert whole.startswith(bad)
    if kind == "unclosed":
        with pytest.raises(csv.Error):
            read_csv(bad)
    assert client.download(job_id).content == whole
