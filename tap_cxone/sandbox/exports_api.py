"""The analytics export surface: token, list, create, status and download, as section 1 of the platform notes has them.

Only the meaning of the calls; rate limit, faults and authorisation stand around them in `calls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_cxone.sandbox.calls import Call, Manners, file_response, media_type, oauth_refusal, refusal
from tap_cxone.sandbox.contract import InvalidRequestError, parse_export_request
from tap_cxone.sandbox.files import export_file
from tap_cxone.sandbox.jobs import STATUSES, LimitReachedError
from tap_cxone.sandbox.platform import CLIENT_ID, CLIENT_SECRET

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cxone.sandbox.jobs import Job
    from tap_cxone.sandbox.platform import Platform

_EXPORTS = "/api/v2/analytics/exports"
_SCOPE = "analytics:export:read analytics:export:write"
_TOKEN = Manners(authorised=False, refuse=oauth_refusal)


def export_routes(platform: Platform) -> list[Route]:
    """Return the routes of this surface."""
    return [
        Route("/oauth/token", Call("token", _token, platform, _TOKEN), methods=["POST"]),
        Route(_EXPORTS, Call("list", _list, platform), methods=["GET"]),
        Route(_EXPORTS, Call("create", _create, platform), methods=["POST"]),
        Route(_EXPORTS + "/{job_id}", Call("status", _status, platform), methods=["GET"]),
        Route(_EXPORTS + "/{job_id}/download", Call("download", _download, platform), methods=["GET"]),
    ]


async def _token(platform: Platform, request: Request) -> Response:
    """Exchange client credentials, form-encoded, for a token."""
    if media_type(request) != "application/x-www-form-urlencoded":
        return oauth_refusal(400, "The body must be form-encoded", error="invalid_request")
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    if form.get("grant_type") != "client_credentials":
        return oauth_refusal(400, "grant_type must be client_credentials", error="unsupported_grant_type")
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        return oauth_refusal(400, "client_id or client_secret is wrong", error="invalid_client")
    return JSONResponse(
        {
            "access_token": platform.issue_token(),
            "token_type": "Bearer",
            "expires_in": platform.expires_in,
            "scope": _SCOPE,
        },
        headers={"Cache-Control": "no-store"},
    )


async def _list(platform: Platform, request: Request) -> Response:
    """List the exports, those of the statuses in `status` (comma-separated) where it is given."""
    wanted = request.query_params.get("status")
    statuses = STATUSES if wanted is None else tuple(wanted.split(","))
    for status in statuses:
        if status not in STATUSES:
            return refusal(400, f"status: '{status}' is none of {', '.join(STATUSES)}")
    shows_query = platform.options.list_shows_query
    jobs = [job for job in platform.jobs.all() if job.status in statuses]
    return JSONResponse({"entities": [{**(job.body if shows_query else {}), **_shown(job)} for job in jobs]})


async def _create(platform: Platform, request: Request) -> Response:
    """Create an export, or say which field of the body is wrong."""
    if media_type(request) != "application/json":
        return refusal(400, "Content-Type must be application/json")
    try:
        asked = parse_export_request(msgspec.json.decode(await request.body()))
        job = platform.jobs.create(asked)
    except msgspec.DecodeError:
        return refusal(400, "body: is not JSON")
    except InvalidRequestError as err:
        return refusal(400, str(err))
    except LimitReachedError:
        return refusal(409, f"The limit of {platform.options.active_limit} active exports is reached")
    request.state.job_id = job.id
    return JSONResponse({"id": job.id}, 201)


async def _status(platform: Platform, request: Request) -> Response:
    """Tell how a job stands."""
    job = platform.jobs.find(request.path_params["job_id"])
    return refusal(404) if job is None else JSONResponse(_shown(job))


async def _download(platform: Platform, request: Request) -> Response:
    """Send the file of a completed job, made piece by piece in a thread beside the server's."""
    job = platform.jobs.find(request.path_params["job_id"])
    if job is None:
        return refusal(404)
    if job.status != "completed":
        return refusal(409, f"The export is {job.status}: there is nothing to download")
    platform.jobs.count_download(job.id)
    file = export_file(job, platform.stream, platform.options, request.state.damage)
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "Content-Type": file.media_type}
    if file.content_encoding:
        headers["Content-Encoding"] = file.content_encoding
    return await file_response(file.pieces, headers)


def _shown(job: Job) -> dict[str, Any]:
    shown = {"id": job.id, "status": job.status}
    return {**shown, "errorMessage": job.error_message} if job.error_message else shown
