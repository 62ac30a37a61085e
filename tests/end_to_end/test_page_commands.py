"""The commands and the YAML of docs/ beyond the recipes, extracted and run: with a log of real runs, in a project."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.conftest import PROJECT, config_for, read_lines
from tests.end_to_end.helpers import extraction_config
from tests.end_to_end.recipes import Shell
from tests.http_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.conftest import StartSandbox

# One worker runs all of these tests, so that the package is built only once. Downloads may take a while.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("recipes"), pytest.mark.timeout(600)]

ELSEWHERE = r"pip|meltano|git|export [A-Z_]+=http|scripts/|WEBHOOK_SECRET=|TAP_CXONE_START_DATE="
"""Beginnings of commands that other tests run (those with Meltano, the demo), or that need what a reader has."""


def page_blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", (PROJECT / page).read_text(), re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """Return the commands of a page, without those that are run elsewhere."""
    text = "".join(page_blocks(page, "sh")).replace("\\\n", "")
    lines = [line.partition("  #")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#") and not re.match(ELSEWHERE, line)]


@pytest.fixture
def receiver() -> Iterator[HttpServer]:
    """Run a webhook receiver that accepts everything."""
    server = HttpServer(lambda _: (204, {}, b""))
    yield server
    server.stop()


@pytest.fixture
def shell(wheels: Path, tmp_path: Path, start_sandbox: StartSandbox) -> Shell:
    """Return a folder with settings, a load, and audit logs under the names that the pages use."""
    config = config_for(start_sandbox(), start_date="2024-01-01", audit_log_path="audit.jsonl")
    (tmp_path / "config.json").write_text(json.dumps(config))
    shell = Shell(tmp_path, wheels)
    shell.run("tap-cxone --config config.json > records.jsonl")
    (tmp_path / "logs").mkdir()
    (tmp_path / ".output").mkdir()
    for copy in ("globex.jsonl", "logs/acme-1.jsonl", *(f".output/{name}-audit.jsonl" for name in ("prod", "acme"))):
        (tmp_path / copy).write_bytes((tmp_path / "audit.jsonl").read_bytes())
    (tmp_path / ".output" / "globex-audit.jsonl").write_bytes((tmp_path / "audit.jsonl").read_bytes())
    (tmp_path / "ids.txt").write_text("an-id\n")
    (tmp_path / "names.txt").write_text("a-name\n")
    return shell


@pytest.mark.parametrize("page", ["docs/notify.md", "docs/report.md", "docs/doctor.md", "docs/fleet/README.md"])
def test_commands_of_a_page(shell: Shell, receiver: HttpServer, page: str) -> None:
    [run_id] = {event["run_id"] for event in read_lines(shell.folder / "audit.jsonl")}
    variables = {
        "CXONE_NOTIFY_AUDIT_LOG_PATH": "audit.jsonl",
        "CXONE_NOTIFY_WEBHOOK_URL": f"bi={receiver.url}",
        "AUDIT_LOG": "audit.jsonl",
        "ORCHESTRATOR_RUN_ID": run_id,
    }
    ours = {"today-30 today-1": "2024-01-01 2024-01-11", "/logs": "logs", "http://127.0.0.1:8080": receiver.url}
    found = commands(page)
    assert found
    for command in found:
        for theirs, own in ours.items():
            command = command.replace(theirs, own)  # noqa: PLW2901
        shell.run(command, **variables)
    if page == "docs/notify.md":
        assert receiver.requests
    if page == "docs/report.md":
        assert "<html" in (shell.folder / "cxone-report.html").read_text()


def extractor_yaml() -> list[Any]:
    """Return each YAML block that belongs to the extractor of a meltano.yml, with the place where it stands."""
    found = []
    for page in ("README.md", "docs/data-extraction.md", "docs/columns.md"):
        for number, block in enumerate(page_blocks(page, "yaml"), start=1):
            found.append(pytest.param(block, id=f"{page} {number}"))
    return found


@pytest.fixture(scope="module")
def project(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Return a project with the extractor, as the README makes it."""
    folder = tmp_path_factory.mktemp("yaml")
    Shell(folder, wheels).run(
        "meltano init my-project; cd my-project\n"
        f"meltano add --plugin-type extractor tap-cxone --from-ref {wheels / 'plugin.yml'}"
    )
    return Shell(folder / "my-project", wheels)


def examine(project: Shell, sandbox: Sandbox, extractor: dict[str, Any]) -> tuple[bool, str]:
    """Run the doctor with additions to the extractor in meltano.yml; return whether all is well, and its output."""
    path = project.folder / "meltano.yml"
    before = path.read_text()
    content = yaml.safe_load(before)
    [entry] = content["plugins"]["extractors"]
    entry |= {"select": ["qm_workflows.*"]} | extractor
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    own = extraction_config(sandbox, api_url=sandbox.url, start_date="2024-01-01", end_date="2024-01-03")
    settings = {f"TAP_CXONE_{name.upper()}": str(value) for name, value in own.items()}
    try:
        out = project.run("meltano invoke tap-cxone:doctor || true", **settings)
    finally:
        path.write_text(before)
    return "✗" not in out and "✓ settings" in out, out


@pytest.mark.parametrize("block", extractor_yaml())
def test_yaml_of_a_page_passes_the_doctor(project: Shell, start_extraction_sandbox: StartSandbox, block: str) -> None:
    snippet = yaml.safe_load(block)
    [snippet] = snippet if isinstance(snippet, list) else [snippet]
    if "data_extraction_entities" in snippet:
        snippet = {"config": snippet}
    is_well, out = examine(project, start_extraction_sandbox(), snippet)
    assert is_well, out
    assert "✓ columns of qm_workflows" in out


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a field of a stream map": (
        {"config": {"stream_maps": {"qm_workflows": {"x": "agent_idd"}}}},
        "'agent_idd' uses 'agent_idd', which is not a field",
    ),
    "a type": ({"schema": {"qm_workflows": {"workflow_status": {"type": ["number", "null"]}}}}, "A run would end"),
    "a column": ({"select": ["qm_workflows.*", "!qm_workflows.coment"]}, "'!qm_workflows.coment' matches no column"),
    "a setting": ({"config": {"lookback": 60}}, "did you mean 'lookback_minutes'?"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_doctor_examines_what_meltano_hands_over(
    project: Shell, start_extraction_sandbox: StartSandbox, name: str
) -> None:
    extractor, text = MISTAKES[name]
    _, out = examine(project, start_extraction_sandbox(), extractor)
    [found] = [line for line in out.splitlines() if line.startswith("✗")]
    assert text in found


def test_a_selection_that_only_the_file_can_fulfil_is_tried(
    project: Shell, start_extraction_sandbox: StartSandbox
) -> None:
    is_well, out = examine(project, start_extraction_sandbox(), {"select": ["qm_workflows.comment"]})
    assert is_well, out
    assert "✓ columns of qm_workflows" in out
