"""Which tenant an event of the audit log belongs to. Pure.

The in-process sandbox is a tenant of its own, whatever label its events have: what it simulates says nothing about the
real tenant of that label.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from typing_extensions import override

from tap_cxone.observability.events import DELIVERIES

if TYPE_CHECKING:
    from tap_cxone.observability.events import Event

SANDBOX_HOST = "sandbox"
"""Host of the events of the in-process sandbox."""
_UNNAMED = "(unnamed tenant)"


class Tenant(NamedTuple):
    """A tenant in the audit log.

    Attributes:
        label: its label; empty for the lines without a label, which older versions wrote.
        is_sandbox: whether it is simulated by the in-process sandbox.
    """

    label: str = ""
    is_sandbox: bool = False

    @override
    def __str__(self) -> str:
        """Return its name, as shown and as ``--tenant`` takes it."""
        if not self.is_sandbox:
            return self.label or _UNNAMED
        return SANDBOX_HOST if self.label in {"", SANDBOX_HOST} else f"{self.label} ({SANDBOX_HOST})"


UNNAMED = Tenant()
"""The one tenant of all lines without a label."""


def tenant_of(event: Event) -> Tenant:
    """Return the tenant of an event."""
    return _tenant(event.tenant, platform_host(event))


def platform_host(event: Event) -> str | None:
    """Return the platform's host of an event; None if the log does not say."""
    return event.platform_host if event.event in DELIVERIES else event.host


@functools.lru_cache(maxsize=1024)
def _tenant(label: str | None, host: str | None) -> Tenant:
    return Tenant(label or host or "", host == SANDBOX_HOST)
