"""Checks of the platform: a token, the discovery of the API, and the slots for exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_cxone.doctor.findings import Finding, found, ok, problem
from tap_cxone.errors import CxoneError, RefusedError
from tap_cxone.observability.formatting import duration

if TYPE_CHECKING:
    from tap_cxone.context import RunContext
    from tap_cxone.jobs.model import AsyncJobApi


def check_token(context: RunContext) -> Finding:
    """Request a token, and look the API up if no setting names it."""

    def request() -> str:
        identity = context.client.identify()
        tenant = f"tenant '{identity.tenant}'" if identity.tenant else "it does not name the tenant"
        return f"valid for {duration(context.client.token_lifetime())}, {tenant}; the API is at {identity.host}"

    return found("token", request)


def check_slots(name: str, api: AsyncJobApi) -> Finding:
    """Ask who uses the slots for exports; this also shows whether exports may be listed."""
    check = f"slots for {name}"
    try:
        active = len(api.list_active())
    except RefusedError as err:
        return problem(check, f"the active ones cannot be listed: {err.message}")
    except CxoneError as err:
        return problem(check, err.message)
    if active >= api.max_active:
        used = f"all {api.max_active} are" if api.max_active > 1 else "the only one is"
        return problem(
            check,
            f"{used} used by other integrations or another run: runs wait up to 'export_timeout'. Try again later, or "
            "agree with the others on times",
        )
    return ok(check, f"{active} of {api.max_active} are used by others")
