"""Job ids: which of those that a platform sends are used."""

from __future__ import annotations

import pytest

from tap_cxone.jobs.model import MAX_JOB_ID_CHARACTERS, InvalidJobIdError, valid_job_id


@pytest.mark.parametrize(
    ("sent", "job_id"),
    [
        ("7f0c", "7f0c"),
        ("a/b+c==", "a/b+c=="),
        ("../token", "../token"),
        ("...", "..."),
        ("an id", "an id"),
        ("東京", "東京"),
        ("x" * MAX_JOB_ID_CHARACTERS, "x" * MAX_JOB_ID_CHARACTERS),
        (7, "7"),
        (0, "0"),
    ],
)
def test_printable_text_and_integers_are_ids(sent: object, job_id: str) -> None:
    assert valid_job_id(sent) == job_id


@pytest.mark.parametrize(
    "sent",
    [
        *("", ".", "..", "a\nb", "\x1b[31m", "\x00", "\x9b", "\ud800", "\u202e", "\u2028"),
        *("x" * (MAX_JOB_ID_CHARACTERS + 1), None, True, 1.5, ["a"], {"id": "a"}),
    ],
)
def test_anything_else_is_not(sent: object) -> None:
    with pytest.raises(InvalidJobIdError, match=f"printable text of up to {MAX_JOB_ID_CHARACTERS} characters"):
        valid_job_id(sent)
