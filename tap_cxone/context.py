"""RunContext: what the streams of one run share."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from tap_cxone.api.identity import PlatformIdentity, host_name
from tap_cxone.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cxone.api.client import PlatformClient
    from tap_cxone.api.grants import Grant
    from tap_cxone.cancellation import CancellationToken
    from tap_cxone.config.access import Access
    from tap_cxone.jobs.polling import CreateThrottle
    from tap_cxone.observability.audit_log import AuditLog, Quarantine
    from tap_cxone.observability.labels import RunLabels
    from tap_cxone.observability.progress import Progress
    from tap_cxone.observability.reporter import Reporter
    from tap_cxone.shutdown import Shutdown

# ruff: noqa: PLC0415 - imported when it is used, so that --version, --about and --discover start quickly


class RunMember(Protocol):
    """A stream as the run sees it."""

    name: str

    @property
    def selected(self) -> bool:
        """Whether the stream is going to be read."""

    @property
    def is_test(self) -> bool:
        """Whether only one record of it is going to be read, to test the settings."""

    def check_settings(self) -> None:
        """Raise SettingsError if a setting is missing that only this stream needs."""

    def check_state(self) -> None:
        """Raise CxoneError if the stream's state belongs to another platform or tenant than this run."""


@dataclass
class RunContext:
    """What the streams of one run share; files and connections are opened on first use.

    Attributes:
        config: the configuration as the user gave it.
        cancellation: ends every wait of the run.
        shutdown: ends a cancelled run in time.
        members: all streams of the tap.
        retry_budget: seconds for all attempts and pauses of one call; None: the default.
    """

    config: Mapping[str, Any]
    cancellation: CancellationToken
    shutdown: Shutdown
    members: list[RunMember] = field(default_factory=list)
    retry_budget: float | None = None

    @cached_property
    def settings(self) -> Settings:
        """The validated settings; raises SettingsError if they are not valid."""
        return Settings.from_config(self.config)

    @cached_property
    def run_id(self) -> str:
        """Id of this run in the audit log; within Meltano, all steps of one ``meltano run`` share it."""
        return new_run_id()

    @property
    def is_test(self) -> bool:
        """Whether this is a test of the settings. It leaves no trace in audit log, quarantine and journal."""
        return any(member.is_test for member in self.members)

    @cached_property
    def audit_log(self) -> AuditLog:
        """The audit log."""
        from tap_cxone.observability.audit_log import AuditLog

        return AuditLog(None if self.is_test else self.settings.audit_log_path)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Keeps rejected records."""
        from tap_cxone.observability.audit_log import Quarantine

        return Quarantine(None if self.is_test else self.settings.quarantine_path)

    @cached_property
    def client(self) -> PlatformClient:
        """HTTP client of the platform."""
        from tap_cxone.api.client import PlatformClient
        from tap_cxone.api.retry import RETRY_BUDGET_SECONDS
        from tap_cxone.observability.request_log import RequestLog

        access = self.settings.access.connect()
        return PlatformClient(
            api_url=access.api_url,
            grant=_grant(access),
            address=access.issuer,
            sleep=self.cancellation.sleep,
            retry_budget=self.retry_budget or RETRY_BUDGET_SECONDS,
            listener=RequestLog(self.progress, self.audit_log, self.run_id, self.labels),
        )

    @cached_property
    def create_throttle(self) -> CreateThrottle:
        """Spaces out the create requests of all Data Extraction streams."""
        from tap_cxone.jobs.polling import CreateThrottle

        return CreateThrottle(self.settings.submit_interval)

    @cached_property
    def progress(self) -> Progress:
        """What the run is doing."""
        from tap_cxone.observability.progress import Progress

        return Progress()

    @cached_property
    def reporter(self) -> Reporter:
        """Reports the progress, as log lines or in a live display."""
        from tap_cxone.observability.reporter import Reporter

        return Reporter(self.progress, self.labels, is_test=self.is_test)

    @cached_property
    def labels(self) -> RunLabels:
        """What all events of the run have in common."""
        from tap_cxone.observability.labels import RunLabels

        host = self.settings.access.host or host_name(self.settings.access.issuer)
        return RunLabels(self.settings.tenant or host, host, self.settings.orchestrator_run_id)

    @property
    def known_platform(self) -> PlatformIdentity | None:
        """What is known of the platform so far; None before the host has been discovered. Requests nothing."""
        host, found = self.settings.access.host, self.client.identity
        if found:
            return replace(found, host=host or found.host)
        return PlatformIdentity(host) if host else None

    def check_members(self) -> None:
        """Check the settings of every selected stream before the first one is read.

        Raises:
            SettingsError: a setting is missing that only one of the streams needs.
        """
        for member in self.members:
            if member.selected:
                member.check_settings()

    def check_states(self) -> None:
        """Compare the state of every selected stream with what is known of the platform; request nothing.

        Raises:
            CxoneError: the state of a stream belongs to another platform or tenant.
        """
        for member in self.members:
            if member.selected:
                member.check_state()

    def is_first(self, name: str) -> bool:
        """Return whether this stream is the first selected one; the SDK reads them in order of name."""
        return name == min((member.name for member in self.members if member.selected), default=name)

    def is_last(self, name: str) -> bool:
        """Return whether this stream is the last selected one."""
        return name == max((member.name for member in self.members if member.selected), default=name)


def new_run_id() -> str:
    """Return the id of a run: that of Meltano's run, or else a random one."""
    return os.environ.get("MELTANO_PARENT_CONTEXT_UUID") or uuid.uuid4().hex


def _grant(access: Access) -> Grant:
    """Return the OAuth grant that the setting ``auth_method`` names."""
    from tap_cxone.api.grants import AccessKey, ClientCredentials, Password

    if access.method == "password":
        return Password(
            access.issuer,
            access.client_id,
            access.client_secret,
            access.access_key_id,
            access.access_key_secret,
            token_url=access.auth_url,
        )
    token_url = str(access.auth_url)
    if access.method == "access_key":
        return AccessKey(token_url, access.access_key_id, access.access_key_secret)
    return ClientCredentials(token_url, access.client_id, access.client_secret)
