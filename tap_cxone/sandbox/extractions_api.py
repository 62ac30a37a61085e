"""The Data Extraction API: create, list, status, and downloads from the file storage."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_cxone.sandbox.create_requests import parse_extraction_request
from tap_cxone.sandbox.endpoint import MESSAGES, Endpoint, file_response, read_json, retry_header
from tap_cxone.sandbox.files import extraction_file
from tap_cxone.sandbox.jobs import COMPLETED, CreateRefusedError
from tap_cxone.sandbox.storage import PREFIX, SIGNATURE, AccessDeniedError

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cxone.sandbox.create_requests import ExtractionRequest
    from tap_cxone.sandbox.jobs import Job
    from tap_cxone.sandbox.platform import Platform

_JOBS = "/data-extraction/v1/jobs"
# The same message for every reason: a client cannot tell a limit from a missing permission.
_FORBIDDEN = "Access to this resource is not allowed"


def header_error(status: int, message: str | None = None, retry_after: str | None = None) -> Response:
    """Return an error response without a body; the message is in the header icStatusDescription (Latin-1)."""
    headers = {"icStatusDescription": message or MESSAGES[status], **retry_header(retry_after)}
    return Response(status_code=status, headers=headers)


def storage_error(
    status: int,
    message: str | None = None,
    retry_after: str | None = None,
    code: str = "InternalError",
    **details: str,
) -> Response:
    """Return an error response of the storage as XML; `details` are additional elements."""
    texts = {"Code": code, "Message": message or MESSAGES[status], **details}
    elements = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items())
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'
    return Response(xml, status, retry_header(retry_after), media_type="application/xml")


def extraction_routes(platform: Platform) -> list[Route]:
    """Return the routes of this API."""
    call = partial(Endpoint, platform=platform, error_response=header_error)
    # The storage is another service: it uses neither the tokens nor the rate limit of the platform.
    download = Endpoint("download", _download, platform, storage_error, needs_token=False, is_rate_limited=False)
    return [
        Route(_JOBS, call("list", _list), methods=["GET"]),
        Route(_JOBS, call("create", _create), methods=["POST"]),
        Route(_JOBS + "/{job_id}", call("status", _status), methods=["GET"]),
        Route(PREFIX + "{name:path}", download, methods=["GET"]),
    ]


async def _list(platform: Platform, _: Request) -> Response:
    """List all jobs of the tenant; 204 without content if there are none."""
    jobs = [{"id": job.id, "status": _status_of(platform, job)} for job in platform.extractions.all()]
    return JSONResponse({"jobs": jobs}) if jobs else Response(status_code=204)


async def _create(platform: Platform, request: Request) -> Response:
    """Create a job and return its id as a JSON string, or name the field of the body that is not valid."""
    try:
        job = platform.extractions.create(parse_extraction_request(await read_json(request)))
    except CreateRefusedError:
        return header_error(403, _FORBIDDEN)
    request.state.job_id = job.id
    return JSONResponse(job.id, 202)


async def _status(platform: Platform, request: Request) -> Response:
    """Return the status of a job; while its file is available, with a new signed URL each time."""
    job = platform.extractions.find(request.path_params["job_id"])
    if job is None:
        return header_error(404)
    url = platform.storage.sign(job.id, f"{job.request.entity}.csv") if job.status == COMPLETED else ""
    result: dict[str, Any] = {"url": url, "messageError": job.error_message, "errorMessage": job.error_message}
    return JSONResponse({"jobStatus": {"id": job.id, "status": _status_of(platform, job), "result": result}})


async def _download(platform: Platform, request: Request) -> Response:
    """Send a file to a client with a signed URL and no other credentials."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        text = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the header Authorization"
        details = {"ArgumentName": "Authorization", "ArgumentValue": authorization}
        return storage_error(400, text, code="InvalidArgument", **details)
    if request.method != "GET":
        return storage_error(403, "The URL is signed for GET", code="SignatureDoesNotMatch")
    try:
        job = platform.extractions.find(platform.storage.job_of(request.url.path, request.url.query))
    except AccessDeniedError as err:
        # Like S3, the response repeats the signature: a client that logs it leaks a credential.
        code, text = err.args
        details = {"SignatureProvided": request.query_params.get(SIGNATURE, ""), "Query": request.url.query}
        return storage_error(403, text, code=code, **details)
    if job is None or job.status != COMPLETED:
        return storage_error(404, "The specified key does not exist.", code="NoSuchKey")
    request.state.job_id = job.id
    platform.extractions.count_download(job.id)
    return await file_response(extraction_file(job, platform.rows, platform.options, request.state.damage))


def _status_of(platform: Platform, job: Job[ExtractionRequest]) -> str:
    """Return the name of the status in this API, in the letter case of the option `status_case`."""
    name = "succeeded" if job.status == COMPLETED else job.status
    cased: str = getattr(name, platform.options.status_case)()
    return cased
