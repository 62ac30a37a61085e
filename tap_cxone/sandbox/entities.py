"""The Data Extraction entities: versions, columns, keys and how the cells of a row are generated.

A row only depends on the entity, the day and its number. It has the columns of all versions; every cell is a string.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_cxone.sandbox.events import FIRST_DAY

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, str]

_AGENTS = (
    *("Ada Quist", "Björn Åkesson", "Chloë O'Neill", "Dana Petrov", "Émile Roux", "Farid Haddad", "Grace Lim"),
    *("Hana Sato", "Ines Müller", "João Prado", "Kwame Boateng", "Łucja Nowak", 'Max "Mo" Stern', "Nora, Team Lead"),
)
_TEAMS = ("Billing", "Orders & Returns", "Retention", "Support, Tier 2", "Zürich")
_SKILLS = ("Billing", "Billing, Retention", "Orders, Returns, Delivery", "Technical Support", "Español")
_DISPOSITIONS = ("Resolved", "Callback Agreed", "Escalated", "No Sale", "Abandoned")
_RECORDED = ("Recorded", "Partially Recorded", "Not Recorded")
_SENTIMENTS = ("Positive", "Neutral", "Negative", "Mixed")
_CHANNELS = ("Voice", "Chat", "Email", "Digital")
_FORMS = ("Voice Quality 2024", "Chat Quality", "Compliance (short)")
_YES_NO = ("Yes", "No")
_TEXTS = (
    "Caller asked for a copy of the invoice.",
    "Called twice, no answer.\nLeft a message.",
    'Said: "I will call back on Monday", then hung up.',
    "First line,\r\nsecond line,\r\n\r\nfourth line",
    "Grüße aus Köln: zufrieden, 5 € gutgeschrieben",
    '"quoted","like",\n"a row","of a file"',
    "お客様は満足しています 🙂",
    "  spaces on both ends  ",
)
_QUESTIONS = (
    "Did the agent greet the customer by name?",
    "Was the problem understood, and repeated in the agent's own words?",
    'Did the agent ask "Is there anything else?"\n(not needed for chats)',
)


class RowSeed:
    """The input for one row: its time, its number within the day, and reproducible choices."""

    def __init__(self, entity: str, day: int, number: int, milliseconds: int) -> None:
        """Create a seed. `day` and `milliseconds` count from 2024-01-01T00:00Z, `number` from the start of the day."""
        digest = hashlib.blake2b(b"%s %d %d" % (entity.encode(), day, number), digest_size=32).hexdigest()
        self.day = day
        self.number = number
        self.milliseconds = milliseconds
        self.guid = f"{digest[:8]}-{digest[8:12]}-4{digest[12:15]}-a{digest[15:18]}-{digest[18:30]}"
        self._entropy = int(digest[30:], 16)

    def next_below(self, limit: int) -> int:
        """Return the next choice: a number from 0 to `limit` - 1."""
        self._entropy, choice = divmod(self._entropy, limit)
        return choice

    def choose(self, texts: tuple[str, ...], empty: int = 0) -> str:
        """Return one of the texts; in `empty` percent of the rows, an empty cell."""
        return self.maybe_empty(texts[self.next_below(len(texts))], empty)

    def maybe_empty(self, text: str, empty: int) -> str:
        """Return the text; in `empty` percent of the rows, an empty cell."""
        return "" if self.next_below(100) < empty else text


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


def _iso(milliseconds: int) -> str:
    """Format milliseconds since 2024-01-01 as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    moment = FIRST_DAY + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _recording(seed: RowSeed) -> Row:
    """Generate a recorded segment of a call. Two segments share a call; agent ids have leading zeros."""
    agent = seed.next_below(len(_AGENTS))
    end = seed.milliseconds + 1000 * seed.next_below(1800) + seed.next_below(1000)
    return {
        "Segment ID": seed.guid,
        "ACD Call ID": f"{500_000_000_000 + seed.day * 1_000_000 + seed.number // 2}",
        "Start Date": _iso(seed.milliseconds),
        "End Date": seed.maybe_empty(_iso(end), 4),
        "Agent 1 Name": seed.maybe_empty(_AGENTS[agent], 6),
        "Agent 1 ACD ID": f"{agent + 41:06}",
        "Agent 1 Team": seed.choose(_TEAMS, 10),
        "Agent 1 Skills": seed.choose(_SKILLS, 20),
        "ANI": seed.maybe_empty(f"+1555{seed.next_below(10_000_000):07}", 8),
        "DNIS": f"00800{seed.next_below(40):04}",
        "Disposition": seed.choose(_DISPOSITIONS, 30),
        "Voice Recording Status": seed.choose(_RECORDED),
        "Notes": seed.choose(_TEXTS, 50),
        "Sentiment": seed.choose(_SENTIMENTS, 25),
        "Channel": seed.choose(_CHANNELS),
    }


def _workflow(seed: RowSeed) -> Row:
    """Generate an evaluation of an agent. Scores are zero, whole, fractional or missing."""
    return {
        "Workflow ID": seed.guid,
        "Submission Date": _iso(seed.milliseconds),
        "Form Name": seed.choose(_FORMS),
        "Agent Name": seed.choose(_AGENTS, 5),
        "Evaluator Name": seed.choose(_AGENTS, 15),
        "Score": seed.maybe_empty(f"{seed.next_below(201) / 2:g}", 20),
        "Comment": seed.choose(_TEXTS, 60),
        "Calibration": seed.choose(_YES_NO, 30),
        "Team": seed.choose(_TEAMS, 10),
    }


def _question(seed: RowSeed) -> Row:
    """Generate an answer within an evaluation. It needs both key columns to be unique."""
    workflow, position = divmod(seed.number, len(_QUESTIONS))
    return {
        "Workflow Instance ID": f"wfi-{seed.day:05}-{workflow:07}",
        "Question ID": f"q{position + 1:02}",
        "Submission Date": _iso(seed.milliseconds),
        "Question": _QUESTIONS[position],
        "Answer": seed.choose((*_YES_NO, "N/A"), 15),
        "Score": seed.maybe_empty(str(seed.next_below(6)), 25),
    }


def _payroll(seed: RowSeed) -> Row:
    """Generate a shift of an agent, which has a date without a time."""
    return {
        "Payroll ID": f"PR-{seed.day:05}-{seed.number:06}",
        "Date": _iso(seed.milliseconds)[:10],
        "Agent Name": seed.choose(_AGENTS, 5),
        "Hours": seed.maybe_empty(f"{seed.next_below(49) / 4:.2f}", 10),
    }


_SEGMENT = (
    *("Segment ID", "ACD Call ID", "Start Date", "End Date", "Agent 1 Name", "Agent 1 ACD ID", "Agent 1 Team"),
    *("Agent 1 Skills", "ANI", "DNIS"),
)
_EVALUATION = ("Workflow ID", "Submission Date", "Form Name", "Agent Name", "Evaluator Name", "Score", "Comment")
_ANSWER = ("Workflow Instance ID", "Question ID", "Submission Date", "Question", "Answer", "Score")

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
        {"1": _EVALUATION, "3": (*_EVALUATION, "Calibration"), "4": (*_EVALUATION, "Calibration", "Team")},
        ("Workflow ID",),
        _workflow,
    ),
    Entity(
        "qm-questions",
        {"1": _ANSWER},
        ("Workflow Instance ID", "Question ID"),
        _question,
        rows_per_moment=len(_QUESTIONS),
    ),
    Entity("wfm-payroll", {"1": ("Payroll ID", "Date", "Agent Name", "Hours")}, ("Payroll ID",), _payroll),
)
ENTITIES = {entity.name: entity for entity in _ALL}
