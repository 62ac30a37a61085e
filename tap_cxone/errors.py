"""What a user is told when a run cannot go on: one sentence, no traceback, no secret.

click, which the SDK's command line is made of, shows a ``ClickException`` and exits with its code.
"""

from __future__ import annotations

import logging
from typing import IO, Any

import click
from typing_extensions import override


class CxoneError(click.ClickException):
    """An end of the run that the user can do something about. Exit code 1."""

    @override
    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence to the log, where an orchestrator looks for it."""
        logging.getLogger("tap-cxone").error("%s", self.message)


class SettingsError(CxoneError):
    """A setting is missing or impossible; the message names it."""


class RefusedError(CxoneError):
    """The platform refused a request for a reason that does not pass by itself.

    Attributes:
        status: HTTP status of the refusal.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ThrottledError(RefusedError):
    """A request that may not be repeated blindly was refused in a way that may mean "throttled".

    It was not carried out. The message names both causes, since the platform says the same to a missing permission.
    """


class StorageRefusedError(RefusedError):
    """Not the platform but its storage refused a download, fresh pre-signed addresses notwithstanding."""


class UnavailableError(CxoneError):
    """Something that usually passes (connection, 429, 5xx) did not pass within its budget."""


class AnswerLostError(UnavailableError):
    """A request that may not be repeated blindly was sent, and its answer did not arrive."""


class CorruptExportError(CxoneError):
    """An export file is cut off or damaged."""


class UnfitExportError(CorruptExportError):
    """An export file is whole, but cannot be this stream's; the message says what to change."""


class ExportFailedError(CxoneError):
    """A window could not be exported: its job failed, timed out or could not be downloaded."""
