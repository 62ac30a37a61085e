"""The delivery ledger with several tenants, and with lines that an older version wrote before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tap_cxone.dates import format_date
from tap_cxone.observability.audit_files import open_audit_logs
from tap_cxone.observability.delivery_ledger import Ledger, read_ledger
from tap_cxone.observability.events import Event
from tap_cxone.observability.tenants import Tenant, tenant_of
from tap_cxone.observability.window_ids import window_id
from tests.conftest import january
from tests.notify.conftest import Log

if TYPE_CHECKING:
    from pathlib import Path

ACME = {"tenant": "acme", "host": "na1.nice-incontact.com"}
GLOBEX = {"tenant": "globex", "host": "na1.nice-incontact.com"}
SIMULATED = {"tenant": "acme", "host": "sandbox"}
HOURS = iter(f"2024-03-01T{hour:02d}:{minute:02d}:00.000Z" for hour in range(24) for minute in range(60))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "audit.jsonl")


def ledger(*logs: Log, own_run: str | None = None) -> Ledger:
    with open_audit_logs([log.path for log in logs]) as files:
        return read_ledger(files, own_run)


def due(*logs: Log, own_run: str | None = None) -> list[tuple[str, str]]:
    return [(str(window.tenant), window.job_id) for window in ledger(*logs, own_run=own_run).due("bi")]


def extract(log: Log, labels: dict[str, str], job: str, start: int, end: int, **more: Any) -> None:
    log.labels = labels
    log.extract(job, start, end, logged_at=next(HOURS), **more)


def deliver(log: Log, labels: dict[str, str], job: str, start: int, end: int) -> None:
    """Write a delivery as ``cxone-notify`` does."""
    log.labels = {}
    tenant = tenant_of(msgspec.convert({"event": "window_extracted", **labels}, Event))
    found = [entry for entry in ledger(log).windows if (entry.tenant, entry.job_id) == (tenant, job)]
    window = {"dateFrom": format_date(january(start)), "dateTo": format_date(january(end)), "job_id": job}
    names = {"stream": "bot_conversations", "receiver": "bi", "host": "sandbox", "webhook_id": found[0].webhook_id}
    if labels:
        names |= {"tenant": labels["tenant"], "platform_host": labels["host"]}
    log.write("webhook_sync_success", **window, **names, logged_at=next(HOURS))


@pytest.mark.parametrize(
    ("fields", "tenant", "name"),
    [
        ({}, Tenant(), "(unnamed tenant)"),
        (ACME, Tenant("acme"), "acme"),
        ({"host": "eu1.example.com"}, Tenant("eu1.example.com"), "eu1.example.com"),
        (SIMULATED, Tenant("acme", is_sandbox=True), "acme (sandbox)"),
        ({"tenant": "sandbox", "host": "sandbox"}, Tenant("sandbox", is_sandbox=True), "sandbox"),
        ({"tenant": "sandbox", "host": "eu1.example.com"}, Tenant("sandbox"), "sandbox"),
    ],
)
def test_event_has_a_tenant(fields: dict[str, str], tenant: Tenant, name: str) -> None:
    found = tenant_of(msgspec.convert({"event": "window_extracted", **fields}, Event))
    assert found == tenant
    assert str(found) == name


def test_host_of_a_receiver_is_not_the_platform() -> None:
    assert tenant_of(Event("webhook_sync_success", host="sandbox")) == Tenant()
    assert tenant_of(Event("webhook_sync_success", tenant="acme", platform_host="sandbox")).is_sandbox


def test_id_of_a_window_without_label_is_that_of_version_0_1_0() -> None:
    window = Event("window_extracted", stream="s", job_id="j", dateFrom="2024-01-01", dateTo="2024-01-02")
    assert window_id(window) == "msg_144cad5bdc809a5a5ffb2be9b9bff83b"
    tenants = (Tenant(), Tenant("acme"), Tenant("acme", is_sandbox=True), Tenant("globex"))
    assert len({window_id(window, tenant) for tenant in tenants}) == len(tenants)


def test_tenants_do_not_replace_each_others_windows(log: Log) -> None:
    for labels in (ACME, GLOBEX, SIMULATED, {}):
        extract(log, labels, "job", 1, 11)
    assert due(log) == [("acme", "job"), ("globex", "job"), ("acme (sandbox)", "job"), ("(unnamed tenant)", "job")]
    extract(log, GLOBEX, "again", 1, 11)
    deliver(log, SIMULATED, "job", 1, 11)
    deliver(log, ACME, "job", 1, 11)
    assert due(log) == [("(unnamed tenant)", "job"), ("globex", "again")]


def test_tenants_in_files_of_their_own(log: Log, tmp_path: Path) -> None:
    other = Log(tmp_path / "other.jsonl")
    extract(other, GLOBEX, "job", 1, 11)
    extract(log, ACME, "job", 1, 11)
    extract(other, GLOBEX, "again", 1, 11)
    assert due(log, other) == due(other, log) == [("acme", "job"), ("globex", "again")]
    deliver(log, ACME, "job", 1, 11)
    assert due(log, other) == [("globex", "again")]


def test_bookmark_of_another_tenant_confirms_nothing(log: Log) -> None:
    log.labels = ACME
    log.begin("failed", None)
    extract(log, ACME, "job-1", 1, 11, run_id="failed")
    log.labels = GLOBEX
    log.begin("other", 21)
    assert due(log, own_run="other") == []
    log.labels = ACME
    log.begin("next", 11)
    assert due(log, own_run="next") == [("acme", "job-1")]


def test_last_run_of_each_tenant_is_trusted(log: Log) -> None:
    for labels, run in ((ACME, "run-1"), (GLOBEX, "run-2")):
        log.labels = labels
        log.begin(run, None)
        extract(log, labels, run, 1, 11, run_id=run)
    assert due(log) == [("acme", "run-1"), ("globex", "run-2")]


# --- The first runs after an upgrade ----------------------------------------------------------------------------------


def test_delivery_before_the_upgrade_is_remembered(log: Log) -> None:
    extract(log, {}, "job-1", 1, 11)
    deliver(log, {}, "job-1", 1, 11)
    extract(log, {}, "job-2", 11, 21)
    extract(log, ACME, "job-3", 21, 31)
    assert due(log) == [("(unnamed tenant)", "job-2"), ("acme", "job-3")]


def test_job_exported_again_after_the_upgrade_is_announced_once(log: Log) -> None:
    extract(log, {}, "job-1", 1, 11)
    deliver(log, {}, "job-1", 1, 11)
    extract(log, {}, "job-2", 11, 21)
    old = ledger(log).due("bi")[0].webhook_id
    for job, start, end in (("job-1", 1, 11), ("job-2", 11, 21)):
        extract(log, ACME, job, start, end)
    assert due(log) == [("acme", "job-2")]
    assert ledger(log).due("bi")[0].webhook_id == old
    deliver(log, ACME, "job-2", 11, 21)
    assert due(log) == []


def test_only_one_tenant_continues_a_window_without_label(log: Log) -> None:
    for labels in ({}, ACME, GLOBEX, ACME):
        extract(log, labels, "job", 1, 11)
    assert due(log) == [("globex", "job"), ("acme", "job")]


def test_same_job_in_the_file_of_another_tenant_is_due(log: Log, tmp_path: Path) -> None:
    extract(log, {}, "job", 1, 11)
    deliver(log, {}, "job", 1, 11)
    other = Log(tmp_path / "other.jsonl")
    extract(other, GLOBEX, "job", 1, 11)
    assert due(log, other) == [("globex", "job")]


def test_bookmark_after_the_upgrade_confirms_an_earlier_load(log: Log, tmp_path: Path) -> None:
    log.begin("old", None)
    extract(log, {}, "job-1", 1, 11, run_id="old")
    extract(log, {}, "job-2", 11, 21, run_id="old")
    log.labels = ACME
    log.begin("new", None)
    assert due(log) == [], "the old run is not the last one any more"
    elsewhere = Log(tmp_path / "other.jsonl", GLOBEX)
    elsewhere.begin("other", 31)
    assert due(log, elsewhere) == []
    log.begin("next", 11)
    assert due(log) == [("(unnamed tenant)", "job-1")]
