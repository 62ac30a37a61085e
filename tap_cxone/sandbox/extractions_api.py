"""The Data Extraction API: create, list, status, and downloads from the file storage.

Rate limit, faults and authorisation are added by `Endpoint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_cxone.sandbox.create_requests import InvalidRequestError, parse_extraction_request
from tap_cxone.sandbox.endpoint import MESSAGES, Endpoint, EndpointRules, file_response, json_error, media_type
from tap_cxone.sandbox.extraction_files import extraction_file
from tap_cxone.sandbox.extractions import SUCCEEDED, CreateForbiddenError
from tap_cxone.sandbox.storage import PREFIX, SIGNATURE, AccessDeniedError

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cxone.sandbox.extractions import Extraction
    from tap_cxone.sandbox.platform import Platform

_JOBS = "/data-extraction/v1/jobs"
# The same message for every reason: a client cannot tell a limit from a missing permission.
_FORBIDDEN = "Access to this resource is not allowed"


def header_error(status: int, message: str | None = None, retry_after: str | None = None) -> Response:
    """Return an error response without a body; the message is in the header icStatusDescription (Latin-1)."""
    headers = {"icStatusDescription": message or MESSAGES[status]}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return Response(status_code=status, headers=headers)


def storage_error(
    status: int,
    message: str | None = None,
    retry_after: str | None = None,
    code: str = "InternalError",
    details: str = "",
) -> Response:
    """Return an error response of the storage as XML; `details` are additional elements, already escaped."""
    text = f"<Code>{code}</Code><Message>{escape(message or MESSAGES[status])}</Message>{details}"
    headers = {"Retry-After": retry_after} if retry_after is not None else None
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{text}</Error>'
    return Response(xml, status, headers, media_type="application/xml")


_API_RULES = EndpointRules(error_response=header_error)
# The storage is another service: it uses neither the tokens nor the rate limit of the platform.
_STORAGE_RULES = EndpointRules(needs_token=False, rate_limited=False, error_response=storage_error)


def extraction_routes(platform: Platform) -> list[Route]:
    """Return the routes of this API."""
    return [
        Route(_JOBS, Endpoint("list", _list, platform, _API_RULES), methods=["GET"]),
        Route(_JOBS, Endpoint("create", _create, platform, _API_RULES), methods=["POST"]),
        Route(_JOBS + "/{job_id}", Endpoint("status", _status, platform, _API_RULES), methods=["GET"]),
        Route(PREFIX + "{name:path}", Endpoint("download", _download, platform, _STORAGE_RULES), methods=["GET"]),
    ]


async def _list(platform: Platform, _: Request) -> Response:
    """List all jobs of the tenant; 204 without content if there are none."""
    jobs = [{"id": job.id, "status": _status_of(platform, job)} for job in platform.extractions.all()]
    return JSONResponse({"jobs": jobs}) if jobs else Response(status_code=204)


async def _create(platform: Platform, request: Request) -> Response:
    """Create a job and return its id as a JSON string, or name the field of the body that is not valid."""
    if media_type(request) != "application/json":
        return json_error(400, "Content-Type must be application/json")
    try:
        job = platform.extractions.create(parse_extraction_request(msgspec.json.decode(await request.body())))
    except msgspec.DecodeError:
        return json_error(400, "body: is not valid JSON")
    except InvalidRequestError as err:
        return json_error(400, str(err))
    except CreateForbiddenError:
        return header_error(403, _FORBIDDEN)
    request.state.job_id = job.id
    return JSONResponse(job.id, 202)


async def _status(platform: Platform, request: Request) -> Response:
    """Return the status of a job; while its file is available, with a new signed URL each time."""
    job = platform.extractions.find(request.path_params["job_id"])
    if job is None:
        return header_error(404)
    url = platform.storage.sign(job.id, f"{job.entity}.csv") if job.status == SUCCEEDED else ""
    result: dict[str, Any] = {"url": url, "messageError": job.error_message, "errorMessage": job.error_message}
    return JSONResponse({"jobStatus": {"id": job.id, "status": _status_of(platform, job), "result": result}})


async def _download(platform: Platform, request: Request) -> Response:
    """Send a file to a client with a signed URL and no other credentials."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        details = _xml_elements(ArgumentName="Authorization", ArgumentValue=authorization)
        text = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the header Authorization"
        return storage_error(400, text, code="InvalidArgument", details=details)
    if request.method != "GET":
        return storage_error(403, "The URL is signed for GET", code="SignatureDoesNotMatch")
    try:
        job = platform.extractions.find(platform.storage.job_of(request.url.path, request.url.query))
    except AccessDeniedError as err:
        # Like S3, the response repeats the signature: a client that logs it leaks a credential.
        details = _xml_elements(SignatureProvided=request.query_params.get(SIGNATURE, ""), Query=request.url.query)
        return storage_error(403, str(err), code=err.code, details=details)
    if job is None or job.status != SUCCEEDED:
        return storage_error(404, "The specified key does not exist.", code="NoSuchKey")
    request.state.job_id = job.id
    platform.extractions.count_download(job.id)
    chunks = extraction_file(job, platform.rows, platform.options, request.state.damage)
    headers = {"Content-Disposition": f'attachment; filename="{job.entity}.csv"', "Content-Type": "text/csv"}
    return await file_response(chunks, headers)


def _status_of(platform: Platform, job: Extraction) -> str:
    """Return the status in the letter case of the option `status_case`."""
    status: str = getattr(job.status, platform.options.status_case)()
    return status


def _xml_elements(**texts: str) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items())
