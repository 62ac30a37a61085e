"""The wheel and the sdist are complete, install into an empty environment and run there."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import PROJECT

# One worker runs all of these tests, so that the package is built only once. Downloads may take a while.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging"), pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without this checkout on its path and without this project's settings."""
    ours = ("PYTHONPATH", "TAP_CXONE", "CXONE", "MELTANO", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=500, check=False)


def succeed(*command: str | Path, cwd: Path) -> str:
    """Run a command that has to succeed; return its standard output."""
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class Distributions:
    """The output of ``python -m build``."""

    wheel: Path
    sdist: Path

    @property
    def in_wheel(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    @property
    def in_sdist(self) -> set[str]:
        with tarfile.open(self.sdist) as archive:
            return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Build the sdist from this checkout, and the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    succeed(sys.executable, "-m", "build", "--installer", "uv", "--outdir", folder, PROJECT, cwd=folder)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Distributions(wheel, sdist)


@dataclass
class Environment:
    """A virtual environment in which nothing but the wheel and its dependencies is installed."""

    folder: Path

    def command(self, name: str) -> Path:
        return self.folder / "venv" / "bin" / name

    def run(self, name: str, *options: str) -> str:
        return succeed(self.command(name), *options, cwd=self.folder)


def install(folder: Path, requirement: str) -> Environment:
    environment = Environment(folder)
    uv = (sys.executable, "-m", "uv")
    succeed(*uv, "venv", "--python", sys.executable, "venv", cwd=folder)
    succeed(*uv, "pip", "install", "--python", environment.command("python"), requirement, cwd=folder)
    return environment


@pytest.fixture(scope="module")
def plain(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with the wheel and no extras."""
    return install(tmp_path_factory.mktemp("plain"), str(distributions.wheel))


@pytest.fixture(scope="module")
def complete(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with the wheel and the extras for users."""
    return install(tmp_path_factory.mktemp("complete"), f"{distributions.wheel}[sandbox,report]")


def test_the_wheel_has_every_file_of_the_package(distributions: Distributions) -> None:
    files = {path.relative_to(PROJECT) for path in (PROJECT / "tap_cxone").rglob("*") if path.is_file()}
    wanted = {str(path) for path in files if "__pycache__" not in path.parts}
    assert {Path(name).suffix for name in wanted} >= {".py", ".json", ".j2", ".css"}
    assert "tap_cxone/py.typed" in wanted
    assert {name for name in distributions.in_wheel if name.startswith("tap_cxone/")} == wanted
    assert not [name for name in distributions.in_wheel if name.startswith("tests")]


def test_the_sdist_has_every_tracked_file(distributions: Distributions) -> None:
    done = run("git", "ls-files", "-z", cwd=PROJECT)
    if done.returncode:
        pytest.skip("not a git checkout")
    tracked = {name for name in done.stdout.split("\0") if name and (PROJECT / name).is_file()}
    assert distributions.in_sdist - {"PKG-INFO"} == tracked


def test_the_tests_run_from_the_sdist(distributions: Distributions, tmp_path: Path) -> None:
    succeed(sys.executable, "-m", "tarfile", "--extract", distributions.sdist, tmp_path, cwd=tmp_path)
    [folder] = tmp_path.iterdir()
    tests = ("tests/test_project.py", "tests/config")
    command = (sys.executable, "-m", "pytest", "-q", "-m", "not slow", "--numprocesses=0", *tests)
    assert " passed" in succeed(*command, cwd=folder)


def test_the_tap_runs_on_its_own(plain: Environment) -> None:
    assert plain.run("tap-cxone", "--version").startswith("tap-cxone v")
    assert '"tap_stream_id":"bot_conversations"' in plain.run("tap-cxone", "--discover")
    location = "import tap_cxone; print(tap_cxone.__file__)"
    assert str(plain.folder) in plain.run("python", "-c", location)


@pytest.mark.parametrize("command", ["cxone-notify", "cxone-report", "cxone-sandbox"])
def test_companion_commands_start_without_extras(plain: Environment, command: str) -> None:
    assert f"Usage: {command}" in plain.run(command, "--help")


def test_the_json_report_needs_no_extra(plain: Environment) -> None:
    (plain.folder / "audit.jsonl").touch()
    assert plain.run("cxone-report", "--audit-log-path", "audit.jsonl", "--json").startswith("{")


def test_the_report_page_is_written(complete: Environment) -> None:
    (complete.folder / "audit.jsonl").touch()
    complete.run("cxone-report", "--audit-log-path", "audit.jsonl", "--output", "page.html")
    assert "<style>" in (complete.folder / "page.html").read_text()


def test_the_tap_loads_from_the_sandbox(complete: Environment) -> None:
    (complete.folder / "config.json").write_text(
        '{"sandbox": true, "start_date": "2024-01-01", "end_date": "2024-01-02"}'
    )
    lines = complete.run("tap-cxone", "--config", "config.json").splitlines()
    assert sum('"type":"RECORD"' in line for line in lines) > 100
