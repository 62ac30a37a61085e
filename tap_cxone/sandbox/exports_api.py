"""The analytics export API: token, list, create, status and download.

Rate limit, faults and authorisation are added by `Endpoint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_cxone.sandbox.create_requests import InvalidRequestError, parse_export_request
from tap_cxone.sandbox.endpoint import Endpoint, EndpointRules, file_response, json_error, media_type, oauth_error
from tap_cxone.sandbox.export_files import export_file
from tap_cxone.sandbox.jobs import STATUSES, LimitReachedError
from tap_cxone.sandbox.platform import CLIENT_ID, CLIENT_SECRET

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cxone.sandbox.jobs import Job
    from tap_cxone.sandbox.platform import Platform

_EXPORTS = "/api/v2/analytics/exports"
_SCOPE = "analytics:export:read analytics:export:write"
_TOKEN = EndpointRules(needs_token=False, error_response=oauth_error)


def export_routes(platform: Platform) -> list[Route]:
    """Return the routes of this API."""
    return [
        Route("/oauth/token", Endpoint("token", _token, platform, _TOKEN), methods=["POST"]),
        Route(_EXPORTS, Endpoint("list", _list, platform), methods=["GET"]),
        Route(_EXPORTS, Endpoint("create", _create, platform), methods=["POST"]),
        Route(_EXPORTS + "/{job_id}", Endpoint("status", _status, platform), methods=["GET"]),
        Route(_EXPORTS + "/{job_id}/download", Endpoint("download", _download, platform), methods=["GET"]),
    ]


async def _token(platform: Platform, request: Request) -> Response:
    """Exchange form-encoded client credentials for a token."""
    if media_type(request) != "application/x-www-form-urlencoded":
        return oauth_error(400, "The body must be form-encoded", error="invalid_request")
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    if form.get("grant_type") != "client_credentials":
        return oauth_error(400, "grant_type must be client_credentials", error="unsupported_grant_type")
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        return oauth_error(400, "client_id or client_secret is wrong", error="invalid_client")
    return JSONResponse(
        {
            "access_token": platform.issue_access_token(),
            "token_type": "Bearer",
            "expires_in": platform.expires_in,
            "scope": _SCOPE,
        },
        headers={"Cache-Control": "no-store"},
    )


async def _list(platform: Platform, request: Request) -> Response:
    """List the exports, optionally only those with a status in the comma-separated parameter `status`."""
    wanted = request.query_params.get("status")
    statuses = STATUSES if wanted is None else tuple(wanted.split(","))
    for status in statuses:
        if status not in STATUSES:
            return json_error(400, f"status: must be one of {', '.join(STATUSES)}, not '{status}'")
    shows_query = platform.options.list_shows_query
    jobs = [job for job in platform.jobs.all() if job.status in statuses]
    return JSONResponse({"entities": [{**(job.body if shows_query else {}), **_as_json(job)} for job in jobs]})


async def _create(platform: Platform, request: Request) -> Response:
    """Create an export, or name the field of the body that is not valid."""
    if media_type(request) != "application/json":
        return json_error(400, "Content-Type must be application/json")
    try:
        job = platform.jobs.create(parse_export_request(msgspec.json.decode(await request.body())))
    except msgspec.DecodeError:
        return json_error(400, "body: is not valid JSON")
    except InvalidRequestError as err:
        return json_error(400, str(err))
    except LimitReachedError:
        return json_error(409, f"The limit of {platform.options.active_limit} active exports is reached")
    request.state.job_id = job.id
    return JSONResponse({"id": job.id}, 201)


async def _status(platform: Platform, request: Request) -> Response:
    """Return the status of a job."""
    job = platform.jobs.find(request.path_params["job_id"])
    return json_error(404) if job is None else JSONResponse(_as_json(job))


async def _download(platform: Platform, request: Request) -> Response:
    """Send the file of a completed job."""
    job = platform.jobs.find(request.path_params["job_id"])
    if job is None:
        return json_error(404)
    if job.status != "completed":
        return json_error(409, f"The export is {job.status}: there is nothing to download")
    platform.jobs.count_download(job.id)
    file = export_file(job, platform.stream, platform.options, request.state.damage)
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "Content-Type": file.media_type}
    if file.content_encoding:
        headers["Content-Encoding"] = file.content_encoding
    return await file_response(file.chunks, headers)


def _as_json(job: Job) -> dict[str, Any]:
    body = {"id": job.id, "status": job.status}
    return {**body, "errorMessage": job.error_message} if job.error_message else body
