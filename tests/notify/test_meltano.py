"""``meltano run tap target cxone-notify:send``, in a copy of the sample project, with loads that fail."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.conftest import copy_project, run_meltano
from tests.notify.conftest import SECRET, TOKEN, Log

if TYPE_CHECKING:
    from pathlib import Path

    from tests.notify.conftest import Listener

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("meltano-notify"), pytest.mark.timeout(600)]

TARGET = """#!{python}
import json, pathlib, sys
states = [line for line in sys.stdin if json.loads(line)["type"] == "STATE"]
if pathlib.Path("fail").exists():
    sys.exit("the warehouse is full")
print(json.dumps(json.loads(states[-1])["value"]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the sample project with a target that fails while a file named ``fail`` exists."""
    folder = copy_project(tmp_path / "copy")
    target = folder / "target-flaky"
    target.write_text(TARGET.format(python=sys.executable))
    target.chmod(0o700)
    content = yaml.safe_load((folder / "meltano.yml").read_text())
    loader = {"name": "target-flaky", "namespace": "target_flaky", "executable": "./target-flaky"}
    content["plugins"]["loaders"].append(loader)
    (folder / "meltano.yml").write_text(yaml.safe_dump(content))
    return folder


def meltano(project: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    done = run_meltano(project, *arguments, **environment)
    assert TOKEN not in done.stdout
    assert SECRET not in done.stdout
    return done.returncode, done.stdout


def test_repeated_pipeline_announces_each_window_once(project: Path, listener: Listener) -> None:
    environment = {
        "CXONE_NOTIFY_WEBHOOK_URL": listener.url,
        "CXONE_NOTIFY_WEBHOOK_SECRET": SECRET,
        "CXONE_NOTIFY_MAX_ATTEMPTS": "1",
        "TAP_CXONE_END_DATE": "2024-02-15",
    }
    pipeline = ("run", "tap-cxone", "target-flaky", "cxone-notify:send")
    log = Log(project / ".output" / "sandbox-audit.jsonl")

    (project / "fail").touch()
    code, out = meltano(project, *pipeline, **environment)
    assert code != 0, out
    assert len(log.events("window_extracted")) == 2, out
    assert not listener.requests

    (project / "fail").unlink()
    listener.always = 503
    code, out = meltano(project, *pipeline, **environment)
    assert code == 0, out
    assert "2 of 2 messages were not delivered: they stay due" in out
    assert len(listener.requests) == 2
    listener.clear()

    listener.always = 204
    code, out = meltano(project, *pipeline, **(environment | {"TAP_CXONE_END_DATE": "2024-02-20"}))
    assert code == 0, out
    latest = {(event["dateFrom"], event["dateTo"]): event["job_id"] for event in log.events("window_extracted")}
    announced = {(sent["dateFrom"], sent["dateTo"]): sent["job_id"] for sent in listener.messages}
    assert announced == latest
    assert len(listener.requests) == len(latest) == 3
    assert [len(message["data_sample"]) for message in listener.messages] == [5, 5, 5]
    assert TOKEN not in log.path.read_text()

    code, out = meltano(project, "invoke", "cxone-notify:status", **environment)
    assert code == 0, out
    assert out.count(" delivered ") == 1 + 3
    code, out = meltano(project, "run", "cxone-notify:test", **environment)
    assert code == 0, out
    assert listener.messages[-1]["test"] is True
