"""State that knows its platform and tenant, and events that name them: state moved between sandboxes and tenants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Fault, identity_api
from tests.conftest import PROJECT, config_for, read_lines
from tests.end_to_end.helpers import QUESTIONS, WORKFLOWS, catalog_entry, catalog_for, extraction_config

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.conftest import Run, StartSandbox, Tap

BOTS = "bot_conversations"
LOCAL = {"host": "127.0.0.1"}
FOREIGN = {"host": "na1.example", "tenant": "tenant-8"}
OPTIONS = ("--full-refresh", "--state-id-suffix", "'trust_state'")


def tenant_config(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return a configuration whose tokens name the tenant."""
    return config_for(sandbox, auth_url=f"{sandbox.url}/auth/token", **settings)


def discovery_config(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return a configuration that looks up the host of the API."""
    credentials = {name: getattr(sandbox, name) for name in ("client_id", "client_secret")}
    config = extraction_config(sandbox, auth_method="password", issuer=sandbox.url, **credentials)
    del config["auth_url"]
    return config | settings


def state_of(platform: dict[str, str] | None, stream: str = BOTS, day: int = 5) -> dict[str, Any]:
    """Return a state with a bookmark in January 2024."""
    key = "dateFrom" if stream == BOTS else "submission_date"
    own: dict[str, Any] = {"replication_key": key, "replication_key_value": f"2024-01-{day:02}T00:00:00.000Z"}
    return {"bookmarks": {stream: own | ({"platform": platform} if platform else {})}}


def own_state(run: Run, stream: str = BOTS) -> dict[str, Any]:
    """Return what the last state of a run holds of a stream."""
    own: dict[str, Any] = run.states[-1]["bookmarks"][stream]
    return own


def calls(sandbox: Sandbox) -> list[str]:
    return [request.call for request in sandbox.requests]


def assert_refused(run: Run, *parts: str) -> None:
    """Check that a run ended with one sentence that has these parts, and emitted nothing."""
    assert run.code == 2
    [error] = run.errors
    for part in (*parts, *OPTIONS):
        assert part in error
    assert run.records == []


# --- Two hosts --------------------------------------------------------------------------------------------------------


def test_a_state_of_the_sandbox_is_refused_for_a_server(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    in_process = tap({"sandbox": True, "start_date": "2024-01-01", "end_date": "2024-01-02"})
    assert own_state(in_process)["platform"] == {"host": "sandbox"}
    moved = tap(config_for(sandbox), state=in_process.states[-1])
    assert_refused(moved, f"stream '{BOTS}'", "host 'sandbox'", "host '127.0.0.1'")
    assert sandbox.requests == []
    assert own_state(moved) == own_state(in_process)
    back = tap({"sandbox": True, "start_date": "2024-01-01", "end_date": "2024-01-02"}, state=moved.states[-1])
    assert back.code == 0


def test_a_state_of_another_host_is_refused_but_not_of_another_port(start_sandbox: StartSandbox, tap: Tap) -> None:
    first, second = start_sandbox(), start_sandbox()
    begun = tap(config_for(first, end_date="2024-01-04"))
    assert own_state(begun)["platform"] == LOCAL
    assert tap(config_for(second), state=begun.states[-1]).code == 0
    before = len(second.requests)
    url = second.url.replace("127.0.0.1", "localhost")
    moved = tap(config_for(second, api_url=url), state=begun.states[-1])
    assert_refused(moved, "host '127.0.0.1'", "host 'localhost'")
    assert len(second.requests) == before


def test_a_discovered_host_is_compared_before_any_job(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    moved = tap(discovery_config(sandbox), state=state_of(FOREIGN, WORKFLOWS, 2), catalog=catalog_for(WORKFLOWS))
    assert_refused(moved, f"stream '{WORKFLOWS}'", "host 'na1.example'", "host '127.0.0.1'", sandbox.tenant_id)
    assert set(calls(sandbox)) == {"discovery", "token"}


def test_the_state_of_each_stream_is_compared_before_the_first_is_read(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    catalog = catalog_for(QUESTIONS, WORKFLOWS)
    moved = tap(extraction_config(sandbox), state=state_of(FOREIGN, WORKFLOWS, 2), catalog=catalog)
    assert_refused(moved, f"stream '{WORKFLOWS}'")
    assert sandbox.requests == []


# --- Two tenants ------------------------------------------------------------------------------------------------------


def test_a_state_of_another_tenant_is_refused_at_the_first_token(
    start_sandbox: StartSandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    sandbox = start_sandbox()
    begun = tap(tenant_config(sandbox, end_date="2024-01-04"))
    assert own_state(begun)["platform"] == LOCAL | {"tenant": sandbox.tenant_id}
    before = len(sandbox.requests)
    monkeypatch.setattr(identity_api, "TENANT_ID", "tenant-8")
    moved = tap(tenant_config(sandbox, audit_log_path=str(audit)), state=begun.states[-1])
    assert_refused(moved, f"tenant '{sandbox.tenant_id}'", "tenant 'tenant-8'")
    assert calls(sandbox)[before:] == ["token"]
    events = read_lines(audit)
    assert [event["event"] for event in events] == ["run_started", "pipeline_error", "run_finished", "run_ended"]
    assert {(event["tenant"], event["host"]) for event in events} == {("tenant-8", "127.0.0.1")}
    assert events[0]["bookmark"] is None, "the bookmark confirms nothing about this tenant"
    assert events[-2]["exit"] == "failed"
    assert not [token for token in sandbox.tokens if token in moved.log + audit.read_text()]


def test_a_tenant_that_no_token_names_any_more_is_kept(start_sandbox: StartSandbox, tap: Tap) -> None:
    run = tap(config_for(start_sandbox()), state=state_of(LOCAL | {"tenant": "tenant-8"}))
    assert run.code == 0
    assert own_state(run)["platform"] == LOCAL | {"tenant": "tenant-8"}


# --- Trust, and states without a platform -----------------------------------------------------------------------------


@pytest.mark.parametrize("platform", [FOREIGN, LOCAL | {"tenant": "tenant-8"}], ids=["host", "tenant"])
def test_a_trusted_state_is_used_and_bound_to_this_platform(
    start_sandbox: StartSandbox, tap: Tap, platform: dict[str, str]
) -> None:
    sandbox = start_sandbox()
    config = tenant_config(sandbox)
    trusted = tap(config | {"trust_state": True}, state=state_of(platform))
    assert trusted.code == 0
    assert f"was written for host '{platform['host']}', tenant 'tenant-8' and is now used for" in trusted.log
    assert min(record["dateFrom"] for record in trusted.records) >= "2024-01-05"
    assert own_state(trusted)["platform"] == LOCAL | {"tenant": sandbox.tenant_id}
    again = tap(config | {"trust_state": True, "end_date": "2024-01-12"}, state=trusted.states[-1])
    assert "remove the setting 'trust_state'" in again.log
    without = tap(config | {"end_date": "2024-01-12"}, state=trusted.states[-1])
    assert without.code == 0
    assert "trust_state" not in without.log


@pytest.mark.parametrize("stream", [BOTS, WORKFLOWS])
def test_a_state_of_0_1_0_is_used_and_gets_a_platform(start_sandbox: StartSandbox, tap: Tap, stream: str) -> None:
    sandbox = start_sandbox(submit_seconds=1)
    state = json.loads((PROJECT / "tests" / "data" / "v0_1_0" / "state.json").read_text())
    if stream == BOTS:
        run = tap(config_for(sandbox, end_date="2024-01-13"), state=state)
    else:
        run = tap(extraction_config(sandbox), state=state, catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    assert run.records
    assert own_state(run, stream)["platform"] == LOCAL


def test_a_full_read_ignores_the_platform_of_its_state(start_sandbox: StartSandbox, tap: Tap) -> None:
    catalog = catalog_for(BOTS)
    catalog_entry(catalog, BOTS)["replication_method"] = "FULL_TABLE"
    run = tap(config_for(start_sandbox()), state=state_of(FOREIGN), catalog=catalog)
    assert run.code == 0
    assert run.records


# --- Nothing new ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [config_for, tenant_config])
def test_a_run_with_nothing_new_requests_nothing(start_sandbox: StartSandbox, tap: Tap, config: Any) -> None:
    sandbox = start_sandbox()
    state = state_of(LOCAL | {"tenant": "tenant-8"}, day=11)
    run = tap(config(sandbox), state=state)
    assert run.code == 0
    assert "Nothing new" in run.log
    assert sandbox.requests == []
    assert run.states[-1] == state


def test_a_run_with_nothing_new_compares_and_rewrites_the_host(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    state = state_of(FOREIGN, day=11)
    assert_refused(tap(config_for(sandbox), state=state), "host 'na1.example'")
    trusted = tap(config_for(sandbox, trust_state=True), state=state)
    assert trusted.code == 0
    assert own_state(trusted) == own_state_after(state)
    assert sandbox.requests == []


def own_state_after(state: dict[str, Any]) -> dict[str, Any]:
    """Return the stream's part of a state once it belongs to this machine."""
    own: dict[str, Any] = state["bookmarks"][BOTS]
    return own | {"platform": LOCAL}


# --- Labels -----------------------------------------------------------------------------------------------------------


def test_all_events_of_a_run_have_one_tenant_and_its_host(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    sandbox = start_sandbox(bad_records=0.1, faults=(Fault("status", "503", times=1),))
    run = tap(tenant_config(sandbox, audit_log_path=str(audit)))
    events = read_lines(audit)
    assert {"run_started", "request_retried", "schema_validation_failure", "run_finished"} <= {
        event["event"] for event in events
    }
    assert {(event["tenant"], event["host"]) for event in events} == {(sandbox.tenant_id, "127.0.0.1")}
    assert "tenant=" not in run.log, "the text of the log stays short"


@pytest.mark.parametrize(
    ("settings", "state", "label"),
    [
        ({}, None, "127.0.0.1"),
        ({}, state_of(LOCAL | {"tenant": "tenant-8"}, day=11), "tenant-8"),
        ({"tenant": "Acme"}, None, "Acme"),
        ({"tenant": "Acme"}, state_of(LOCAL | {"tenant": "tenant-8"}, day=11), "Acme"),
    ],
    ids=["host", "state", "setting", "setting before state"],
)
def test_without_a_tenant_in_a_token_the_label_is_setting_state_or_host(
    start_sandbox: StartSandbox,
    tap: Tap,
    tmp_path: Path,
    settings: dict[str, Any],
    state: dict[str, Any] | None,
    label: str,
) -> None:
    audit = tmp_path / "audit.jsonl"
    run = tap(config_for(start_sandbox(), audit_log_path=str(audit), **settings), state=state)
    assert run.code == 0
    assert {(event["tenant"], event["host"]) for event in read_lines(audit)} == {(label, "127.0.0.1")}
