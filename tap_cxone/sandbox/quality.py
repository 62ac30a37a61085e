"""The rows of the quality-management entities, with the columns of qm-workflows 3 and qm-questions 1.

What versions 1 and 4 of qm-workflows have is not known: here, version 1 lacks some of the columns of version 3, and
version 4 has two more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_cxone.sandbox.seeds import AGENTS, TEAMS, TEXTS, YES_NO, RowSeed, iso

if TYPE_CHECKING:
    from tap_cxone.sandbox.seeds import Row

WORKFLOW_COLUMNS = (
    *("Tenant Name", "Agent ID", "Type", "Evaluation Flow Trigger", "Workflow Status", "Auto Acknowledged"),
    *("Workflow State", "Workflow ID", "Plan Name", "Form Name", "Form Version", "Start Date", "Submission Date"),
    *("Last Updated", "Score Percentage", "Score", "Maximum Possible Score", "Rank", "Failed Critical Question"),
    *("User Review Comments", "Dispute Resolver Comments", "Segment ID", "ACD ID", "Interaction Type"),
    *("Interaction Start Date", "Interaction End Date", "Interaction Direction", "Team ID", "Team Name"),
    *("Phone Number", "Firstname (Eva)", "Lastname (Eva)", "Firstname (Agent)", "Lastname (Agent)"),
    *("Firstname (Disp)", "Lastname (Disp)", "Firstname (Assigner)", "Lastname (Assigner)"),
    *("Job Start Date", "Job End Date"),
)
"""The columns of qm-workflows 3."""
_NEW_IN_3 = {"Evaluation Flow Trigger", "Auto Acknowledged", "Rank", "Firstname (Assigner)", "Lastname (Assigner)"}
WORKFLOW_COLUMNS_1 = tuple(column for column in WORKFLOW_COLUMNS if column not in _NEW_IN_3)
WORKFLOW_COLUMNS_4 = (*WORKFLOW_COLUMNS, "Calibration", "Comment")
QUESTION_COLUMNS = (
    *("Actual Score", "Answer", "Question ID", "Question Title", "Question Number", "Options", "Form ID", "Form Name"),
    *("Form Version", "Evaluation Score %", "Evaluation Start Date", "Evaluation Submission Date", "Workflow Type"),
    *("Section ID", "Section Title", "Section Score %", "Max Score", "Agent ID", "Firstname (Agent)"),
    *("Lastname (Agent)", "Team ID", "Team Name", "Firstname (Eva)", "Lastname (Eva)", "Critical"),
    *("Failed Critical Question", "Mandatory", "Scorable", "Question Type", "Segment ID", "Interaction Start Date"),
    *("Interaction End Date", "WorkflowInstance ID", "Bank ID"),
)
"""The columns of qm-questions 1."""

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


def make_workflow(seed: RowSeed) -> Row:
    """Generate an evaluation of an agent. Scores are zero, whole, fractional or missing."""
    evaluation = _evaluation(seed)
    maximum = _MAXIMUMS[seed.next_below(len(_MAXIMUMS))]
    points = seed.next_below(2 * maximum + 1) / 2
    is_scored = seed.next_below(100) >= _UNSCORED_PERCENT
    resolver = seed.next_below(len(AGENTS)) if seed.next_below(10) == 0 else None
    assigner = seed.next_below(len(AGENTS)) if seed.next_below(3) == 0 else None
    return {
        **evaluation,
        "Tenant Name": "Sandbox",
        "Type": seed.choose(_TYPES),
        "Evaluation Flow Trigger": seed.choose(("Plan", "Manual"), 10),
        "Workflow Status": seed.choose(("Closed", "Open")),
        "Auto Acknowledged": seed.choose(YES_NO),
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
        "Failed Critical Question": seed.choose(YES_NO),
        "User Review Comments": seed.choose(TEXTS, 60),
        "Dispute Resolver Comments": "" if resolver is None else seed.choose(TEXTS),
        "ACD ID": f"{600_000_000_000 + seed.day * 1_000_000 + seed.number}",
        "Interaction Type": seed.choose(("Voice", "Chat", "Email")),
        "Interaction Direction": seed.choose(("Inbound", "Outbound"), 5),
        "Phone Number": seed.maybe_empty(f"+1555{seed.next_below(10_000_000):07}", 30),
        **_name_of(resolver, "Disp"),
        **_name_of(assigner, "Assigner"),
        "Job Start Date": iso(seed.day * _DAY),
        "Job End Date": iso((seed.day + 1) * _DAY),
        "Calibration": seed.choose(YES_NO, 30),
        "Comment": seed.choose(TEXTS, 60),
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
        "Answer": seed.choose((*YES_NO, "N/A"), 15),
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
    agent, evaluator = seed.next_below(len(AGENTS)), seed.next_below(len(AGENTS))
    form, team = seed.next_below(len(_FORMS)), seed.next_below(len(TEAMS))
    start = seed.milliseconds - _DAY - 1000 * seed.next_below(86_400)
    return {
        "Agent ID": f"{agent + 41:06}",
        **_name_of(agent, "Agent"),
        **_name_of(evaluator, "Eva"),
        "Team ID": f"{team + 1:03}",
        "Team Name": TEAMS[team],
        "Form ID": f"form-{form + 1}",
        "Form Name": _FORMS[form],
        "Form Version": str(1 + seed.next_below(3)),
        "Segment ID": f"{seed.guid[9:]}-{seed.guid[:8]}",
        "Interaction Start Date": iso(start),
        "Interaction End Date": iso(start + 1000 * seed.next_below(3600)),
    }


def _name_of(agent: int | None, role: str) -> Row:
    first, _, last = AGENTS[agent].rpartition(" ") if agent is not None else ("", "", "")
    return {f"Firstname ({role})": first, f"Lastname ({role})": last}


def _flag(value: bool) -> str:  # noqa: FBT001
    return "true" if value else "false"
