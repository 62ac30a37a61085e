"""The labels of a run: which tenant, on which host, its events and structured log lines are about."""

from __future__ import annotations


class RunLabels:
    """Tenant and host of the stream that is being read. Thread-safe: both are replaced at once.

    Args:
        tenant: label of the tenant.
        host: host of the platform, without port.
    """

    def __init__(self, tenant: str, host: str) -> None:
        self._fields = {"tenant": tenant, "host": host}

    def set(self, tenant: str, host: str) -> None:
        """Replace the labels."""
        self._fields = {"tenant": tenant, "host": host}

    def fields(self) -> dict[str, str]:
        """Return the fields ``tenant`` and ``host`` of audit events and structured log lines."""
        return dict(self._fields)
