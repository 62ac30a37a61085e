"""The Data Extraction API: create, list, status and the storage of the files, as section 2 of the platform notes.

Only the meaning of the calls; rate limit, faults and authorisation stand around them in `calls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_cxone.sandbox.calls import MESSAGES, Call, Manners, file_response, media_type, refusal
from tap_cxone.sandbox.contract import InvalidRequestError, parse_extraction_request
from tap_cxone.sandbox.extraction_files import extraction_file
from tap_cxone.sandbox.extractions import SUCCEEDED, RefusedError
from tap_cxone.sandbox.storage import PREFIX, SIGNATURE, ForbiddenError

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cxone.sandbox.extractions import Extraction
    from tap_cxone.sandbox.platform import Platform

_JOBS = "/data-extraction/v1/jobs"
# One text for every reason: a client cannot tell a limit from a missing permission.
_REFUSED = "Access to this resource is not allowed"


def header_refusal(status: int, message: str | None = None, retry_after: str | None = None) -> Response:
    """Return an error answer without a body, its text in the header icStatusDescription (Latin-1)."""
    headers = {"icStatusDescription": message or MESSAGES[status]}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return Response(status_code=status, headers=headers)


def storage_refusal(
    status: int, message: str | None = None, retry_after: str | None = None, code: str = "InternalError", more: str = ""
) -> Response:
    """Return an error answer of the storage in XML; `more` is XML already."""
    text = f"<Code>{code}</Code><Message>{escape(message or MESSAGES[status])}</Message>{more}"
    headers = {"Retry-After": retry_after} if retry_after is not None else None
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{text}</Error>'
    return Response(xml, status, headers, media_type="application/xml")


_CALLS = Manners(refuse=header_refusal)
# Somebody else's host: it knows neither the platform's tokens nor its rate limit.
_STORAGE = Manners(authorised=False, limited=False, refuse=storage_refusal)


def extraction_routes(platform: Platform) -> list[Route]:
    """Return the routes of this surface."""
    return [
        Route(_JOBS, Call("list", _list, platform, _CALLS), methods=["GET"]),
        Route(_JOBS, Call("create", _create, platform, _CALLS), methods=["POST"]),
        Route(_JOBS + "/{job_id}", Call("status", _status, platform, _CALLS), methods=["GET"]),
        Route(PREFIX + "{name:path}", Call("download", _download, platform, _STORAGE), methods=["GET"]),
    ]


async def _list(platform: Platform, _: Request) -> Response:
    """List all jobs of the tenant; without any there is no content at all."""
    jobs = [{"id": job.id, "status": _written(platform, job)} for job in platform.extractions.all()]
    return JSONResponse({"jobs": jobs}) if jobs else Response(status_code=204)


async def _create(platform: Platform, request: Request) -> Response:
    """Create a job and answer its bare id, or say which field of the body is wrong."""
    if media_type(request) != "application/json":
        return refusal(400, "Content-Type must be application/json")
    try:
        job = platform.extractions.create(parse_extraction_request(msgspec.json.decode(await request.body())))
    except msgspec.DecodeError:
        return refusal(400, "body: is not JSON")
    except InvalidRequestError as err:
        return refusal(400, str(err))
    except RefusedError:
        return header_refusal(403, _REFUSED)
    request.state.job_id = job.id
    return JSONResponse(job.id, 202)


async def _status(platform: Platform, request: Request) -> Response:
    """Tell how a job stands; where its file is kept, with a new address each time."""
    job = platform.extractions.find(request.path_params["job_id"])
    if job is None:
        return header_refusal(404)
    url = platform.storage.sign(job.id, f"{job.entity}.csv") if job.status == SUCCEEDED else ""
    result: dict[str, Any] = {"url": url, "messageError": job.error_message, "errorMessage": job.error_message}
    return JSONResponse({"jobStatus": {"id": job.id, "status": _written(platform, job), "result": result}})


async def _download(platform: Platform, request: Request) -> Response:
    """Send a file to whoever has a signed address and shows no other credentials."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        more = _elements(ArgumentName="Authorization", ArgumentValue=authorization)
        text = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the header Authorization"
        return storage_refusal(400, text, code="InvalidArgument", more=more)
    if request.method != "GET":
        return storage_refusal(403, "The address is signed for GET", code="SignatureDoesNotMatch")
    try:
        job = platform.extractions.find(platform.storage.job_of(request.url.path, request.url.query))
    except ForbiddenError as err:
        # As the model does it: the answer repeats what it was given, so whoever logs it leaks it.
        more = _elements(SignatureProvided=request.query_params.get(SIGNATURE, ""), Query=request.url.query)
        return storage_refusal(403, str(err), code=err.code, more=more)
    if job is None or job.status != SUCCEEDED:
        return storage_refusal(404, "The specified key does not exist.", code="NoSuchKey")
    request.state.job_id = job.id
    platform.extractions.count_download(job.id)
    pieces = extraction_file(job, platform.rows, platform.options, request.state.damage)
    headers = {"Content-Disposition": f'attachment; filename="{job.entity}.csv"', "Content-Type": "text/csv"}
    return await file_response(pieces, headers)


def _written(platform: Platform, job: Extraction) -> str:
    """Return the status in the letters that the options ask for."""
    changed: str = getattr(job.status, platform.options.status_case)()
    return changed


def _elements(**texts: str) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items())
