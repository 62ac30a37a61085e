"""The storage with its signed addresses, the CSV in it, and that both hold what the sandbox says it holds."""

from __future__ import annotations

import csv
import re
import socket
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tap_cxone.sandbox import Fault, Sandbox, SandboxOptions

from .extractor import as_rows, parsed

if TYPE_CHECKING:
    from .conftest import Extract

RECORDINGS = "recording-interaction-metadata"
JAN_2, JAN_4, JAN_5 = date(2024, 1, 2), date(2024, 1, 4), date(2024, 1, 5)
VERSIONS = [
    (RECORDINGS, "7", "Segment ID", "Start Date", 13),
    (RECORDINGS, "10", "Segment ID", "Start Date", 14),
    (RECORDINGS, "12", "Segment ID", "Start Date", 14),
    ("qm-workflows", "1", "Workflow ID", "Submission Date", 7),
    ("qm-workflows", "3", "Workflow ID", "Submission Date", 8),
    ("qm-workflows", "4", "Workflow ID", "Submission Date", 9),
    ("qm-questions", "1", "Workflow Instance ID", "Submission Date", 6),
    ("wfm-payroll", "1", "Payroll ID", "Date", 4),
]


@pytest.mark.parametrize(("entity", "version", "key", "moment", "width"), VERSIONS)
def test_a_file_holds_the_rows_of_its_days(
    extract: Extract, entity: str, version: str, key: str, moment: str, width: int
) -> None:
    sandbox, client = extract()
    rows = as_rows(client.extracted(entityName=entity, version=version))
    assert rows == list(sandbox.extraction_rows(entity, version, JAN_2, JAN_4))
    assert len(rows) == 2 * 24
    assert {len(row) for row in rows} == {width}
    assert all(row[key] for row in rows)
    moments = [row[moment] for row in rows]
    assert moments == sorted(moments)
    assert {text[:10] for text in moments} == {"2024-01-02", "2024-01-03"}
    if moment != "Date":
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text) for text in moments)
        assert {"2024-01-02T00:00:00.000Z", "2024-01-03T00:00:00.000Z"} < set(moments)
    names = {name for name in rows[0] if any(not row[name] for row in rows)}
    assert names, "some cells are empty"
    assert not names & {key, moment, "Question ID"}


def test_versions_change_the_columns(extract: Extract) -> None:
    _, client = extract()
    seven, ten, twelve = (set(parsed(client.extracted(version=version))[0]) for version in ("7", "10", "12"))
    assert ten - seven == {"Sentiment"}
    assert (twelve - ten, ten - twelve) == ({"Channel"}, {"Disposition"})


def test_keys_are_unique(extract: Extract) -> None:
    sandbox, _ = extract()
    questions = list(sandbox.extraction_rows("qm-questions", "1", JAN_2, JAN_4))
    both = {(row["Workflow Instance ID"], row["Question ID"]) for row in questions}
    assert len(both) == len(questions)
    assert len({row["Workflow Instance ID"] for row in questions}) == len(questions) // 3
    assert len({row["Question ID"] for row in questions}) == 3
    segments = list(sandbox.extraction_rows(RECORDINGS, "7", date(2024, 1, 1), date(2024, 3, 1)))
    assert len({row["Segment ID"] for row in segments}) == len(segments) == 60 * 24


def test_how_the_file_is_written(extract: Extract) -> None:
    _, client = extract(rows_per_day=120)
    job_id = client.created()
    answer = client.download(job_id)
    content = answer.content
    assert answer.headers["Content-Type"] == "text/csv"
    assert content.startswith(b"\xef\xbb\xbfSegment ID,ACD Call ID,Start Date,")
    assert content.endswith(b"\r\n")
    assert b'""' in content
    notes = [row["Notes"] for row in as_rows(content)]
    for part in ("\n", "\r\n", '"', ",", "ü", "🙂"):
        assert any(part in note for note in notes), part
    ids = {row["Agent 1 ACD ID"] for row in as_rows(content)}
    assert all(text.startswith("0000") for text in ids)


def test_a_file_without_rows_is_its_header(extract: Extract) -> None:
    _, client = extract(quiet_days=2)
    empty = client.extracted(startDate="2024-01-02", endDate="2024-01-03")
    assert empty.count(b"\n") == 1
    assert parsed(empty)[0][0] == "Segment ID"
    assert client.extracted(startDate="2024-01-03", endDate="2024-01-03") == empty
    assert client.extracted(startDate="2022-01-01", endDate="2022-01-03") == empty


def test_the_end_date_may_be_inclusive(extract: Extract) -> None:
    sandbox, client = extract(inclusive_end=True)
    rows = as_rows(client.extracted())
    assert rows == list(sandbox.extraction_rows(RECORDINGS, "7", JAN_2, JAN_5))
    assert len(as_rows(client.extracted(endDate="2024-01-02"))) == 24


def test_nothing_is_of_the_future(extract: Extract) -> None:
    sandbox, client = extract(rows_per_day=8_640)
    today = datetime.now(UTC).date()
    body = {"startDate": str(today - timedelta(days=1)), "endDate": str(today + timedelta(days=1))}
    rows = as_rows(client.extracted(**body))
    now = datetime.now(UTC)
    assert 8_640 < len(rows) < 2 * 8_640
    assert rows[-1]["Start Date"] <= now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert now - datetime.fromisoformat(rows[-1]["Start Date"]) < timedelta(seconds=60)
    assert list(sandbox.extraction_rows(RECORDINGS, "7", today + timedelta(days=1), today + timedelta(days=3))) == []


def test_every_way_of_cutting_gives_the_same_rows(extract: Extract) -> None:
    _, client = extract()
    other = Sandbox(SandboxOptions(rows_per_day=24))
    whole = as_rows(client.extracted())
    parts = [client.extracted(startDate=f"2024-01-0{day}", endDate=f"2024-01-0{day + 1}") for day in (2, 3)]
    assert [row for part in parts for row in as_rows(part)] == whole
    assert list(other.extraction_rows(RECORDINGS, "7", JAN_2, JAN_4)) == whole


def test_bad_rows_have_a_cell_too_many_or_too_few(extract: Extract) -> None:
    sandbox, client = extract(bad_rows=0.3, rows_per_day=120)
    header, *lines = parsed(client.extracted())
    widths = Counter(len(line) - len(header) for line in lines)
    assert widths.keys() == {-1, 0, 1}
    assert 0.15 < 1 - widths[0] / len(lines) < 0.45
    good = [dict(zip(header, line, strict=True)) for line in lines if len(line) == len(header)]
    assert good == list(sandbox.extraction_rows(RECORDINGS, "7", JAN_2, JAN_4))


def test_rows_may_come_twice(extract: Extract) -> None:
    sandbox, client = extract(repeated_records=0.3, rows_per_day=120)
    counts = Counter(tuple(row.items()) for row in as_rows(client.extracted()))
    assert set(counts.values()) == {1, 2}
    expected = {tuple(row.items()) for row in sandbox.extraction_rows(RECORDINGS, "7", JAN_2, JAN_4)}
    assert set(counts) == expected


def test_every_look_signs_a_new_address(extract: Extract) -> None:
    sandbox, client = extract()
    job_id = client.created()
    urls = [client.seen(job_id)[1] for _ in range(3)]
    assert len(set(urls)) == 3
    assert sandbox.signed_urls == urls
    query = parse_qs(urlsplit(urls[0]).query)
    assert (query["X-Amz-Expires"], query["X-Amz-Algorithm"]) == (["30"], ["AWS4-HMAC-SHA256"])
    assert [requests.get(url, timeout=5).status_code for url in urls] == [200] * 3
    assert sandbox.extractions[0].downloads == 3


def test_the_storage_is_another_host(extract: Extract) -> None:
    if "127.0.0.1" not in {entry[4][0] for entry in socket.getaddrinfo("localhost", None)}:
        pytest.skip("localhost is not 127.0.0.1 here")
    sandbox, client = extract()
    storage, api = urlsplit(client.seen(client.created())[1]), urlsplit(sandbox.url)
    assert (storage.hostname, api.hostname) == ("localhost", "127.0.0.1")
    assert storage.port == api.port


def test_an_address_runs_out_and_its_refusal_repeats_it(extract: Extract) -> None:
    sandbox, client = extract(url_seconds=0.6)
    job_id = client.created()
    _, url = client.seen(job_id)
    assert requests.get(url, timeout=5).status_code == 200
    time.sleep(0.65)
    answer = requests.get(url, timeout=5)
    assert answer.status_code == 403
    assert answer.headers["Content-Type"].startswith("application/xml")
    assert "expired" in answer.text
    assert parse_qs(urlsplit(url).query)["X-Amz-Signature"][0] in answer.text
    assert client.download(job_id).status_code == 200
    assert sandbox.extractions[0].downloads == 2


def test_a_download_that_has_begun_may_take_longer(extract: Extract) -> None:
    _, client = extract(url_seconds=0.5, rows_per_day=25_000)
    job_id = client.created()
    with requests.get(client.seen(job_id)[1], timeout=30, stream=True) as answer:
        time.sleep(0.6)
        content = b"".join(answer.iter_content(1 << 16))
    assert len(as_rows(content)) == 50_000


def test_wrong_addresses(extract: Extract) -> None:
    _, client = extract()
    _, url = client.seen(client.created())
    _, other = client.seen(client.created())
    signature = parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]
    wrong = [
        url.replace(signature, signature[::-1]),
        url.replace("X-Amz-Expires=30", "X-Amz-Expires=3000"),
        url.partition("?")[0],
        f"{other.partition('?')[0]}?{urlsplit(url).query}",
        url + "&x=y",
    ]
    for address in wrong:
        answer = requests.get(address, timeout=5)
        assert (answer.status_code, answer.text.count("<Error>")) == (403, 1)
    assert requests.head(url, timeout=5).status_code == 403


def test_the_storage_takes_no_second_authentication(extract: Extract) -> None:
    sandbox, client = extract()
    _, url = client.seen(client.created())
    answer = client.session.get(url, timeout=5)
    assert answer.status_code == 400
    assert "<Code>InvalidArgument</Code>" in answer.text
    assert sandbox.tokens[0] in answer.text
    assert sandbox.extractions[0].downloads == 0


def test_an_expired_file_is_gone_from_the_storage(extract: Extract) -> None:
    _, client = extract(extraction_expires_after=0.5)
    _, url = client.seen(client.created())
    time.sleep(0.55)
    answer = requests.get(url, timeout=5)
    assert answer.status_code == 404
    assert "<Code>NoSuchKey</Code>" in answer.text


@pytest.mark.parametrize("kind", ["truncated", "corrupt", "unclosed"])
def test_damaged_files(extract: Extract, kind: str) -> None:
    sandbox, client = extract()
    job_id = client.created()
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
            parsed(bad)
    assert client.download(job_id).content == whole
