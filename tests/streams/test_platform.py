"""PlatformBinding: when the platform of a state is compared, what a mismatch says, and what the state gets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.api.identity import PlatformIdentity
from tap_cxone.cancellation import CancellationToken
from tap_cxone.context import RunContext
from tap_cxone.dates import format_date
from tap_cxone.errors import CxoneError, RunCancelledError
from tap_cxone.shutdown import Shutdown
from tap_cxone.streams.platform import PlatformBinding, check_platform
from tap_cxone.streams.state import PLATFORM_IN_STATE, StreamState
from tests.conftest import january

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = {"client_id": "a", "client_secret": "b", "start_date": "2024-01-01", "api_url": "https://a.example:8443"}
DISCOVERED: dict[str, Any] = {
    "api_url": "",
    "auth_method": "password",
    "access_key_id": "k",
    "access_key_secret": "s",
    "issuer": "https://i.example",
}
HERE, OTHER_TENANT = PlatformIdentity("a.example", "tenant-7"), PlatformIdentity("a.example", "tenant-8")
ELSEWHERE = PlatformIdentity("b.example", "tenant-7")


class FakeClient:
    """A client whose first token is of a given platform."""

    def __init__(self, platform: PlatformIdentity, before: Callable[[], object]) -> None:
        self.identity: PlatformIdentity | None = None
        self.platform = platform
        self.before = before

    def identify(self) -> PlatformIdentity:
        self.before()
        self.identity = self.platform
        return self.identity


class Bound:
    """One stream with a bookmark, and the context of its run."""

    name = "events"
    selected = True
    is_test = False

    def __init__(
        self,
        stored: PlatformIdentity | None,
        found: PlatformIdentity = HERE,
        before: Callable[[], object] = lambda: None,
        **config: Any,
    ) -> None:
        cancellation = CancellationToken()
        self.context = RunContext(CONFIG | config, cancellation, Shutdown(cancellation, lambda: None))
        self.context.client = FakeClient(found, before)  # type: ignore[assignment]
        self.context.members.append(self)
        self.written: list[dict[str, Any]] = []
        self.content: dict[str, Any] = {
            "replication_key": "dateFrom",
            "replication_key_value": format_date(january(3)),
        }
        if stored:
            self.content[PLATFORM_IN_STATE] = stored.to_dict()
        self.state = StreamState(self.content, stream="events", replication_key="dateFrom", write=self.write)
        self.binding = PlatformBinding("events", self.state, self.context)

    def check_settings(self) -> None:
        """Fit the protocol of a stream."""

    def check_state(self) -> None:
        check_platform(self.name, self.state.platform(), self.context)

    def write(self) -> None:
        self.written.append(dict(self.content))

    def connect(self) -> None:
        self.binding.connect(lambda: None)

    def commit(self) -> Any:
        self.state.commit(january(4), january(4))
        return self.written[-1].get(PLATFORM_IN_STATE)

    @property
    def labels(self) -> tuple[str, str]:
        fields = self.context.labels.fields()
        return fields["tenant"], fields["host"]


def test_the_configured_host_is_compared_without_a_request() -> None:
    bound = Bound(ELSEWHERE)
    with pytest.raises(CxoneError) as caught:
        bound.binding.check()
    assert caught.value.exit_code == 2
    assert caught.value.message == (
        "The state of stream 'events' was written for host 'b.example', tenant 'tenant-7', but this run reads host "
        "'a.example': use another state for this platform (--state-id-suffix, or another state file), read everything "
        "again (--full-refresh, or no state file), or set 'trust_state' to true for one run to keep the bookmark."
    )
    assert bound.context.client.identity is None


@pytest.mark.parametrize("stored", [HERE, PlatformIdentity("a.example"), None], ids=str)
def test_a_state_of_this_platform_or_of_none_is_bound_to_it(stored: PlatformIdentity | None) -> None:
    bound = Bound(stored)
    bound.binding.check()
    bound.connect()
    assert bound.commit() == HERE.to_dict()


def test_the_tenant_is_compared_at_the_first_token() -> None:
    bound = Bound(OTHER_TENANT)
    bound.binding.check()
    with pytest.raises(CxoneError, match=r"'tenant-8', but this run reads host .*, tenant 'tenant-7'"):
        bound.connect()


def test_a_discovered_host_is_compared_at_the_first_token() -> None:
    bound = Bound(ELSEWHERE, **DISCOVERED)
    bound.binding.check()
    with pytest.raises(CxoneError, match=r"host 'b\.example', .*, but this run reads host 'a\.example'"):
        bound.connect()


def test_a_tenant_that_is_not_named_this_time_is_kept() -> None:
    bound = Bound(HERE, PlatformIdentity("a.example"))
    bound.connect()
    assert bound.commit() == HERE.to_dict()


@pytest.mark.parametrize("stored", [ELSEWHERE, OTHER_TENANT], ids=str)
def test_a_trusted_state_is_bound_to_this_platform(stored: PlatformIdentity, caplog: pytest.LogCaptureFixture) -> None:
    bound = Bound(stored, trust_state=True)
    bound.binding.check()
    bound.connect()
    assert f"was written for {stored} and is now used for {HERE} (trust_state)" in caplog.text
    assert bound.commit() == HERE.to_dict()


def test_trust_that_is_no_longer_needed_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    bound = Bound(HERE, trust_state=True)
    bound.connect()
    [message] = caplog.messages
    assert message.endswith("nothing in its state contradicts this platform: remove the setting 'trust_state'")


def test_a_run_with_nothing_new_rewrites_a_trusted_state_without_a_request(caplog: pytest.LogCaptureFixture) -> None:
    bound = Bound(ELSEWHERE, trust_state=True)
    bound.binding.finish_without_requests()
    assert bound.written[-1] == bound.content
    assert bound.content[PLATFORM_IN_STATE] == {"host": "a.example"}
    assert bound.content["replication_key_value"] == format_date(january(3))
    assert "is now used for host 'a.example' (trust_state)" in caplog.text
    assert bound.context.client.identity is None


@pytest.mark.parametrize(("config", "kept"), [({}, {"host": "a.example"}), (DISCOVERED, None)], ids=["host", "nothing"])
def test_a_trusted_run_with_nothing_new_keeps_only_what_it_knows(config: dict[str, Any], kept: object) -> None:
    bound = Bound(OTHER_TENANT, trust_state=True, **config)
    bound.binding.finish_without_requests()
    assert bound.written[-1].get(PLATFORM_IN_STATE) == kept

    later = Bound(bound.state.platform(), **config)
    later.binding.check()
    later.connect()
    assert later.commit() == HERE.to_dict()


def test_a_stream_with_nothing_new_gets_the_tenant_that_an_earlier_stream_has_seen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bound = Bound(OTHER_TENANT, trust_state=True)
    bound.context.client.identify()
    bound.binding.finish_without_requests()
    assert bound.content[PLATFORM_IN_STATE] == HERE.to_dict()
    assert f"was written for {OTHER_TENANT} and is now used for {HERE} (trust_state)" in caplog.text


@pytest.mark.parametrize("stored", [HERE, None], ids=str)
def test_a_run_with_nothing_new_leaves_other_states_alone(stored: PlatformIdentity | None) -> None:
    bound = Bound(stored)
    bound.binding.finish_without_requests()
    assert bound.written == []


@pytest.mark.parametrize(
    ("stored", "config", "before_token", "after_token"),
    [
        (None, {}, ("a.example", "a.example"), ("tenant-7", "a.example")),
        (HERE, {}, ("tenant-7", "a.example"), ("tenant-7", "a.example")),
        (OTHER_TENANT, {"trust_state": True}, ("tenant-8", "a.example"), ("tenant-7", "a.example")),
        (ELSEWHERE, {"trust_state": True}, ("a.example", "a.example"), ("tenant-7", "a.example")),
        (HERE, {"tenant": "Acme"}, ("Acme", "a.example"), ("Acme", "a.example")),
        (None, DISCOVERED, ("i.example", "i.example"), ("tenant-7", "a.example")),
        (HERE, DISCOVERED, ("tenant-7", "a.example"), ("tenant-7", "a.example")),
    ],
    ids=str,
)
def test_events_are_labelled_by_setting_token_state_or_host(
    stored: PlatformIdentity | None,
    config: dict[str, Any],
    before_token: tuple[str, str],
    after_token: tuple[str, str],
) -> None:
    bound = Bound(stored, **config)
    bound.binding.check()
    assert bound.labels == before_token
    bound.connect()
    assert bound.labels == after_token


def test_without_a_tenant_in_token_and_state_the_host_is_the_label() -> None:
    bound = Bound(None, PlatformIdentity("a.example"))
    bound.connect()
    assert bound.labels == ("a.example", "a.example")


def test_a_run_can_be_cancelled_while_it_waits_for_its_first_token() -> None:
    answered = threading.Event()
    bound = Bound(None, before=lambda: answered.wait(30))

    bound.context.cancellation.cancel()
    with pytest.raises(RunCancelledError):
        bound.binding.connect(bound.context.cancellation.check)
    answered.set()


def test_an_error_of_the_token_endpoint_ends_the_run() -> None:
    cancellation = CancellationToken()
    cancellation.cancel(RunCancelledError("the token endpoint failed"))
    bound = Bound(HERE, before=cancellation.check)
    with pytest.raises(CxoneError, match="the token endpoint failed"):
        bound.connect()
