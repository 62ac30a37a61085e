"""The analytics export API: list, create, status and download."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_cxone.sandbox.create_requests import parse_export_request
from tap_cxone.sandbox.endpoint import Endpoint, file_response, json_error, read_json
from tap_cxone.sandbox.files import export_file
from tap_cxone.sandbox.jobs import COMPLETED, EXPIRED, FAILED, QUEUED, RUNNING, CreateRefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cxone.sandbox.create_requests import ExportRequest
    from tap_cxone.sandbox.jobs import Job
    from tap_cxone.sandbox.platform import Platform

_EXPORTS = "/api/v2/analytics/exports"
_STATUSES = (QUEUED, RUNNING, COMPLETED, FAILED)


def export_routes(platform: Platform) -> list[Route]:
    """Return the routes of this API."""
    call = partial(Endpoint, platform=platform)
    return [
        Route(_EXPORTS, call("list", _list), methods=["GET"]),
        Route(_EXPORTS, call("create", _create), methods=["POST"]),
        Route(_EXPORTS + "/{job_id}", call("status", _status), methods=["GET"]),
        Route(_EXPORTS + "/{job_id}/download", call("download", _download), methods=["GET"]),
    ]


async def _list(platform: Platform, request: Request) -> Response:
    """List the exports, optionally only those with a status in the comma-separated parameter `status`."""
    wanted = request.query_params.get("status")
    statuses = _STATUSES if wanted is None else tuple(wanted.split(","))
    for status in statuses:
        if status not in _STATUSES:
            return json_error(400, f"status: must be one of {', '.join(_STATUSES)}, not '{status}'")
    shows_query = platform.options.list_shows_query
    jobs = [job for job in platform.exports.all() if job.status in statuses]
    return JSONResponse({"entities": [{**(job.request.body if shows_query else {}), **_as_json(job)} for job in jobs]})


async def _create(platform: Platform, request: Request) -> Response:
    """Create an export, or name the field of the body that is not valid."""
    try:
        job = platform.exports.create(parse_export_request(await read_json(request)))
    except CreateRefusedError:
        return json_error(409, f"The limit of {platform.options.active_limit} active exports is reached")
    request.state.job_id = job.id
    return JSONResponse({"id": job.id}, 201)


async def _status(platform: Platform, request: Request) -> Response:
    """Return the status of a job; an expired one no longer exists."""
    job = platform.exports.find(request.path_params["job_id"])
    return json_error(404) if job is None or job.status == EXPIRED else JSONResponse(_as_json(job))


async def _download(platform: Platform, request: Request) -> Response:
    """Send the file of a completed job."""
    job = platform.exports.find(request.path_params["job_id"])
    if job is None or job.status == EXPIRED:
        return json_error(404)
    if job.status != COMPLETED:
        return json_error(409, f"The export is {job.status}: there is nothing to download")
    platform.exports.count_download(job.id)
    return await file_response(export_file(job, platform.events, platform.options, request.state.damage))


def _as_json(job: Job[ExportRequest]) -> dict[str, Any]:
    body = {"id": job.id, "status": job.status}
    return {**body, "errorMessage": job.error_message} if job.error_message else body
