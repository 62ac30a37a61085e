"""The manifests of docs/fleet/kubernetes.md fit the schema of Kubernetes, the Dockerfile and the script."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from tests import environments
from tests.conftest import PROJECT
from tests.fleet.dockerfile import instructions
from tests.fleet.pages import code_blocks

VALIDATE = """
import json, sys
import kubernetes_validate
for manifest in json.load(sys.stdin):
    kubernetes_validate.validate(manifest, "1.31", strict=True)
"""


def manifests() -> list[dict[str, Any]]:
    return [manifest for block in code_blocks("kubernetes.md", "yaml") for manifest in yaml.safe_load_all(block)]


def tap_jobs() -> list[dict[str, Any]]:
    """Return the specifications of the Jobs that run the tap."""
    [cron] = [manifest["spec"] for manifest in manifests() if manifest["kind"] == "CronJob"]
    ranges = [manifest["spec"] for manifest in manifests() if manifest["metadata"]["name"] == "cxone-north-2025-01"]
    return [cron["jobTemplate"]["spec"], *ranges]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_manifests_fit_the_schema_of_kubernetes() -> None:
    programs = environments.install("kubernetes", "kubernetes-validate==1.37.0")
    found = manifests()
    assert [manifest["kind"] for manifest in found] == ["Secret", "PersistentVolumeClaim", "Job", "CronJob", "Job"]
    done = subprocess.run(
        [programs / "python", "-c", VALIDATE], input=json.dumps(found), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_one_run_of_a_tenant_at_a_time() -> None:
    [cron] = [manifest["spec"] for manifest in manifests() if manifest["kind"] == "CronJob"]
    assert cron["concurrencyPolicy"] == "Forbid"


def test_pods_fit_the_image() -> None:
    user = dict(instructions((PROJECT / "Dockerfile").read_text()))["USER"]
    assert len(tap_jobs()) == 2
    for job in tap_jobs():
        pod = job["template"]["spec"]
        security = pod["securityContext"]
        assert f"{security['runAsUser']}:{security['runAsGroup']}" == user
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert (PROJECT / container["command"][1]).is_file()
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {"/project/.output": "output", "/tmp": "temporary"}
        [rule] = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
        assert rule["onExitCodes"]["values"] == [10]


def test_increment_and_range_have_states_of_their_own() -> None:
    arguments = [job["template"]["spec"]["containers"][0]["args"] for job in tap_jobs()]
    suffixes = {argument for line in arguments for argument in line if argument.startswith("--state-id-suffix=")}
    assert len(suffixes) == 2
