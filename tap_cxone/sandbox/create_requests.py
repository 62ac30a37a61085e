"""The requests that create jobs, strictly validated. An error message starts with the name of the field."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NoReturn

from tap_cxone.sandbox.entities import ENTITIES
from tap_cxone.sandbox.events import parse_timestamp

_MAX_EXPORT_RANGE = timedelta(days=30)
_MAX_EXTRACTION_RANGE = timedelta(days=14)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TYPE_FILTER = re.compile(r"type eq '([^']*)'")


class InvalidRequestError(ValueError):
    """The body of a create request is not valid (status 400)."""


@dataclass(frozen=True)
class ExportRequest:
    """A valid request for an analytics export: the JSON body and its parsed fields."""

    body: dict[str, Any]
    date_from: datetime
    date_to: datetime
    event_type: str
    format: str
    compression: str | None
    include_headers: bool

    @property
    def length(self) -> timedelta:
        """The length of the requested range."""
        return self.date_to - self.date_from

    def covered_range(self, now: datetime, *, inclusive: bool) -> tuple[datetime, datetime]:
        """Return the half-open range of event starts that the export covers; it has no events after now."""
        millisecond = timedelta(milliseconds=1)
        end = self.date_to + millisecond if inclusive else self.date_to
        return self.date_from, min(end, now + millisecond)


@dataclass(frozen=True)
class ExtractionRequest:
    """A valid request for a Data Extraction job."""

    entity: str
    version: str
    start_date: date
    end_date: date

    @property
    def length(self) -> timedelta:
        """The length of the requested range."""
        return self.end_date - self.start_date

    def covered_days(self, *, inclusive: bool) -> tuple[date, date]:
        """Return the days that the file covers as a half-open range."""
        return self.start_date, self.end_date + timedelta(days=1) if inclusive else self.end_date


def parse_export_request(body: object) -> ExportRequest:
    """Validate the decoded JSON body of a request for an analytics export, or raise an `InvalidRequestError`."""
    fields = _check_fields(
        body, "body", required=("query", "exportType", "format"), optional=("compression", "includeHeaders")
    )
    query = _check_fields(fields["query"], "query", required=("dateFrom", "dateTo", "filter"))
    date_from, date_to = _parse_date(query, "dateFrom"), _parse_date(query, "dateTo")
    if date_from >= date_to:
        _reject("query.dateTo", "must be later than query.dateFrom")
    if date_to - date_from > _MAX_EXPORT_RANGE:
        _reject("query.dateTo", "must be at most 30 days after query.dateFrom")
    _check_choice(fields, "exportType", "conversation")
    _check_choice(fields, "format", "json", "csv")
    _check_choice(fields, "compression", "gzip", None)
    include_headers = fields.get("includeHeaders", True)
    if not isinstance(include_headers, bool):
        _reject("includeHeaders", "must be true or false")
    return ExportRequest(
        body=fields,
        date_from=date_from,
        date_to=date_to,
        event_type=_parse_filter(query["filter"]),
        format=fields["format"],
        compression=fields.get("compression"),
        include_headers=include_headers,
    )


def parse_extraction_request(body: object) -> ExtractionRequest:
    """Validate the decoded JSON body of a request for a Data Extraction job, or raise an `InvalidRequestError`."""
    fields = _check_fields(body, "body", required=("entityName", "version", "startDate", "endDate"))
    for key, value in fields.items():
        if not isinstance(value, str):
            _reject(key, "must be a string")
    name, version = fields["entityName"], fields["version"]
    if name not in ENTITIES:
        _reject("entityName", f"must be one of {', '.join(ENTITIES)}, not '{name}'")
    versions = ENTITIES[name].versions
    if version not in versions:
        _reject("version", f"must be one of {', '.join(versions)} for {name}, not '{version}'")
    start, end = _parse_day(fields, "startDate"), _parse_day(fields, "endDate")
    if end < start:
        _reject("endDate", "must not be before startDate")
    if end - start > _MAX_EXTRACTION_RANGE:
        _reject("endDate", "must be at most 14 days after startDate")
    return ExtractionRequest(name, version, start, end)


def _reject(name: str, reason: str) -> NoReturn:
    msg = f"{name}: {reason}"
    raise InvalidRequestError(msg)


def _check_fields(
    value: object, name: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    if not isinstance(value, dict):
        _reject(name, "must be a JSON object")
    prefix = "" if name == "body" else f"{name}."
    for key in required:
        if key not in value:
            _reject(prefix + key, "is required")
    for key in value:
        if key not in required and key not in optional:
            _reject(prefix + key, "is not a known field")
    return value


def _check_choice(fields: dict[str, Any], key: str, *choices: str | None) -> None:
    if fields.get(key) not in choices:
        _reject(key, "must be " + " or ".join("null" if choice is None else f"'{choice}'" for choice in choices))


def _parse_date(query: dict[str, Any], key: str) -> datetime:
    try:
        return parse_timestamp(query[key])
    except TypeError:
        _reject(f"query.{key}", "must be a string")
    except ValueError:
        _reject(f"query.{key}", f"'{query[key]}' is not a date of the form YYYY-MM-DDTHH:MM:SS.mmmZ")


def _parse_day(fields: dict[str, Any], key: str) -> date:
    with suppress(ValueError):
        if _DAY.fullmatch(fields[key]):
            return date.fromisoformat(fields[key])
    _reject(key, f"'{fields[key]}' is not a date of the form YYYY-MM-DD")


def _parse_filter(text: object) -> str:
    if not isinstance(text, str):
        _reject("query.filter", "must be a string")
    match = _TYPE_FILTER.fullmatch(text)
    if match is None:
        _reject("query.filter", f"'{text}' is not supported; use type eq '...'")
    return match[1]
