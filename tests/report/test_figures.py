"""The figures of audit logs: complete, old and damaged ones."""

from __future__ import annotations

import json
import re
from statistics import median

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from tap_cxone.observability.reasons import plain_reason
from tap_cxone.report.durations import LIMIT, Durations
from tap_cxone.report.jobs import MAX_ROWS, nested, segments
from tap_cxone.report.page import render
from tap_cxone.report.runs import COMPLETED, FAILED, NO_END
from tap_cxone.report.summary import summary
from tap_cxone.report.times import parse_ms
from tests.report.conftest import RECORD, SCRIPT, STREAM, Log, at


def test_totals_are_sums_over_extractions(faulty: Log) -> None:
    figures = faulty.figures()
    totals = figures.totals
    assert (totals.windows, totals.records, totals.duplicates, totals.refused, totals.bytes) == (3, 390, 3, 2, 3000)
    assert (figures.jobs.count, figures.jobs.failed, totals.errors) == (4, 1, 1)
    [kind] = figures.rejections
    assert kind[1:] == (STREAM, "missing fields", "id", 2)
    [retries] = figures.retries
    assert (retries.call, retries.requests, retries.seconds) == ("job status", 1, 1.5)


def test_days_are_covered_or_never_covered(faulty: Log) -> None:
    [stream] = summary(faulty.figures())["streams"]
    days = {day["from"][8:10]: (day["records"], day["status"]) for day in stream["days"]}
    assert days["01"] == days["03"] == (100, "covered")
    assert days["04"] == days["05"] == (0, "covered")
    assert days["06"] == days["07"] == (0, "never covered")
    assert days["10"] == (30, "covered")
    assert days["12"] == (0, "never covered"), "a failed window was requested"
    assert [gap["dateFrom"][:10] for gap in stream["gaps"]] == ["2024-01-06", "2024-01-11"]
    assert stream["records"] == 390


def test_window_extracted_again_counts_once(log: Log) -> None:
    log.begin("run-1", 1, 3)
    log.export("run-1", "job-1", 1, 3, records=100)
    log.begin("run-2", 1, 3, day=2)
    log.export("run-2", "job-2", 1, 3, records=120, day=2)
    log.export("run-2", "job-3", 2, 4, records=40, second=5, day=2)
    figures = log.figures()
    assert figures.totals.records == 260
    [stream] = summary(figures)["streams"]
    assert [day["records"] for day in stream["days"]] == [60, 20, 20]


def test_window_is_covered_only_up_to_its_bookmark(log: Log) -> None:
    log.begin("run-1", 1, 4)
    log.export("run-1", "job-1", 1, 4, bookmark=3)
    [stream] = log.figures().days
    assert stream.gaps == [(parse_ms("2024-01-03"), parse_ms("2024-01-04"))]
    assert stream.records == 100


def test_runs_have_an_exit_a_duration_and_a_reason(faulty: Log) -> None:
    faulty.begin("run-3", 13, 14, day=3)
    runs = {run.run: run for run in faulty.figures().runs.rows.values()}
    assert [run.exit for run in runs.values()] == [COMPLETED, FAILED, NO_END]
    assert runs["run-1"].duration == 15
    assert runs["run-2"].duration == 10, "the time between its first and last event"
    assert runs["run-2"].reason == SCRIPT


def test_jobs_have_phases(faulty: Log) -> None:
    job = next(iter(faulty.figures().jobs.rows.values()))
    start = parse_ms(at(0)) or 0
    content = [(kind, begin - start, end - start) for kind, begin, end in segments(job)]
    assert content == [
        ("queued", 0, 2000),
        ("running", 2000, 5000),
        ("download", 5000, 6000),
        ("emit", 6000, 6500),
    ]


def test_older_logs_have_combined_phases(log: Log) -> None:
    log.begin("run-1", 1, 3)
    log.export("run-1", "job-1", 1, 3, old=True)
    log.begin("run-2", 3, 5, day=2)
    log.export("run-2", "job-2", 3, 5, old=True, day=2)
    figures = log.figures(run_id="run-2")
    assert figures.jobs.count == 1, "events without run_id belong to the latest run"
    [job] = figures.jobs.rows.values()
    assert [segment.kind for segment in segments(job)] == ["queued or running", "download and emit"]
    content = summary(figures)
    assert content["runs"][0]["exit"] == NO_END
    assert set(content["durations"]) == {"create", "queue and run"}
    assert "<svg" in render(figures, at(0))


def test_resumed_job_has_a_row_in_each_run(log: Log) -> None:
    log.begin("run-1", 1, 2)
    names = {"stream": STREAM, "job_id": "job-1", "dateFrom": "2024-01-01", "dateTo": "2024-01-02"}
    log.write("export_job_created", at(1), **names, run_id="run-1", latency_ms=None)
    log.begin("run-2", 1, 2, day=2)
    log.write("export_job_completed", at(9, 2), **names, run_id="run-2", seconds=4.0, queue_seconds=0.5)
    first, second = log.figures().jobs.rows.values()
    assert (first.outcome, second.outcome) == ("no end in the log", "completed")
    assert second.begin == parse_ms(at(5, 2))


def test_parts_of_a_split_window_follow_it(log: Log) -> None:
    log.begin("run-1", 1, 9)
    log.export("run-1", "other", 5, 9)
    for number, (start, end) in enumerate([(1, 5), (1, 5), (1, 3), (1, 2), (2, 3), (3, 5)]):
        names = {"stream": STREAM, "run_id": "run-1", "job_id": f"job-{number}"}
        dates = {"dateFrom": f"2024-01-{start:02d}", "dateTo": f"2024-01-{end:02d}"}
        log.write("export_job_created", at(number), **names, **dates)
        log.write("export_job_failed", at(number + 1), **names, **dates, reason="It is too long.")
    depths = [(key[3], depth) for key, depth in _nested(log)]
    assert depths == [("job-0", 0), ("job-1", 0), ("job-2", 1), ("job-3", 2), ("job-4", 2), ("job-5", 1), ("other", 0)]
    page = render(log.figures(), at(0))
    assert len(re.findall("<text .*>└ └ 2024-01-0", page)) == 2, "in the plot"
    assert page.count('<td>└ └ <span class="d">2024-01-0') == 2, "in the table"


def _nested(log: Log) -> list[tuple[tuple[object, ...], int]]:
    rows = log.figures().jobs.rows
    names = {id(job): key for key, job in rows.items()}
    return [(names[id(job)], depth) for job, depth in nested(rows.values())]


def test_a_run_that_failed_before_any_stream_is_shown(faulty: Log) -> None:
    end = {"retryable": False, "reason": "Setting 'region' is not set.", "windows": 0, "records": 0, "seconds": 2.5}
    faulty.write("run_ended", at(15), run_id="run-1", exit_code=5, streams=1, **end)
    faulty.write("run_ended", at(0, 5), run_id="run-5", exit_code=2, streams=0, **end)
    faulty.write("run_ended", at(0, 6), run_id="run-6", exit_code=143, streams=0, **end)
    faulty.write("run_ended", at(0, 7), run_id="run-7", exit_code=0, streams=0, **end)
    content = summary(faulty.figures())
    assert [(run["run_id"], run["stream"], run["exit"]) for run in content["runs"]] == [
        ("run-1", STREAM, "completed"),
        ("run-2", STREAM, "failed"),
        ("run-5", "", "failed"),
        ("run-6", "", "stopped"),
    ]
    assert content["runs"][2]["reason"] == end["reason"]
    assert content["runs"][2]["wall_seconds"] == 2.5
    assert content["totals"]["errors"] == 2
    page = render(faulty.figures(), at(0))
    assert "before any stream" in page
    assert "Setting &#39;region&#39; is not set." in page


def test_runs_with_ids_that_begin_alike_are_told_apart(log: Log) -> None:
    ids = ["019f2c41-7d55-7a3e-9f10-5b1c2d3e4f50", "019f2c41-7d55-7a3e-9f10-61aa2d3e4f51"]
    for day, run in enumerate(ids, start=1):
        log.begin(run, day, day + 1, day=day)
        log.export(run, "job", day, day + 1, day=day)
    page = render(log.figures(), at(0))
    for number, end in ((1, "2d3e4f50"), (2, "2d3e4f51")):
        assert f">{number} (…{end})</td>" in page, "in the table"
        assert f"Run {number} (…{end})" in page, "in the plot"
    assert "019f2c41…" not in page


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Expected `int | float | null`, got `str` - at `$.duration`", "duration: number expected, text found"),
        ("Expected `str`, got `null` - at `$.a.b`", "a.b: text expected, nothing found"),
        ("Invalid date - at `$.startTime`", "startTime: invalid date"),
        ("no value - at `$.id`", "id: no value"),
        ("missing fields", "missing fields"),
        ("<b>$`", "<b>$`"),
        ("", ""),
    ],
)
def test_reasons_are_in_plain_words(log: Log, reason: str, words: str) -> None:
    assert plain_reason(reason) == words
    log.begin("run-1", 1, 2)
    log.write("schema_validation_failure", at(1), stream=STREAM, run_id="run-1", reason=reason, missing_fields=[])
    assert summary(log.figures())["refusals"][0]["reason"] == reason, "JSON has the reason of the log"
    assert f"<td>{escape(words)}</td>" in render(log.figures(), at(0))


@pytest.mark.parametrize(
    ("date", "is_read"),
    [
        ("1969-12-31", False),
        ("1970-01-01", True),
        ("2099-12-31T23:59:59Z", True),
        ("2100-01-01", False),
        ("9999-12-31", False),
        ("0001-01-01", False),
        ("soon", False),
    ],
)
def test_dates_out_of_all_bounds_are_unreadable(log: Log, date: str, *, is_read: bool) -> None:
    assert (parse_ms(date) is not None) == is_read
    log.begin("run-1", 1, 2)
    log.write("run_started", at(0, 2), stream=STREAM, run_id="run-2", dateFrom=date, dateTo="2099-12-31T23:59:59.999Z")
    assert (len(summary(log.figures())["streams"][0]["days"]) > 1) == is_read


def test_platform_and_tenant_are_in_the_head(log: Log) -> None:
    log.labels = {"tenant": "acme", "host": "na1.nice-incontact.com"}
    log.begin("run-1", 1, 2)
    assert "Platform na1.nice-incontact.com; tenant acme." in render(log.figures(), at(0))


def test_rows_are_limited_and_the_rest_is_counted(log: Log) -> None:
    log.begin("run-1", 1, 2)
    for number in range(MAX_ROWS + 5):
        log.export("run-1", f"job-{number}", 1, 2, second=number)
    content = summary(log.figures())
    assert (len(content["jobs"]), content["jobs_left_out"]) == (MAX_ROWS, 5)
    assert "5 more jobs are not shown" in render(log.figures(), at(0))


@pytest.mark.parametrize(
    ("selection", "records"),
    [
        ({"run_id": "run-2"}, 20),
        ({"stream": STREAM}, 30),
        ({"stream": "other"}, 5),
        ({"start": parse_ms(at(0, 2))}, 25),
        ({"end": parse_ms(at(0, 2))}, 10),
        ({"start": parse_ms(at(0, 2)), "stream": "other"}, 5),
    ],
)
def test_run_range_and_stream_are_selected(log: Log, selection: dict[str, object], records: int) -> None:
    log.begin("run-1", 1, 2)
    log.export("run-1", "a", 1, 2, records=10)
    log.begin("run-2", 2, 3, day=2)
    log.export("run-2", "b", 2, 3, records=20, day=2)
    log.begin("run-3", 2, 3, day=3, stream="other")
    log.export("run-3", "c", 2, 3, records=5, day=3, stream="other")
    assert log.figures(**selection).totals.records == records


def test_unreadable_lines_are_skipped_and_counted(faulty: Log) -> None:
    before = summary(faulty.figures())
    garbage = (
        b'{"event":"window_extracted","stream":"bot\n',
        b"\xff\xfe\x00\n",
        b'{"event":"run_finished","reason":"\xff"}\n',
        b"[1, 2]\n",
        b"3\n",
        b'{"event":"window_extracted","record_count":-1}\n',
        b'{"event":"export_job_completed","seconds":1e999}\n',
    )
    content = faulty.path.read_bytes().splitlines(keepends=True)
    unknown = b'{"event":"of_tomorrow","logged_at":3,"seconds":"many"}\n\n'
    faulty.path.write_bytes(b"".join([*content[:5], *garbage, unknown, *content[5:], content[0][:30]]))
    after = summary(faulty.figures())
    assert after["log"].pop("unreadable") == len(garbage) + 1
    assert after["log"].pop("lines") == len(content) + len(garbage) + 3
    for one in (before, after):
        one["log"].pop("unreadable", None)
        one["log"].pop("lines", None)
    assert after == before


texts = st.text(max_size=20) | st.sampled_from([SCRIPT, "$x_1$", "\x00\x1b[1m", "数据", "a" * 1000, "2024-01-01"])
dates = st.sampled_from(
    ["2024-01-01", "2024-01-05T00:00:00.000Z", "0001-01-01", "9999-12-31T23:59:59.999Z", "soon", ""]
)
figures_ = st.integers(0, 2**60) | st.floats() | st.none() | st.just(-1)
events = st.sampled_from(
    [
        "run_started",
        "run_finished",
        "pipeline_error",
        "export_job_created",
        "export_job_completed",
        "export_job_failed",
        "export_downloaded",
        "validation_summary",
        "window_extracted",
        "schema_validation_failure",
        "request_retried",
        "webhook_sync_success",
    ]
)
lines = st.fixed_dictionaries(
    {"event": events, "logged_at": dates},
    optional={
        **dict.fromkeys(("stream", "run_id", "job_id"), st.sampled_from(["a", "b", "", SCRIPT, "数\u202e据"])),
        **dict.fromkeys(("dateFrom", "dateTo", "bookmark"), dates | st.none()),
        **dict.fromkeys(("reason", "call", "exit", "receiver"), texts),
        **dict.fromkeys(("seconds", "queue_seconds", "emit_seconds", "latency_ms", "wall_seconds"), figures_),
        **dict.fromkeys(("record_count", "bytes", "total_records", "schema_errors", "attempts"), figures_),
    },
)


@given(st.lists(lines, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_page_survives_any_field_values(log: Log, content: list[dict[str, object]]) -> None:
    log.path.write_text("".join(json.dumps(line) + "\n" for line in content))
    figures = log.figures()
    json.dumps(summary(figures), allow_nan=False)
    page = render(figures, at(0))
    assert "<script" not in page
    assert "<img" not in page


def test_percentiles_are_exact_up_to_a_limit() -> None:
    durations = Durations()
    for value in range(1, 102):
        durations.add(float(value))
    durations.add(None)
    assert (durations.count, durations.percentile(50), durations.percentile(95), durations.longest) == (
        101,
        51,
        96,
        101,
    )
    assert durations.percentile(50) == median(range(1, 102))
    assert Durations().percentile(50) is None
    many = Durations()
    for value in range(3 * LIMIT):
        many.add(value / (3 * LIMIT))
    assert many.every == 4
    assert len(many.values) <= LIMIT
    assert many.percentile(95) == pytest.approx(0.95, abs=0.001)


def test_report_has_no_record_values(faulty: Log) -> None:
    figures = faulty.figures()
    assert RECORD not in render(figures, at(0)) + json.dumps(summary(figures))
