"""Findings of the doctor: one line for each check. No finding holds a secret or a record value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tap_cxone.errors import CxoneError

if TYPE_CHECKING:
    from collections.abc import Callable


class Outcome(StrEnum):
    """Outcome of a check."""

    OK = "ok"
    PROBLEM = "problem"
    SKIPPED = "skipped"
    """It was not made, because of an earlier problem, or because it does not apply."""


@dataclass(frozen=True)
class Finding:
    """Outcome of one check.

    Attributes:
        check: what was checked.
        outcome: outcome of the check.
        text: what was found; for a problem, what to do about it.
    """

    check: str
    outcome: Outcome
    text: str


def ok(check: str, text: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(check, Outcome.OK, text)


def problem(check: str, text: str) -> Finding:
    """Return the finding that there is something to do."""
    return Finding(check, Outcome.PROBLEM, text)


def skipped(check: str, text: str) -> Finding:
    """Return the finding that a check was not made."""
    return Finding(check, Outcome.SKIPPED, text)


def found(check: str, step: Callable[[], str]) -> Finding:
    """Make a check: what it returns is well, and the message of an error that ends a run is a problem."""
    try:
        return ok(check, step())
    except CxoneError as err:
        return problem(check, err.message)
