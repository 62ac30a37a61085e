"""The steps of the Dockerfile, one by one, and runs of its entry point as another user."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tests.conftest import PROJECT, copy_project, read_lines, wait_until
from tests.fleet.dockerfile import Image, in_context, instructions
from tests.postgresql import HOST, SUPERUSER, NotInstalledError, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRETS = (".env", ".env.prod", ".git/config", ".output/prod.duckdb", "tap_cxone/.env", "scripts/key.pem", "id_rsa")
runs_steps = [pytest.mark.slow, pytest.mark.xdist_group("image"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout with files that must not get into an image."""
    folder = copy_project(tmp_path_factory.mktemp("checkout") / "copy")
    for name in SECRETS:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("TAP_CXONE_CLIENT_SECRET=planted\n")
    return folder


@pytest.fixture(scope="module")
def image(checkout: Path) -> Iterator[Image]:
    """Run the steps once for all tests of this module."""
    if os.geteuid() != 0:
        pytest.skip("only root can run the steps of a Dockerfile as its users")
    if sys.version_info >= (3, 14):
        pytest.skip("DuckDB 1.2, which target-duckdb needs, has no wheel for Python 3.14")
    folder = Path(tempfile.mkdtemp(prefix="tap-cxone-image-"))
    folder.chmod(0o755)
    image = Image(folder)
    try:
        image.build(checkout)
        yield image
    finally:
        shutil.rmtree(folder)


def test_the_image_gets_no_secrets_no_history_and_no_data(checkout: Path) -> None:
    names = {path.as_posix() for path in in_context(checkout)}
    assert names >= {"meltano.yml", "pyproject.toml", "tap_cxone/tap.py", "scripts/scheduled_run.py"}
    assert not names.intersection(SECRETS)
    assert not [name for name in names if "planted" in (checkout / name).read_text("utf-8", errors="replace")]


def test_the_dockerfile_names_no_secret_and_no_host_but_the_base_image() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    steps = instructions(text)
    assert [arguments for name, arguments in steps if name == "FROM"] == ["python:3.12-slim"]
    assert "ARG" not in dict(steps)
    assert not re.search(r"secret|password|token|https?:|index", text, re.IGNORECASE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", dict(steps)["USER"]), (
        "Kubernetes can only check a number with runAsNonRoot"
    )
    assert dict(steps)["ENTRYPOINT"].startswith("["), "a shell would not hand signals on"


@pytest.fixture
def settings() -> Iterator[dict[str, str]]:
    """Return the settings of a run against a platform whose jobs take a minute."""
    with Sandbox(SandboxOptions(job_seconds=60)) as sandbox:
        yield {
            "TAP_CXONE_API_URL": sandbox.url,
            "TAP_CXONE_CLIENT_ID": sandbox.client_id,
            "TAP_CXONE_CLIENT_SECRET": sandbox.client_secret,
            "TAP_CXONE_START_DATE": "2024-01-01",
            "TAP_CXONE_END_DATE": "2024-01-15",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


class TestSteps:
    """All of these run what the steps made."""

    pytestmark = runs_steps

    def test_a_run_loads_everything_and_writes_only_where_it_may(self, image: Image) -> None:
        before = {path for path in image.folder.rglob("*") if ".output" not in path.parts}
        code, out = image.run(
            "--environment=sandbox",
            "run",
            "tap-cxone",
            "target-duckdb",
            "summary:show",
            settings={"TAP_CXONE_END_DATE": "2024-01-04"},
        )
        assert code == 0, out
        assert "Complete: the table holds every record" in out
        assert "Installing" not in out
        assert (image.folder / ".output" / "meltano.db").exists()
        after = {path for path in image.folder.rglob("*") if ".output" not in path.parts}
        new = {path.relative_to(image.folder).parts[:2] for path in after - before}
        assert new <= {(".meltano", "run"), (".meltano", "logs")}

    def test_the_user_can_write_to_three_folders_of_the_project_only(self, image: Image) -> None:
        code, out = image.run("-c", 'find "$PWD" ../opt -writable -not -type l', entry_point=["sh"])
        assert code == 0
        writable = {
            Path(os.path.normpath(image.folder / line)).relative_to(image.folder).as_posix()
            for line in out.splitlines()
        }
        tops = {name for name in writable if not any(parent.as_posix() in writable for parent in Path(name).parents)}
        assert tops == {".meltano/run", ".meltano/logs", ".output"}

    def test_byte_code_is_compiled(self, image: Image) -> None:
        sources = list((image.folder / "tap_cxone").rglob("*.py"))
        compiled = {path.name.split(".")[0] for path in (image.folder / "tap_cxone").rglob("*.pyc")}
        assert {path.stem for path in sources} == compiled
        for folder in (
            image.root / "opt",
            image.folder / ".meltano" / "extractors",
            image.folder / ".meltano" / "loaders",
        ):
            assert list(folder.rglob("site-packages/**/*.pyc"))

    def test_sigterm_ends_the_run_and_every_process(self, image: Image, settings: dict[str, str]) -> None:
        process = image.start("--environment=dev", "run", "tap-cxone", "target-duckdb", settings=settings)
        journal = image.folder / ".output" / "dev-jobs.jsonl"
        wait_until(
            lambda: (journal.exists() and journal.read_text()) or process.poll() is not None, "a job is created", 60
        )
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 143, out
        assert time.monotonic() - began < 20
        wait_until(lambda: not image.processes(), "no process is left", 5)
        left = [path for path in (image.root / "tmp").iterdir() if not path.name.startswith(".")]
        assert left == [], "the tap removes its work folder"

    def test_a_scheduled_run_is_not_retried_with_refused_credentials(
        self, image: Image, settings: dict[str, str]
    ) -> None:
        log = image.folder / ".output" / "refused-audit.jsonl"
        run = {"TAP_CXONE_ORCHESTRATOR_RUN_ID": "job-1", "TAP_CXONE_AUDIT_LOG_PATH": str(log)}
        entry_point = ["python", "scripts/scheduled_run.py", "--environment=dev", "run", "tap-cxone", "target-duckdb"]
        code, out = image.run(entry_point=entry_point, settings=settings | run | {"TAP_CXONE_CLIENT_SECRET": "wrong"})
        assert code == 10, out
        assert '"exit_code": 3' in out
        assert read_lines(log)[-1]["orchestrator_run_id"] == "job-1"

    def test_the_state_can_be_in_postgresql(self, image: Image) -> None:
        try:
            with running_server() as server:
                database = server.new_database()
                uri = f"postgresql+psycopg://{SUPERUSER}:none@{HOST}:{server.port}/{database.name}"
                settings = {"TAP_CXONE_END_DATE": "2024-01-04", "MELTANO_DATABASE_URI": uri}
                code, out = image.run("--environment=sandbox", "run", "tap-cxone", "target-duckdb", settings=settings)
                assert code == 0, out
                assert database.query("SELECT state_id FROM state") == [
                    {"state_id": "sandbox:tap-cxone-to-target-duckdb"}
                ]
        except NotInstalledError as error:
            pytest.skip(str(error))
