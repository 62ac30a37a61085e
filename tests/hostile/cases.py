"""The table of hostile answers. One more case is one more line.

A case without ``error`` may end in any orderly way: with all records, or with one sentence and without any. With
``error``, the run must end with a sentence that has this text; with ``OK``, it must deliver all records.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.hostile.answers import (
    EXPORT,
    EXTRACTION_CSV,
    RECORDS,
    TOKEN,
    answer,
    bomb,
    endless,
    json_answer,
    raw_json,
    redirect,
)
from tests.hostile.server import drip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.hostile.answers import Script

Call = Literal["token", "list", "create", "status", "download"]
Surface = Literal["analytics", "extraction"]

OK = "all records"
ALWAYS = -1
DEEP = b"[" * 100_000
MANY_DIGITS = b"9" * 5000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True)
class Case:
    """One call that is answered wrongly.

    Attributes:
        name: what is sent, for the test's id.
        call: the call.
        answer: what is sent.
        error: text that the error must have, ``OK``, or nothing.
        times: how often it is sent before the documented answer; ``ALWAYS``.
        surface: the API.
        most_jobs: how many jobs may be created.
        days: length of the run; 0: an hour, in which case no window can be split. Up to three are a window each.
    """

    name: str
    call: Call
    answer: Script
    error: str = ""
    times: int = ALWAYS
    surface: Surface = "analytics"
    most_jobs: int = 64
    days: int = 0


def dripping(data: bytes) -> Script:
    return lambda _: drip(data)


def to_storage(template: str) -> Script:
    """Answer a status call with a download address; ``{url}`` stands for the server's."""

    def play(url: str) -> Iterable[bytes]:
        target = template.replace("{url}", url)
        yield json_answer({"jobStatus": {"id": "job-1", "status": "SUCCEEDED", "result": {"url": target}}})

    return play


def in_chunks(*chunks: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks)


# Bodies of any call: those that parse its answer have to cope with them.
JSON_BODIES: dict[str, Script] = {
    "an empty body": raw_json(b""),
    "null": raw_json(b"null"),
    "a number": raw_json(b"7"),
    "an empty list": raw_json(b"[]"),
    "an empty object": raw_json(b"{}"),
    "a web page": answer(b"<html><body>Sign in</body></html>", 200, {"Content-Type": "text/html"}),
    "bytes that are not UTF-8": raw_json(b'{"id": "\xff\xfe"}'),
    "UTF-16": raw_json('{"id": "x"}'.encode("utf-16")),
    "deep nesting": raw_json(DEEP),
    "a number of 5,000 digits": raw_json(MANY_DIGITS),
    "keys of all types": raw_json(b'{"id": {}, "jobId": [], "status": 5, "entities": 3, "jobs": 4, "jobStatus": []}'),
}

# What may be the answer to any call.
ANY_CALL: dict[str, Script] = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "an odd status line": b"HTTP/1.1 abc OK\r\n\r\n",
    "status 999": answer(b"{}", 999),
    "status 99": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    "status 204": answer(b"", 204),
    "status 206": answer(b"{}", 206),
    "status 418": json_answer({"message": "a teapot"}, 418),
    "status 500": answer(b"", 500),
    "status 503 with an endless pause": answer(b"", 503, {"Retry-After": "99999999999"}),
    "status 429 with an odd pause": answer(b"", 429, {"Retry-After": "-5"}),
    "status 429 with a huge pause": answer(b"", 429, {"Retry-After": "9" * 400}),
    "an endless status line": endless(b"HTTP/1.1 200 ", b"O" * 4096),
    "an endless header": endless(HEAD + b"X: ", b"x" * 4096),
    "endless headers": endless(HEAD, b"X-Header: 1\r\n" * 100),
    "endless interim responses": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers that drip": dripping(HEAD + b"X: " + b"x" * 4000),
    "a body that drips": dripping(HEAD + b"\r\n" + b" " * 4000),
    "an endless body": endless(HEAD + b"\r\n", b" " * 65536),
    "an endless gzip body": endless(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + bomb(64)[:-8], bytes(65536)),
    "a gzip bomb": answer(bomb(256), 200, {"Content-Encoding": "gzip", "Content-Type": "application/json"}),
    "a refusal with a gzip bomb": answer(bomb(256), 400, {"Content-Encoding": "gzip"}),
    "a refusal with an endless body": endless(b"HTTP/1.1 400 Bad Request\r\n\r\n", b" " * 65536),
    "a redirect with an endless body": endless(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", b" " * 65536),
    "a redirect to an invalid address": redirect("http://[::1"),
    "a redirect to an invalid port": redirect("http://127.0.0.1:99999/"),
    "a redirect to an odd host": redirect("http://\x80\xff.example/"),
    "a redirect to a file": redirect("file:///etc/passwd"),
    "a redirect without an address": answer(b"", 302),
    "redirects in a circle": lambda url: [redirect(f"{url}/oauth/token", 307)],
    "a chunk of negative length": in_chunks(b"-5\r\n{}\r\n0\r\n\r\n"),
    "a chunk of odd length": in_chunks(b"zz\r\n{}\r\n0\r\n\r\n"),
    "a chunk that is too short": in_chunks(b"ff\r\n{}"),
    "a chunk of endless length": endless(in_chunks(b"ffffffffffff\r\n"), b" " * 65536),
    "endless chunks": endless(in_chunks(), (b"400\r\n" + b" " * 1024 + b"\r\n") * 10),
    "a body cut off": HEAD + b"Content-Length: 1000\r\n\r\n{",
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\n{}",
    "an odd length": HEAD + b"Content-Length: five\r\n\r\n{}",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "invalid gzip": answer(b"{}", 200, {"Content-Encoding": "gzip"}),
    **JSON_BODIES,
    "an error with a lone surrogate": raw_json(b'{"message": "\\ud800", "error": "\\udfff"}', 400),
    "an error with control characters": json_answer({"message": "\x1b[31mred\x1b[0m\r\nERROR forged\x07\x9b"}, 400),
    "an error of a megabyte": json_answer({"message": "x" * 1_000_000}, 400),
    "an error that quotes the credentials": json_answer({"message": "client-secret-value"}, 400),
    "an error that quotes a signed address": json_answer(
        {"message": "https://storage.example/file?X-Amz-Signature=signed-secret"}, 400
    ),
    "a deep error": raw_json(b'{"message": ' + DEEP, 400),
    "a content type with control characters": answer(b"no json", 200, {"Content-Type": "\x1b[31mtext"}),
}


def _token(**changes: object) -> bytes:
    # The server closes the connection after this answer. Unless it says so, the next request may still use it and fail.
    return json_answer(TOKEN | changes, Connection="close")


def _created(value: object) -> bytes:
    return json_answer({"id": value}, 201)


def _status(**fields: object) -> bytes:
    return json_answer({"id": "job-1", **fields})


def _file(data: bytes) -> bytes:
    return answer(data)


def _records(*records: object) -> bytes:
    return answer(gzip.compress(json.dumps(records).encode()))


LINE = json.dumps(RECORDS[0]).encode() + b"\n"
LONG_GZIP_HEADER = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"x" * (30 << 20) + b"\0" + EXPORT[10:]
NO_LENGTH = b"HTTP/1.1 200 OK\r\n\r\n"
SLOW_CSV = NO_LENGTH + EXTRACTION_CSV * 40
SLOW_LINES = NO_LENGTH + LINE * 40
MOSTLY_OTHERS = gzip.compress(LINE + b"{}\n" * 200_000)
PRINTABLE = "".join(map(chr, range(33, 127)))
COOKIES = {"Set-Cookie": f"name={'x' * 60_000}"}
TWICE = "https%253A%252F%252Fs.example%252Ff%253FX-Amz-Signature%253Dsigned-secret"

NOT_IN_TIME = "no complete response within"
TOO_LONG = "longer than 1 MiB"
NO_ADDRESS = "no valid download URL"
NOT_AN_EXPORT = "not an export"
BAD_ID = "job id that is not usable"

SPECIFIC = [
    # The token.
    Case(
        "a lifetime of 400 digits", "token", raw_json(b'{"access_token": "t", "expires_in": ' + b"9" * 400 + b"}"), ""
    ),
    Case("a lifetime that is text", "token", _token(expires_in="3600"), OK),
    Case("a lifetime that is negative", "token", _token(expires_in=-5), ""),
    Case("a lifetime that is not a number", "token", raw_json(b'{"access_token": "t", "expires_in": NaN}'), ""),
    Case("an endless lifetime", "token", raw_json(b'{"access_token": "t", "expires_in": Infinity}'), OK),
    Case("a token with a line break", "token", _token(access_token="a\r\nX: y"), "no usable token"),
    Case("a token that is a list", "token", _token(access_token=["a"]), "no usable token"),
    Case("an empty token", "token", _token(access_token=""), "no usable token"),
    Case("a token error with a lone surrogate", "token", raw_json(b'{"error": "\\ud800"}', 401), "401"),
    Case("a token answer of 2 MiB", "token", _token(padding="x" * (2 << 20)), TOO_LONG),
    Case("a token that drips", "token", dripping(_token()), NOT_IN_TIME),
    Case("a token that drips once", "token", dripping(_token()), NOT_IN_TIME, times=1),
    # The job id.
    Case("an id with a line break", "create", _created("a\nERROR forged"), BAD_ID, most_jobs=1),
    Case("an id with an escape sequence", "create", _created("\x1b[31m"), BAD_ID, most_jobs=1),
    Case("an id with a lone surrogate", "create", raw_json(b'{"id": "\\ud800"}', 201), BAD_ID, most_jobs=1),
    Case("an id of 600 characters", "create", _created("x" * 600), BAD_ID, most_jobs=1),
    Case("an id that is a dot", "create", _created("."), BAD_ID, most_jobs=1),
    Case("an id that is two dots", "create", _created(".."), BAD_ID, most_jobs=1),
    Case("an id that is empty", "create", _created(""), BAD_ID, most_jobs=1),
    Case("an id that is null", "create", _created(None), BAD_ID, most_jobs=1),
    Case("an id that is true", "create", _created(True), BAD_ID, most_jobs=1),  # noqa: FBT003
    Case("an id that is an integer", "create", _created(7), OK, most_jobs=1),
    Case("an id with slashes", "create", _created("a/../b?c#d%"), OK, most_jobs=1),
    Case("an id with text that looks like a path", "create", _created("../../oauth/token"), OK, most_jobs=1),
    # The status.
    Case("a status of another type", "status", _status(status=5), "documented form"),
    Case(
        "a failure with a lone surrogate",
        "status",
        raw_json(b'{"status": "failed", "errorMessage": "\\ud800"}'),
        "ud800",
    ),
    Case("a failure with control characters", "status", _status(status="failed", errorMessage="\x1b[2J\n\x07"), "x1b"),
    Case("a failure whose reason is a list", "status", _status(status="failed", errorMessage=["a", {}]), ""),
    # The file.
    Case("a file of another type", "download", _file(b"%PDF-1.7 not an export"), NOT_AN_EXPORT, most_jobs=2),
    Case("a file of blanks", "download", _file(b" \r\n "), "", most_jobs=2),
    Case("a file of null", "download", _file(b"[null]"), NOT_AN_EXPORT, most_jobs=2),
    Case("a file with an error in a list", "download", _file(b'[{"error": "internal"}]'), NOT_AN_EXPORT, most_jobs=2),
    Case("a file of two errors", "download", _file(b'{"type": "error"}\n' * 2), NOT_AN_EXPORT, most_jobs=2),
    Case("a file with an error", "download", _file(b'{"error": "internal"}'), NOT_AN_EXPORT, most_jobs=2),
    Case("a file with an error once", "download", _file(b'{"error": "internal"}'), OK, times=1, most_jobs=1),
    Case("records in an object", "download", _file(json.dumps({"records": RECORDS}).encode()), "list", most_jobs=1),
    Case(
        "records in an indented object",
        "download",
        _file(json.dumps({"records": RECORDS}, indent=2).encode()),
        "list",
        most_jobs=1,
    ),
    Case("a file in UTF-16", "download", _file(json.dumps(RECORDS).encode("utf-16")), "UTF-16", most_jobs=1),
    Case(
        "a first line that is not an object",
        "download",
        _file(b"null\n" + b"\n".join(json.dumps(r).encode() for r in RECORDS)),
        OK,
    ),
    Case(
        "a record of 5 MiB",
        "download",
        _records(RECORDS[0] | {"note": "x" * (5 << 20)}),
        "longer than 4 MiB",
        most_jobs=1,
    ),
    Case("zeros without an end", "download", answer(bomb(256, b"\0")), "longer than", most_jobs=1),
    Case("commas without an end", "download", answer(bomb(256, b",")), "longer than", most_jobs=1),
    Case("brackets without an end", "download", answer(bomb(256, b"[")), "longer than", most_jobs=1),
    Case("line breaks without an end", "download", answer(bomb(64, b"\n")), "", most_jobs=2),
    Case(
        "ones without an end", "download", answer(gzip.compress(b"[" + b"1," * 3_000_000)), NOT_AN_EXPORT, most_jobs=2
    ),
    Case("a file that drips", "download", dripping(answer(EXPORT)), NOT_IN_TIME),
    Case("a file that drips once", "download", dripping(answer(EXPORT)), OK, times=1),
    Case(
        "dates at the ends of time",
        "download",
        _records(*RECORDS, RECORDS[0] | {"id": "x", "dateFrom": "9999-12-31T23:59:59-23:59"}),
        OK,
    ),
    Case(
        "a file without a length that drips",
        "download",
        dripping(SLOW_CSV),
        NOT_IN_TIME,
        surface="extraction",
    ),
    Case("lines without a length that drip", "download", dripping(SLOW_LINES), NOT_IN_TIME),
    Case("a gzip header of 30 MiB", "download", _file(LONG_GZIP_HEADER), "damaged"),
    Case(
        "a record and 200,000 other items",
        "download",
        _file(gzip.compress(LINE + b"{}\n" * 200_000)),
        NOT_AN_EXPORT,
        most_jobs=2,
    ),
    Case("a record a million times", "download", _file(gzip.compress(LINE * 1_000_000)), ""),
    Case("a record that is nested deeply", "download", _file(b"\n".join([LINE.strip(), b'{"x":' + DEEP, LINE])), ""),
    Case(
        "the id of another window", "create", b"", "the id of the job of another window", times=0, most_jobs=2, days=3
    ),
    Case("a job that is not known", "status", answer(b"", 404), days=30, most_jobs=2),
    Case("a file that is not known", "download", answer(b"", 404), days=30, most_jobs=2),
    Case("a file that is gone", "download", answer(b"", 410), days=30, most_jobs=2),
    Case("an object without an id", "create", raw_json(b"{}", 201), BAD_ID, most_jobs=1),
    Case("a refresh token of a megabyte", "token", _token(refresh_token=PRINTABLE * 9000), "no usable token"),
    Case("many tokens of 30 kB", "token", _token(refresh_token=PRINTABLE * 300, expires_in=0.001), OK),
    Case("cookies without an end", "status", answer(b'{"status": "running"}', 200, COOKIES), OK, times=9),
    Case(
        "a signed query in other words",
        "create",
        json_answer({"message": "X-Amz-Signature: signed-secret"}, 400),
        "***",
    ),
    Case("a signed address, encoded twice", "create", json_answer({"message": TWICE}, 400), "***"),
    # The address of the file.
    *(
        Case(f"a file at {name}", "status", to_storage(target), error, surface="extraction")
        for name, target, error in [
            ("its own server", "{url}/storage/file.csv?X-Amz-Signature=signed-secret", OK),
            ("a file address", "file:///etc/passwd", NO_ADDRESS),
            ("an ftp address", "ftp://127.0.0.1/file.csv", NO_ADDRESS),
            ("an address with a user", "http://user:password@127.0.0.1/file.csv", NO_ADDRESS),
            ("an address with control characters", "http://\x1b[31mstorage/file.csv", NO_ADDRESS),
            ("an address without a host", "http:///file.csv", NO_ADDRESS),
            ("an invalid port", "http://127.0.0.1:99999/file.csv", NO_ADDRESS),
            ("an invalid address", "http://[::1/file.csv", NO_ADDRESS),
            ("an empty address", "", NO_ADDRESS),
        ]
    ),
    Case("an id that is an integer", "create", json_answer(7), OK, surface="extraction", most_jobs=1),
    Case(
        "a listed id with a line break",
        "list",
        json_answer({"jobs": [{"id": "a\nb", "status": "RUNNING"}]}),
        surface="extraction",
    ),
    Case(
        "a listed id with a lone surrogate",
        "list",
        raw_json(b'{"jobs": [{"id": "\\ud800", "status": "RUNNING"}]}'),
        surface="extraction",
    ),
    Case("a list of 5 MiB", "list", json_answer({"jobs": [], "x": "x" * (5 << 20)}), surface="extraction"),
    Case(
        "a key column twice",
        "download",
        _file(b"segmentId,Segment ID,startDate\r\na,b,2024-01-01\r\n"),
        "",
        surface="extraction",
        most_jobs=1,
    ),
    Case(
        "a file without rows", "download", _file(EXTRACTION_CSV.split(b"\r\n")[0] + b"\r\n"), "", surface="extraction"
    ),
    Case("a web page", "download", _file(b"<html></html>"), "web page", surface="extraction"),
    Case("blanks", "download", _file(b"\r\n"), "", surface="extraction", most_jobs=2),
]

CALLS: tuple[Call, ...] = ("token", "create", "status", "download")

CASES = [
    *(Case(name, call, script) for call in CALLS for name, script in ANY_CALL.items()),
    # The calls of the other API are sent by the same code, and parsed by code of their own.
    *(
        Case(name, call, script, surface="extraction")
        for call in (*CALLS, "list")
        for name, script in JSON_BODIES.items()
    ),
    *SPECIFIC,
]
