"""The labels of a run: what its events and structured log lines have in common."""

from __future__ import annotations


class RunLabels:
    """Tenant and host of the stream that is being read. Thread-safe: both are replaced at once.

    Args:
        tenant: label of the tenant.
        host: host of the platform, without port.
        orchestrator_run_id: id of the run in an orchestrator; None if it has none.
    """

    def __init__(self, tenant: str, host: str, orchestrator_run_id: str | None = None) -> None:
        self._orchestrator = {"orchestrator_run_id": orchestrator_run_id} if orchestrator_run_id else {}
        self.set(tenant, host)

    def set(self, tenant: str, host: str) -> None:
        """Replace tenant and host."""
        self._fields = {"tenant": tenant, "host": host} | self._orchestrator

    def fields(self) -> dict[str, str]:
        """Return the fields that audit events and structured log lines have in common."""
        return dict(self._fields)
