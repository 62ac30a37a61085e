"""Reports and checks of several tenants, in one audit log and in several."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.report.page import render
from tests.report.conftest import Log, at, report

if TYPE_CHECKING:
    from pathlib import Path

ACME = {"tenant": "acme", "host": "na1.nice-incontact.com"}
GLOBEX = {"tenant": "globex", "host": "eu1.nice-incontact.com"}
SIMULATED = {"tenant": "acme", "host": "sandbox"}
RANGE = ("--check", "2024-01-01", "2024-01-31")


def extract(log: Log, labels: dict[str, str], *ranges: tuple[int, int], day: int = 1, **more: Any) -> None:
    """Write a run that extracts some ranges of January."""
    log.labels = labels
    run = f"run-{labels.get('tenant', 'old')}-{day}"
    log.begin(run, ranges[0][0], ranges[-1][1], day=day, stream=more.get("stream", "bot_conversations"))
    for start, end in ranges:
        log.export(run, f"job-{start}", start, end, day=day, second=start, **more)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Log, Log]:
    """Return the logs of two tenants, of which each lacks another part of January."""
    logs = Log(tmp_path / "logs" / "acme.jsonl"), Log(tmp_path / "logs" / "globex.jsonl")
    logs[0].path.parent.mkdir()
    extract(logs[0], ACME, (1, 11), (21, 31))
    extract(logs[1], GLOBEX, (1, 21), day=2)
    return logs


def paths(*logs: Log) -> list[str]:
    return [option for log in logs for option in ("--audit-log-path", str(log.path))]


ACME_GAP = "acme bot_conversations 2024-01-11T00:00:00.000Z/2024-01-21T00:00:00.000Z never extracted"
GLOBEX_GAP = "globex bot_conversations 2024-01-21T00:00:00.000Z/2024-01-31T00:00:00.000Z never extracted"


def test_one_tenant_does_not_cover_the_gap_of_another(two: tuple[Log, Log], log: Log) -> None:
    merged = report(log, *paths(*two), *RANGE)
    assert merged.exit_code == 1
    assert merged.stdout.splitlines() == [ACME_GAP, GLOBEX_GAP]
    content = json.loads(report(log, *paths(*two), *RANGE, "--json").stdout)
    assert content["gaps"][0] == {
        "stream": "bot_conversations",
        "dateFrom": "2024-01-11T00:00:00.000Z",
        "dateTo": "2024-01-21T00:00:00.000Z",
        "why": "never extracted",
        "tenant": "acme",
    }
    log.raw(two[0].path.read_bytes() + two[1].path.read_bytes())
    assert report(log, *RANGE).stdout == merged.stdout, "as one file"


def test_tenant_is_selected(two: tuple[Log, Log], log: Log) -> None:
    extract(two[0], ACME, (11, 21), day=3)
    result = report(log, *paths(*two), *RANGE, "--tenant", "acme")
    assert result.exit_code == 0
    assert result.stdout.endswith(" of acme bot_conversations\n")
    assert report(log, *paths(*two), *RANGE, environment={"CXONE_REPORT_TENANT": "globex"}).stdout.splitlines() == [
        GLOBEX_GAP
    ]
    content = json.loads(report(log, *paths(*two), "--json", "--tenant", "globex").stdout)
    assert content["log"]["tenant"] == "globex"
    assert [run["tenant"] for run in content["runs"]] == ["globex"]
    unknown = report(log, *paths(*two), *RANGE, "--tenant", "initech", "--stream", "bot_conversations")
    assert unknown.exit_code == 1
    assert unknown.stdout.startswith("initech bot_conversations 2024-01-01")


def test_every_stream_of_every_tenant_is_required(two: tuple[Log, Log], log: Log) -> None:
    extract(two[1], GLOBEX, (1, 2), day=3, stream="qm_workflows")
    names = [line.split(" 2024")[0] for line in report(log, *paths(*two), *RANGE).stdout.splitlines()]
    assert names == ["acme bot_conversations", "globex bot_conversations", "globex qm_workflows"]
    only = report(log, *paths(*two), *RANGE, "--stream", "qm_workflows").stdout.splitlines()
    assert [line.split(" 2024")[0] for line in only] == ["globex qm_workflows"]


def test_sandbox_neither_covers_a_tenant_nor_is_required(log: Log) -> None:
    extract(log, ACME, (1, 11))
    extract(log, SIMULATED, (11, 16), day=2)
    result = report(log, *RANGE)
    assert result.exit_code == 1
    assert result.stdout == ACME_GAP.replace("2024-01-21", "2024-01-31") + "\n"
    assert report(log, "--check", "2024-01-01", "2024-01-11").exit_code == 0
    assert report(log, *RANGE, "--tenant", "acme (sandbox)").stdout.startswith(
        "acme (sandbox) bot_conversations 2024-01"
    )
    content = json.loads(report(log, "--json").stdout)
    assert [(run["tenant"], run["host"]) for run in content["runs"]] == [
        ("acme", "na1.nice-incontact.com"),
        ("acme (sandbox)", "sandbox"),
    ]


def test_run_without_a_token_is_not_a_tenant_of_its_own(log: Log) -> None:
    log.labels = {"tenant": "na1.nice-incontact.com", "host": "na1.nice-incontact.com"}
    log.begin("refused", 1, 31)
    assert report(log, *RANGE).stdout.startswith("na1.nice-incontact.com bot_conversations ")
    extract(log, ACME, (1, 31), day=2)
    assert report(log, *RANGE).stdout.endswith(" of acme bot_conversations\n")
    extract(log, GLOBEX | {"tenant": GLOBEX["host"]}, (1, 11), day=3)
    assert report(log, *RANGE).stdout.startswith("eu1.nice-incontact.com bot_conversations 2024-01-11")


def test_log_of_the_sandbox_alone_is_checked(log: Log) -> None:
    extract(log, {"tenant": "sandbox", "host": "sandbox"}, (1, 31))
    assert report(log, *RANGE).stdout.endswith(" of sandbox bot_conversations\n")
    assert report(log, "--check", "2024-01-01", "2024-02-01").exit_code == 1


def test_lines_of_older_versions_are_a_tenant(log: Log) -> None:
    extract(log, {}, (1, 21), old=True)
    before = report(log, *RANGE).stdout
    assert before == "bot_conversations 2024-01-21T00:00:00.000Z/2024-01-31T00:00:00.000Z never extracted\n"
    assert "tenant" not in report(log, "--json").stdout
    extract(log, ACME, (21, 31), day=2)
    assert report(log, *RANGE).stdout.splitlines() == [
        f"(unnamed tenant) {before.strip()}",
        "acme bot_conversations 2024-01-01T00:00:00.000Z/2024-01-21T00:00:00.000Z never extracted",
    ]
    assert report(log, "--check", "2024-01-01", "2024-01-21", "--tenant", "(unnamed tenant)").exit_code == 0
    upgraded = report(log, *RANGE, "--unnamed-tenant", "acme")
    assert upgraded.stdout.endswith(" of acme bot_conversations\n")


def test_page_and_json_name_tenant_and_host(two: tuple[Log, Log], log: Log) -> None:
    content = json.loads(report(log, *paths(*two), "--json").stdout)
    for entries in (content["runs"], content["streams"]):
        assert [(entry["tenant"], entry["host"]) for entry in entries] == [
            ("acme", "na1.nice-incontact.com"),
            ("globex", "eu1.nice-incontact.com"),
        ]
    assert [stream["records"] for stream in content["streams"]] == [200, 100]
    page = report(log, *paths(*two), "--output", "-").stdout
    head, overview, acme, globex = re.split(r'<h2 id="h-(?:overview|1|2)">', page.partition('<h2 id="h-durations">')[0])
    assert "Platform eu1.nice-incontact.com, na1.nice-incontact.com; tenants acme, globex." in head
    assert [re.findall(r">([^<]+)<", row) for row in re.findall(r"<tr><th scope=.row.>.*?</tr>", overview)] == [
        ["acme", "na1.nice-incontact.com", "1", "67\u202f%", "1", "2024-01-31", "200"],
        ["globex", "eu1.nice-incontact.com", "1", "100\u202f%", "0", "2024-01-21", "100"],
    ]
    for name, section, other in (("acme", acme, "globex"), ("globex", globex, "acme")):
        assert f"{name}: bot_conversations, records per day" in section, "in the plot"
        assert "<h4>bot_conversations</h4>" in section
        assert other not in section
    assert len(re.findall(r'id="([^"]+)"', page)) == len(set(re.findall(r'id="([^"]+)"', page)))
    extract(log, {}, (1, 2))
    assert ">Tenant<" not in render(log.figures(), at(0))


def test_rejected_records_are_those_of_the_tenant(two: tuple[Log, Log], log: Log) -> None:
    extract(two[0], ACME, (11, 21), day=3, refused=3)
    extract(two[1], GLOBEX, (21, 31), day=4, refused=2)
    assert json.loads(report(log, *paths(*two), "--json").stdout)["refusals"] == [
        {"stream": "bot_conversations", "reason": "missing fields", "fields": "id", "records": 5}
    ]
    page = report(log, *paths(*two), "--output", "-").stdout
    for number, records in ((1, 3), (2, 2)):
        [table] = re.findall(rf'<table id="t-refusals-{number}".*?</table>', page, re.DOTALL)
        assert re.findall(r'<td class="n">(.*?)</td>', table) == [str(records)]


def test_a_run_without_stream_and_label_does_not_make_a_second_tenant(log: Log) -> None:
    extract(log, ACME, (1, 2))
    log.labels = {}
    log.write("run_ended", at(0, 2), run_id="none", exit_code=2, streams=0, reason="No.", seconds=1)
    page = render(log.figures(), at(0))
    assert "before any stream" in page
    assert 'id="h-overview"' not in page


def test_tenants_beyond_a_limit_are_in_the_overview_only(log: Log) -> None:
    for number in range(15):
        log.labels = {"tenant": f"tenant-{number:02d}", "host": "na1.nice-incontact.com"}
        log.begin(f"run-{number}", 1, 2, day=number + 1)
    page = render(log.figures(), at(0))
    assert page.count('<h2 id="h-') == 1 + 12 + 2
    assert "3 more tenants are not shown" in page
    assert '<tr><th scope="row">tenant-14</th>' in page


def test_label_is_escaped(log: Log) -> None:
    extract(log, {"tenant": "<script>\nacme", "host": "<b>"}, (1, 2))
    page = render(log.figures(), at(0))
    assert "<script>" not in page
    assert "<b>" not in page
    assert report(log, *RANGE).stdout.count("\n") == 1


def test_two_tenants_in_one_run_are_two_rows(log: Log) -> None:
    for labels in (ACME, GLOBEX):
        log.labels = labels
        log.begin("run", 1, 2)
        log.export("run", "job", 1, 2)
    content = json.loads(report(log, "--json").stdout)
    assert [(run["tenant"], run["records"]) for run in content["runs"]] == [("acme", 100), ("globex", 100)]
    assert [job["tenant"] for job in content["jobs"]] == ["acme", "globex"]


# --- Several files ----------------------------------------------------------------------------------------------------


def test_folders_patterns_and_the_variable_name_logs(two: tuple[Log, Log], log: Log) -> None:
    folder = two[0].path.parent
    (folder / "quarantine.jsonl").write_text('{"quarantined_at":"2024-01-01","record":{}}\n')
    expected = json.loads(report(log, *paths(*two), "--json").stdout)
    assert expected["log"]["lines"] == sum(len(entry.path.read_bytes().splitlines()) for entry in two)
    named = (
        str(folder),
        f"{folder}/*.jsonl",
        f"{two[0].path} {two[1].path}",
        json.dumps([str(entry.path) for entry in two]),
    )
    for text in named:
        result = report(log, "--json", environment={"CXONE_REPORT_AUDIT_LOG_PATH": text})
        assert json.loads(result.stdout) == expected, text


@pytest.mark.parametrize("path", ["logs/none-*.jsonl", "empty", "missing.jsonl", '["a'])
def test_path_that_matches_nothing_is_an_error(two: tuple[Log, Log], log: Log, path: str) -> None:
    (log.path.parent / "empty").mkdir()
    path = path if path.startswith("[") else str(log.path.parent / path)
    result = report(log, "--json", environment={"CXONE_REPORT_AUDIT_LOG_PATH": path})
    assert result.exit_code == 2
    assert "audit_log_path" in result.stderr
    missing = report(log, "--json", *paths(*two), "--audit-log-path", str(log.path.parent / "missing"))
    assert missing.exit_code == 2


def test_latest_extraction_counts_in_whatever_file_it_is(tmp_path: Path, log: Log) -> None:
    early, late = Log(tmp_path / "z.jsonl"), Log(tmp_path / "a.jsonl")
    extract(early, ACME, (1, 11), day=1, records=10)
    extract(late, ACME, (1, 11), day=2, records=20)
    extract(early, ACME, (1, 11), day=3, records=30)
    for order in ((early, late), (late, early)):
        content = json.loads(report(log, *paths(*order), "--json").stdout)
        assert content["streams"][0]["records"] == 30
        assert [run["run_id"] for run in content["runs"]] == ["run-acme-1", "run-acme-2", "run-acme-3"]
        assert json.loads(report(log, *paths(*order), "--json", "--run", "last").stdout)["totals"]["records"] == 30


def test_lines_without_a_run_belong_to_the_run_of_their_file(tmp_path: Path, log: Log) -> None:
    logs = Log(tmp_path / "a.jsonl"), Log(tmp_path / "b.jsonl")
    for number, entry in enumerate(logs):
        entry.begin(f"run-{number}", 1, 2, second=number)
    for number, entry in enumerate(logs):
        entry.export(f"run-{number}", "job", 1, 2, second=5 + number, old=True)
    content = json.loads(report(log, *paths(*logs), "--json").stdout)
    assert [(job["run_id"], job["outcome"]) for job in content["jobs"]] == [
        ("run-0", "extracted"),
        ("run-1", "extracted"),
    ]


def test_deliveries_of_several_logs_are_counted(two: tuple[Log, Log], log: Log) -> None:
    for entry, labels in zip(two, (ACME, GLOBEX), strict=True):
        entry.labels = {"tenant": labels["tenant"], "platform_host": labels["host"], "host": "bi.example.com"}
        entry.deliver("bi", "job-1", 1, 11 if labels is ACME else 21, done=True)
    [receiver] = json.loads(report(log, *paths(*two), "--json").stdout)["webhooks"]
    assert (receiver["delivered"], receiver["due"]) == (2, 1)
    [receiver] = json.loads(report(log, *paths(*two), "--json", "--tenant", "globex").stdout)["webhooks"]
    assert (receiver["delivered"], receiver["due"]) == (1, 0)
