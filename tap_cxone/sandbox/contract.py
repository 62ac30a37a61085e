"""What may be asked for: the bodies of the create calls, checked field by field as strictly as the contract reads.

Pure; knows nothing of HTTP. Raises `InvalidRequestError`, whose text names the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tap_cxone.sandbox.entities import ENTITIES
from tap_cxone.sandbox.events import parse_wire

LONGEST_RANGE = timedelta(days=30)
LONGEST_EXTRACTION = timedelta(days=14)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TYPE_FILTER = re.compile(r"type eq '([^']*)'")


class InvalidRequestError(ValueError):
    """The platform refuses what it was asked for (status 400)."""


@dataclass(frozen=True)
class ExportRequest:
    """A valid create call: the body as it came, and what it says."""

    body: dict[str, Any]
    date_from: datetime
    date_to: datetime
    event_type: str
    format: str
    compression: str | None
    include_headers: bool

    def held_range(self, now: datetime, *, inclusive: bool) -> tuple[datetime, datetime]:
        """Return the half-open range of starts that the export holds; nothing that starts after now is known."""
        millisecond = timedelta(milliseconds=1)
        end = self.date_to + millisecond if inclusive else self.date_to
        return self.date_from, min(end, now + millisecond)


@dataclass(frozen=True)
class ExtractionRequest:
    """A valid create call of the Data Extraction API."""

    entity: str
    version: str
    start_date: date
    end_date: date

    def held_days(self, *, inclusive: bool) -> tuple[date, date]:
        """Return the first day that the file holds and the day behind its last."""
        return self.start_date, self.end_date + timedelta(days=1) if inclusive else self.end_date


def parse_export_request(body: object) -> ExportRequest:
    """Check the decoded JSON body of a create call."""
    top = _members(body, "body", required=("query", "exportType", "format"), optional=("compression", "includeHeaders"))
    query = _members(top["query"], "query", required=("dateFrom", "dateTo", "filter"))
    date_from, date_to = _date(query, "dateFrom"), _date(query, "dateTo")
    if date_from >= date_to:
        _refuse("query.dateTo", "must be later than query.dateFrom")
    if date_to - date_from > LONGEST_RANGE:
        _refuse("query.dateTo", "must be at most 30 days after query.dateFrom")
    _one_of(top, "exportType", "conversation")
    _one_of(top, "format", "json", "csv")
    _one_of(top, "compression", "gzip", None)
    include_headers = top.get("includeHeaders", True)
    if not isinstance(include_headers, bool):
        _refuse("includeHeaders", "must be true or false")
    return ExportRequest(
        body=top,
        date_from=date_from,
        date_to=date_to,
        event_type=_event_type(query["filter"]),
        format=top["format"],
        compression=top.get("compression"),
        include_headers=include_headers,
    )


def parse_extraction_request(body: object) -> ExtractionRequest:
    """Check the decoded JSON body of a create call of the Data Extraction API."""
    top = _members(body, "body", required=("entityName", "version", "startDate", "endDate"))
    for key, value in top.items():
        if not isinstance(value, str):
            _refuse(key, "must be a string")
    name, version = top["entityName"], top["version"]
    if name not in ENTITIES:
        _refuse("entityName", f"'{name}' is none of {', '.join(ENTITIES)}")
    versions = ENTITIES[name].versions
    if version not in versions:
        _refuse("version", f"'{version}' is none of {', '.join(versions)}, the versions of {name}")
    start, end = _day(top, "startDate"), _day(top, "endDate")
    if end < start:
        _refuse("endDate", "must not be before startDate")
    if end - start > LONGEST_EXTRACTION:
        _refuse("endDate", "must be at most 14 days after startDate")
    return ExtractionRequest(name, version, start, end)


def _day(top: dict[str, Any], key: str) -> date:
    try:
        if _DAY.fullmatch(top[key]):
            return date.fromisoformat(top[key])
    except ValueError:
        pass
    msg = f"{key}: '{top[key]}' is not a date of the form YYYY-MM-DD"
    raise InvalidRequestError(msg)


def _refuse(name: str, reason: str) -> None:
    msg = f"{name}: {reason}"
    raise InvalidRequestError(msg)


def _members(value: object, name: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = f"{name}: must be a JSON object"
        raise InvalidRequestError(msg)
    prefix = "" if name == "body" else f"{name}."
    for key in required:
        if key not in value:
            _refuse(prefix + key, "is missing")
    for key in value:
        if key not in required and key not in optional:
            _refuse(prefix + key, "is not known")
    return value


def _date(query: dict[str, Any], key: str) -> datetime:
    value = query[key]
    try:
        return parse_wire(value)
    except TypeError as err:
        msg = f"query.{key}: must be a string"
        raise InvalidRequestError(msg) from err
    except ValueError as err:
        msg = f"query.{key}: '{value}' is not a date of the form YYYY-MM-DDTHH:MM:SS.mmmZ"
        raise InvalidRequestError(msg) from err


def _one_of(top: dict[str, Any], key: str, *choices: str | None) -> None:
    if top.get(key) not in choices:
        _refuse(key, "must be " + " or ".join("null" if choice is None else f"'{choice}'" for choice in choices))


def _event_type(text: object) -> str:
    if not isinstance(text, str):
        msg = "query.filter: must be a string"
        raise InvalidRequestError(msg)
    match = _TYPE_FILTER.fullmatch(text)
    if match is None:
        msg = f"query.filter: cannot read '{text}'; only type eq '...' is understood"
        raise InvalidRequestError(msg)
    return match[1]
