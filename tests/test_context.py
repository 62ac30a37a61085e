"""RunContext: when settings are checked and files opened, and the streams of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.cancellation import CancellationToken
from tap_cxone.context import RunContext
from tap_cxone.errors import CxoneError, SettingsError
from tap_cxone.shutdown import Shutdown

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {"client_id": "a", "client_secret": "b", "start_date": "2024-01-01"}


class Member:
    """A fake stream."""

    is_test = False

    def __init__(self, name: str, *, selected: bool = True, missing: str | None = None) -> None:
        self.name = name
        self.selected = selected
        self._missing = missing

    def check_settings(self) -> None:
        if self._missing:
            raise SettingsError(self._missing)

    def check_state(self) -> None:
        if self._missing:
            raise CxoneError(self._missing)


def a_context(**config: Any) -> RunContext:
    cancellation = CancellationToken()
    return RunContext(CONFIG | config, cancellation, Shutdown(cancellation, lambda: None))


def test_settings_are_only_checked_when_they_are_needed() -> None:
    context = a_context(start_date="soon")
    with pytest.raises(SettingsError, match="'start_date'"):
        _ = context.settings


def test_files_are_opened_on_first_use_and_shared(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    context = a_context(audit_log_path=str(path))
    assert not path.exists()
    assert context.audit_log is context.audit_log
    assert path.exists()


def test_every_selected_stream_is_checked_before_the_first_one_begins() -> None:
    context = a_context()
    context.members += [Member("a"), Member("b", selected=False, missing="not selected"), Member("c", missing="oops")]
    with pytest.raises(SettingsError, match="oops"):
        context.check_members()


def test_the_last_stream_is_the_last_selected_one_by_name() -> None:
    context = a_context()
    context.members += [Member("c", selected=False), Member("b"), Member("a")]
    assert context.is_last("b")
    assert not context.is_last("a")


def test_a_run_has_one_id_which_meltano_may_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MELTANO_PARENT_CONTEXT_UUID", raising=False)
    context = a_context()
    assert context.run_id == context.run_id != a_context().run_id
    monkeypatch.setenv("MELTANO_PARENT_CONTEXT_UUID", "from-meltano")
    assert a_context().run_id == "from-meltano"


@pytest.mark.parametrize(
    ("config", "grant"),
    [
        ({}, "ClientCredentials"),
        ({"auth_method": "access_key", "access_key_id": "k", "access_key_secret": "s", "region": "na1"}, "AccessKey"),
        ({"auth_method": "password", "access_key_id": "k", "access_key_secret": "s"}, "Password"),
    ],
    ids=str,
)
def test_the_client_uses_the_grant_of_the_setting(config: dict[str, Any], grant: str) -> None:
    assert type(a_context(**config).client._grant).__name__ == grant
