"""The Data Extraction entities: versions, columns, keys and how the cells of a row are generated.

A row only depends on the entity, the day and its number. It has the columns of all versions; every cell is a string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cxone.sandbox.quality import (
    QUESTION_COLUMNS,
    QUESTIONS,
    WORKFLOW_COLUMNS,
    WORKFLOW_COLUMNS_1,
    WORKFLOW_COLUMNS_4,
    make_question,
    make_workflow,
)
from tap_cxone.sandbox.seeds import AGENTS, TEAMS, TEXTS, iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.sandbox.seeds import Row, RowSeed

_SKILLS = ("Billing", "Billing, Retention", "Orders, Returns, Delivery", "Technical Support", "Español")
_DISPOSITIONS = ("Resolved", "Callback Agreed", "Escalated", "No Sale", "Abandoned")
_RECORDED = ("Recorded", "Partially Recorded", "Not Recorded")
_SENTIMENTS = ("Positive", "Neutral", "Negative", "Mixed")
_CHANNELS = ("Voice", "Chat", "Email", "Digital")
_HEADER_WORDS = re.compile(r"[^\W_]+|%")


@dataclass(frozen=True)
class Entity:
    """A Data Extraction entity.

    Attributes:
        name: the entityName.
        versions: the columns of each version, in their order.
        key: the columns that identify a row.
        make_row: generates a row from its seed.
        rows_per_moment: how many successive rows have the same time.
    """

    name: str
    versions: dict[str, tuple[str, ...]]
    key: tuple[str, ...]
    make_row: Callable[[RowSeed], Row]
    rows_per_moment: int = 1


def _recording(seed: RowSeed) -> Row:
    """Generate a recorded segment of a call. Two segments share a call; agent ids have leading zeros."""
    agent = seed.next_below(len(AGENTS))
    end = seed.milliseconds + 1000 * seed.next_below(1800) + seed.next_below(1000)
    return {
        "Segment ID": seed.guid,
        "ACD Call ID": f"{500_000_000_000 + seed.day * 1_000_000 + seed.number // 2}",
        "Start Date": iso(seed.milliseconds),
        "End Date": seed.maybe_empty(iso(end), 4),
        "Agent 1 Name": seed.maybe_empty(AGENTS[agent], 6),
        "Agent 1 ACD ID": f"{agent + 41:06}",
        "Agent 1 Team": seed.choose(TEAMS, 10),
        "Agent 1 Skills": seed.choose(_SKILLS, 20),
        "ANI": seed.maybe_empty(f"+1555{seed.next_below(10_000_000):07}", 8),
        "DNIS": f"00800{seed.next_below(40):04}",
        "Disposition": seed.choose(_DISPOSITIONS, 30),
        "Voice Recording Status": seed.choose(_RECORDED),
        "Notes": seed.choose(TEXTS, 50),
        "Sentiment": seed.choose(_SENTIMENTS, 25),
        "Channel": seed.choose(_CHANNELS),
    }


def _payroll(seed: RowSeed) -> Row:
    """Generate a shift of an agent, which has a date without a time."""
    return {
        "Payroll ID": f"PR-{seed.day:05}-{seed.number:06}",
        "Date": iso(seed.milliseconds)[:10],
        "Agent Name": seed.choose(AGENTS, 5),
        "Hours": seed.maybe_empty(f"{seed.next_below(49) / 4:.2f}", 10),
    }


def spell_header(header: str, spelling: str) -> str:
    """Return a header in a spelling.

    Args:
        header: the header, such as `Evaluation Score %`.
        spelling: words (as it is), camel (`evaluationScore%`) or capitals (`EVALUATION_SCORE_%`).
    """
    if spelling == "words":
        return header
    words = _HEADER_WORDS.findall(header)
    if spelling == "capitals":
        return "_".join(words).upper()
    return "".join([words[0].lower(), *(word.capitalize() for word in words[1:])])


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
        _recording,
    ),
    Entity(
        "qm-workflows",
        {"1": WORKFLOW_COLUMNS_1, "3": WORKFLOW_COLUMNS, "4": WORKFLOW_COLUMNS_4},
        ("Workflow ID",),
        make_workflow,
    ),
    Entity(
        "qm-questions",
        {"1": QUESTION_COLUMNS},
        ("WorkflowInstance ID", "Question ID"),
        make_question,
        rows_per_moment=len(QUESTIONS),
    ),
    Entity("wfm-payroll", {"1": ("Payroll ID", "Date", "Agent Name", "Hours")}, ("Payroll ID",), _payroll),
)
ENTITIES = {entity.name: entity for entity in _ALL}
