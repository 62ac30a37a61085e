"""The rows of the Data Extraction entities: how their cells are generated, reproducibly.

A row only depends on the entity, the day and its number. It has the columns of all versions; every cell is a string.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from tap_cxone.sandbox.events import FIRST_DAY

Row = dict[str, str]
"""The cells of a row by column."""
_AGENTS = (
    *("Ada Quist", "Björn Åkesson", "Chloë O'Neill", "Dana Petrov", "Émile Roux", "Farid Haddad", "Grace Lim"),
    *("Hana Sato", "Ines Müller", "João Prado", "Kwame Boateng", "Łucja Nowak", 'Max "Mo" Stern', "Nora, Team Lead"),
)
_TEAMS = ("Billing", "Orders & Returns", "Retention", "Support, Tier 2", "Zürich")
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
_YES_NO = ("Yes", "No")
_SKILLS = ("Billing", "Billing, Retention", "Orders, Returns, Delivery", "Technical Support", "Español")
_DISPOSITIONS = ("Resolved", "Callback Agreed", "Escalated", "No Sale", "Abandoned")
_RECORDED = ("Recorded", "Partially Recorded", "Not Recorded")
_SENTIMENTS = ("Positive", "Neutral", "Negative", "Mixed")
_CHANNELS = ("Voice", "Chat", "Email", "Digital")
QUESTIONS = (
    "Did the agent greet the customer by name?",
    "Was the problem understood, and repeated in the agent's own words?",
    'Did the agent ask "Is there anything else?"\n(not needed for chats)',
)
"""The questions of every form."""
_FORMS = ("Voice Quality 2024", "Chat Quality", "Compliance (short)")
_TYPES = ("Evaluation", "Self-Assessment", "Calibration")
_STATES = ("Completed", "Acknowledged", "In Dispute")
_MAXIMUMS = (20, 50, 100)
_UNSCORED_PERCENT = 20
_MINUTE, _DAY = 60_000, 86_400_000


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
        self._refills = 0

    def next_below(self, limit: int) -> int:
        """Return the next choice: a number from 0 to `limit` - 1."""
        if self._entropy < limit:
            self._refills += 1
            digest = hashlib.blake2b(b"%s %d" % (self.guid.encode(), self._refills), digest_size=32).digest()
            self._entropy = int.from_bytes(digest)
        self._entropy, choice = divmod(self._entropy, limit)
        return choice

    def choose(self, texts: tuple[str, ...], empty: int = 0) -> str:
        """Return one of the texts; in `empty` percent of the rows, an empty cell."""
        return self.maybe_empty(texts[self.next_below(len(texts))], empty)

    def maybe_empty(self, text: str, empty: int) -> str:
        """Return the text; in `empty` percent of the rows, an empty cell."""
        return "" if self.next_below(100) < empty else text


def iso(milliseconds: int) -> str:
    """Format milliseconds since 2024-01-01 as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    moment = FIRST_DAY + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def make_recording(seed: RowSeed) -> Row:
    """Generate a recorded segment of a call. Two segments share a call; agent ids have leading zeros."""
    agent = seed.next_below(len(_AGENTS))
    end = seed.milliseconds + 1000 * seed.next_below(1800) + seed.next_below(1000)
    return {
        "Segment ID": seed.guid,
        "ACD Call ID": f"{500_000_000_000 + seed.day * 1_000_000 + seed.number // 2}",
        "Start Date": iso(seed.milliseconds),
        "End Date": seed.maybe_empty(iso(end), 4),
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


def make_payroll(seed: RowSeed) -> Row:
    """Generate a shift of an agent, which has a date without a time."""
    return {
        "Payroll ID": f"PR-{seed.day:05}-{seed.number:06}",
        "Date": iso(seed.milliseconds)[:10],
        "Agent Name": seed.choose(_AGENTS, 5),
        "Hours": seed.maybe_empty(f"{seed.next_below(49) / 4:.2f}", 10),
    }


def make_workflow(seed: RowSeed) -> Row:
    """Generate an evaluation of an agent. Scores are zero, whole, fractional or missing."""
    evaluation = _evaluation(seed)
    maximum = _MAXIMUMS[seed.next_below(len(_MAXIMUMS))]
    points = seed.next_below(2 * maximum + 1) / 2
    is_scored = seed.next_below(100) >= _UNSCORED_PERCENT
    resolver = seed.next_below(len(_AGENTS)) if seed.next_below(10) == 0 else None
    assigner = seed.next_below(len(_AGENTS)) if seed.next_below(3) == 0 else None
    return {
        **evaluation,
        "Tenant Name": "Sandbox",
        "Type": seed.choose(_TYPES),
        "Evaluation Flow Trigger": seed.choose(("Plan", "Manual"), 10),
        "Workflow Status": seed.choose(("Closed", "Open")),
        "Auto Acknowledged": seed.choose(_YES_NO),
        "Workflow State": seed.choose(_STATES),
        "Workflow ID": seed.guid,
        "Plan Name": seed.choose(("Monthly Plan", "New Hires, First 90 Days"), 20),
        "Start Date": iso(seed.milliseconds - _MINUTE * (1 + seed.next_below(60))),
        "Submission Date": iso(seed.milliseconds),
        "Last Updated": iso(seed.milliseconds + _MINUTE * seed.next_below(600)),
        "Score Percentage": f"{100 * points / maximum:g}" if is_scored else "",
        "Score": f"{points:g}" if is_scored else "",
        "Maximum Possible Score": str(maximum),
        "Rank": seed.choose(("Excellent", "Good", "Needs Coaching"), 30),
        "Failed Critical Question": seed.choose(_YES_NO),
        "User Review Comments": seed.choose(_TEXTS, 60),
        "Dispute Resolver Comments": "" if resolver is None else seed.choose(_TEXTS),
        "ACD ID": f"{600_000_000_000 + seed.day * 1_000_000 + seed.number}",
        "Interaction Type": seed.choose(("Voice", "Chat", "Email")),
        "Interaction Direction": seed.choose(("Inbound", "Outbound"), 5),
        "Phone Number": seed.maybe_empty(f"+1555{seed.next_below(10_000_000):07}", 30),
        **_name_of(resolver, "Disp"),
        **_name_of(assigner, "Assigner"),
        "Job Start Date": iso(seed.day * _DAY),
        "Job End Date": iso((seed.day + 1) * _DAY),
        "Calibration": seed.choose(_YES_NO, 30),
        "Comment": seed.choose(_TEXTS, 60),
    }


def make_question(seed: RowSeed) -> Row:
    """Generate an answer within an evaluation. It needs both key columns to be unique."""
    number, position = divmod(seed.number, len(QUESTIONS))
    evaluation = RowSeed("evaluation", seed.day, number, seed.milliseconds)
    is_critical = position == 0
    return {
        **_evaluation(evaluation),
        "Evaluation Score %": f"{evaluation.next_below(201) / 2:g}",
        "Evaluation Start Date": iso(seed.milliseconds - _MINUTE * (1 + evaluation.next_below(60))),
        "Evaluation Submission Date": iso(seed.milliseconds),
        "Workflow Type": evaluation.choose(_TYPES),
        "WorkflowInstance ID": f"wfi-{seed.day:05}-{number:07}",
        "Question ID": f"q{position + 1:02}",
        "Question Title": QUESTIONS[position],
        "Question Number": f"1.{position + 1}",
        "Question Type": "Yes/No",
        "Options": "Yes|No|N/A",
        "Answer": seed.choose((*_YES_NO, "N/A"), 15),
        "Actual Score": seed.maybe_empty(str(seed.next_below(6)), 25),
        "Max Score": "5",
        "Section ID": "s01",
        "Section Title": 'Opening, "closing" and between',
        "Section Score %": seed.maybe_empty(f"{evaluation.next_below(201) / 2:g}", 10),
        "Critical": _flag(is_critical),
        "Failed Critical Question": _flag(is_critical and seed.next_below(10) == 0),
        "Mandatory": _flag(position < len(QUESTIONS) - 1),
        "Scorable": "true",
        "Bank ID": seed.maybe_empty(f"bank-{position + 1}", 50),
    }


def _evaluation(seed: RowSeed) -> Row:
    """Return the columns that both entities have: agent, evaluator, form and interaction."""
    agent, evaluator = seed.next_below(len(_AGENTS)), seed.next_below(len(_AGENTS))
    form, team = seed.next_below(len(_FORMS)), seed.next_below(len(_TEAMS))
    start = seed.milliseconds - _DAY - 1000 * seed.next_below(86_400)
    return {
        "Agent ID": f"{agent + 41:06}",
        **_name_of(agent, "Agent"),
        **_name_of(evaluator, "Eva"),
        "Team ID": f"{team + 1:03}",
        "Team Name": _TEAMS[team],
        "Form ID": f"form-{form + 1}",
        "Form Name": _FORMS[form],
        "Form Version": str(1 + seed.next_below(3)),
        "Segment ID": f"{seed.guid[9:]}-{seed.guid[:8]}",
        "Interaction Start Date": iso(start),
        "Interaction End Date": iso(start + 1000 * seed.next_below(3600)),
    }


def _name_of(agent: int | None, role: str) -> Row:
    first, _, last = _AGENTS[agent].rpartition(" ") if agent is not None else ("", "", "")
    return {f"Firstname ({role})": first, f"Lastname ({role})": last}


def _flag(value: bool) -> str:  # noqa: FBT001
    return "true" if value else "false"
