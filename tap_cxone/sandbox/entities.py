"""The Data Extraction entities and their rows: an endless, deterministic table per entity, computed on demand.

A row only depends on the entity, the day and its number. Every cell is a string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_cxone.sandbox.events import FIRST_DAY
from tap_cxone.sandbox.rows import QUESTIONS, RowSeed, make_payroll, make_question, make_recording, make_workflow
from tap_cxone.sandbox.variations import BAD, is_selected, row_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, datetime

    from tap_cxone.sandbox.rows import Row
    from tap_cxone.sandbox.variations import Lateness

_DAY, _MILLISECOND = 86_400_000, timedelta(milliseconds=1)
_HEADER_WORDS = re.compile(r"[^\W_]+|%")


@dataclass(frozen=True)
class Entity:
    """A Data Extraction entity."""

    name: str
    versions: dict[str, tuple[str, ...]]  # the columns of each version, in their order
    key: tuple[str, ...]  # the columns that identify a row
    make_row: Callable[[RowSeed], Row]  # generates a row with the columns of all versions
    rows_per_moment: int = 1  # how many successive rows have the same time

    def key_of(self, row: Row) -> str:
        """Return the key of a row, unique within the entity."""
        return row_key(row, self.key)

    def is_bad(self, row: Row, share: float) -> bool:
        """Return whether the row has a wrong number of cells in every file."""
        return is_selected(self.key_of(row), BAD, share)


_WORKFLOW_COLUMNS = (
    *("Tenant Name", "Agent ID", "Type", "Evaluation Flow Trigger", "Workflow Status", "Auto Acknowledged"),
    *("Workflow State", "Workflow ID", "Plan Name", "Form Name", "Form Version", "Start Date", "Submission Date"),
    *("Last Updated", "Score Percentage", "Score", "Maximum Possible Score", "Rank", "Failed Critical Question"),
    *("User Review Comments", "Dispute Resolver Comments", "Segment ID", "ACD ID", "Interaction Type"),
    *("Interaction Start Date", "Interaction End Date", "Interaction Direction", "Team ID", "Team Name"),
    *("Phone Number", "Firstname (Eva)", "Lastname (Eva)", "Firstname (Agent)", "Lastname (Agent)"),
    *("Firstname (Disp)", "Lastname (Disp)", "Firstname (Assigner)", "Lastname (Assigner)"),
    *("Job Start Date", "Job End Date"),
)
# Which columns versions 1 and 4 have is not known: here, version 1 lacks some, and version 4 has two more.
_NEW_IN_3 = {"Evaluation Flow Trigger", "Auto Acknowledged", "Rank", "Firstname (Assigner)", "Lastname (Assigner)"}
_QUESTION_COLUMNS = (
    *("Actual Score", "Answer", "Question ID", "Question Title", "Question Number", "Options", "Form ID", "Form Name"),
    *("Form Version", "Evaluation Score %", "Evaluation Start Date", "Evaluation Submission Date", "Workflow Type"),
    *("Section ID", "Section Title", "Section Score %", "Max Score", "Agent ID", "Firstname (Agent)"),
    *("Lastname (Agent)", "Team ID", "Team Name", "Firstname (Eva)", "Lastname (Eva)", "Critical"),
    *("Failed Critical Question", "Mandatory", "Scorable", "Question Type", "Segment ID", "Interaction Start Date"),
    *("Interaction End Date", "WorkflowInstance ID", "Bank ID"),
)
_SEGMENT = (
    *("Segment ID", "ACD Call ID", "Start Date", "End Date", "Agent 1 Name", "Agent 1 ACD ID", "Agent 1 Team"),
    *("Agent 1 Skills", "ANI", "DNIS"),
)

_ALL = (
    Entity(
        "recording-interaction-metadata",
        {
            "7": (*_SEGMENT, "Disposition", "Voice Recording Status", "Notes"),
            "10": (*_SEGMENT, "Disposition", "Voice Recording Status", "Notes", "Sentiment"),
            "12": (*_SEGMENT, "Voice Recording Status", "Notes", "Sentiment", "Channel"),
        },
        ("Segment ID",),
        make_recording,
    ),
    Entity(
        "qm-workflows",
        {
            "1": tuple(column for column in _WORKFLOW_COLUMNS if column not in _NEW_IN_3),
            "3": _WORKFLOW_COLUMNS,
            "4": (*_WORKFLOW_COLUMNS, "Calibration", "Comment"),
        },
        ("Workflow ID",),
        make_workflow,
    ),
    Entity(
        "qm-questions",
        {"1": _QUESTION_COLUMNS},
        ("WorkflowInstance ID", "Question ID"),
        make_question,
        rows_per_moment=len(QUESTIONS),
    ),
    Entity("wfm-payroll", {"1": ("Payroll ID", "Date", "Agent Name", "Hours")}, ("Payroll ID",), make_payroll),
)
ENTITIES = {entity.name: entity for entity in _ALL}


def spell_header(header: str, spelling: str) -> str:
    """Return a header in a spelling: words (as it is), camel or capitals."""
    if spelling == "words":
        return header
    words = _HEADER_WORDS.findall(header)
    if spelling == "capitals":
        return "_".join(words).upper()
    return "".join([words[0].lower(), *(word.capitalize() for word in words[1:])])


class RowStream:
    """The rows of a platform with `rows_per_day` rows of each entity per day; every `quiet_days`-th day has none."""

    def __init__(self, rows_per_day: int, quiet_days: int, lateness: Lateness) -> None:
        """Set the number of rows per day; `quiet_days` 0 means that every day has rows."""
        self._per_day = rows_per_day
        self._quiet_days = quiet_days
        self._lateness = lateness

    def between(self, entity: str, version: str, start: date, end: date, now: datetime) -> Iterator[Row]:
        """Yield the rows of the days [start, end) that files hold now, by date, in the columns of the version."""
        table = ENTITIES[entity]
        columns = table.versions[version]
        last = (now - FIRST_DAY) // _MILLISECOND
        for seed in self._seeds(table, start, end, last):
            age = timedelta(milliseconds=last - seed.milliseconds)
            if row := self._lateness.row(table.make_row(seed), table.key, age):
                yield {column: row[column] for column in columns}

    def _seeds(self, entity: Entity, start: date, end: date, last: int) -> Iterator[RowSeed]:
        first_day = FIRST_DAY.date()
        for day in range(max(0, (start - first_day).days), min((end - first_day).days, last // _DAY + 1)):
            if self._quiet_days and day % self._quiet_days == self._quiet_days - 1:
                continue
            for number in range(self._per_day):
                moment = day * _DAY + self._offset(day, number - number % entity.rows_per_moment)
                if moment > last:
                    return
                yield RowSeed(entity.name, day, number, moment)

    def _offset(self, day: int, number: int) -> int:
        """Return the time of a row in milliseconds after midnight; the first row of a day is at midnight exactly."""
        if not number:
            return 0
        # The jitter is smaller than the distance between two rows, so the order never changes.
        jitter = (day * self._per_day + number) * 2_654_435_761 % 2**32 % max(1, _DAY // self._per_day)
        return number * _DAY // self._per_day + jitter
