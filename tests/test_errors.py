"""Exit codes by class of error, as the page for orchestrators describes them."""

from __future__ import annotations

import re

import pytest

from tap_cxone import errors
from tests.environments import PROJECT

EXPECTED = {
    errors.CxoneError: (1, False),
    errors.UsageError: (2, False),
    errors.SettingsError: (2, False),
    errors.FatalError: (2, False),
    errors.RefusedError: (3, False),
    errors.ThrottledError: (3, False),
    errors.StorageRefusedError: (5, False),
    errors.UnavailableError: (4, True),
    errors.OutcomeUnknownError: (4, True),
    errors.CorruptExportError: (5, False),
    errors.ExportFailedError: (5, False),
    errors.DiskError: (1, False),
    errors.OutputError: (1, False),
    errors.RunCancelledError: (1, True),
}


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
def test_each_class_of_error_has_its_exit_code(kind: type[errors.CxoneError]) -> None:
    assert (kind.exit_code, kind.retryable) == EXPECTED[kind]


def test_the_page_for_orchestrators_has_every_exit_code() -> None:
    page = (PROJECT / "docs" / "fleet" / "README.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert documented == {0} | {code for code, _ in EXPECTED.values()}
