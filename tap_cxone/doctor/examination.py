"""The examination: all checks in their order. What depends on a failed one is skipped."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_cxone.dates import utc_now
from tap_cxone.doctor.findings import Finding, Outcome, ok, problem, skipped
from tap_cxone.doctor.machine import check_files, check_work_dir
from tap_cxone.doctor.network import check_address
from tap_cxone.doctor.platform import check_slots, check_token
from tap_cxone.doctor.trial import check_stream
from tap_cxone.errors import CxoneError
from tap_cxone.jobs.analytics import AnalyticsExports
from tap_cxone.jobs.data_extraction import DataExtraction
from tap_cxone.misspelled import unknown_settings
from tap_cxone.tap import TapCXone

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from tap_cxone.config.access import Access
    from tap_cxone.streams.base import ExportStream

_SURFACES = {AnalyticsExports: "analytics exports", DataExtraction: "Data Extraction jobs"}
RETRY_SECONDS = 45.0
"""Seconds for all attempts and pauses of one call: Data Extraction demands half a minute between two creates."""


def examine(tap: TapCXone, tell: Callable[[str], None], *, quick: bool) -> Iterator[Finding]:
    """Yield the findings, each as soon as it is known.

    Args:
        tap: the tap, whose settings are valid.
        tell: shows what is being waited for.
        quick: whether to create no job.
    """
    context = tap.run_context
    context.retry_budget = RETRY_SECONDS
    unknown = list(check_names(tap.config, os.environ))
    yield from unknown or [ok("settings", f"valid; auth_method {context.settings.access.method}")]
    if context.settings.start_date > utc_now():
        yield problem("start_date", "it lies in the future, so a first run loads nothing: set an earlier date")
    streams: list[ExportStream] = [stream for stream in tap.streams.values() if stream.selected]  # type: ignore[misc]
    for stream in streams:
        stream.ABORT_AT_RECORD_COUNT = 1  # as --test does, so that the audit log gets no events
    yield (work_dir := check_work_dir(context.settings))
    yield from check_files(context.settings)
    usable = yield from _check_selection(tap, streams)
    has_access = yield from _check_access(tap)
    if has_access and work_dir.outcome is Outcome.OK:
        yield from _check_exports(tap, usable, tell, quick=quick)
    else:
        yield skipped("exports", "they need what has failed above")


def check_names(config: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a problem for each setting that does not exist."""
    known = TapCXone.config_jsonschema["properties"]
    for sentence in unknown_settings(config, environment, TapCXone.env_prefix(), known):
        yield problem("settings", sentence)


def _check_selection(tap: TapCXone, streams: list[ExportStream]) -> Generator[Finding, None, list[ExportStream]]:
    """Check the selection; return the streams that have the settings that they need."""
    for sentence in (*tap.unknown_selections(), *tap.unknown_mappings()):
        yield problem("selection", sentence)
    if not streams:
        yield problem("selection", f"no stream is selected: select at least one of {', '.join(tap.streams)}")
        return []
    yield ok("selection", ", ".join(stream.name for stream in streams))
    usable = []
    for stream in streams:
        try:
            stream.check_settings()
            usable.append(stream)
        except CxoneError as err:
            yield problem(f"stream {stream.name}", err.message)
    return usable


def _check_access(tap: TapCXone) -> Generator[Finding, None, bool]:
    """Check addresses and credentials; return whether the API can be used."""
    context = tap.run_context
    try:
        access = context.settings.access.connect()
    except CxoneError as err:
        yield problem("sandbox", err.message)
        return False
    answers = True
    for url, settings in _addresses(access, tap.config).items():
        answers = (yield from check_address(url, settings)) and answers
    if not answers:
        yield skipped("token", "the address cannot be used")
        return False
    yield (token := check_token(context))
    if token.outcome is Outcome.OK and not access.api_url:
        return (yield from check_address(context.client.api_url(), "the setting 'issuer'"))
    return token.outcome is Outcome.OK


def _addresses(access: Access, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the known addresses, one for each server, and for each the setting that determines it."""

    def setting(*names: str) -> str:
        return f"the setting '{next((name for name in names if config.get(name)), names[-1])}'"

    api = setting("api_url", "region") if access.method == "access_key" else setting("api_url")
    if access.auth_url is None:
        addresses = {access.issuer: "the setting 'issuer'"}
    else:
        token = ("auth_url", "region") if access.method == "access_key" else ("auth_url", "api_url")
        addresses = {access.auth_url: setting(*token)}
    if access.api_url and _server(access.api_url) not in map(_server, addresses):
        addresses[access.api_url] = api
    return addresses


def _server(url: str) -> str:
    return urlsplit(url).netloc


def _check_exports(
    tap: TapCXone, streams: list[ExportStream], tell: Callable[[str], None], *, quick: bool
) -> Iterator[Finding]:
    usable: dict[type, bool] = {}
    for stream in streams:
        api = stream.job_api()
        surface = type(api)
        if surface not in usable:
            finding = check_slots(_SURFACES[surface], api)
            usable[surface] = finding.outcome is Outcome.OK
            if not (usable[surface] or stream.is_available):
                finding = replace(finding, text=f"{finding.text} {stream.unavailable_hint}")
            yield finding
        if not usable[surface]:
            yield skipped(f"stream {stream.name}", "it needs a free slot")
        elif quick:
            yield skipped(f"stream {stream.name}", "no job with --quick")
        else:
            yield from check_stream(stream, api, tap.run_context, tell)
