"""The Dagster example with tenants of a test: a copy of the sample project, private databases, and sandboxes."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from tests import environments
from tests.conftest import PROJECT, copy_project
from tests.end_to_end.helpers import SUBMIT_INTERVAL
from tests.postgresql import HOST, SUPERUSER, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.postgresql import Database

EXAMPLE = PROJECT / "examples" / "dagster"
DRIVER = PROJECT / "tests" / "fleet" / "materialize.py"
PLUGINS = (("extractor", "tap-cxone"), ("loader", "target-postgres"), ("utility", "cxone-report"))


def install_example(folder: Path) -> tuple[Path, Path]:
    """Return the folder of the example's programs, and a copy of the sample project with its plugins."""
    programs = environments.install("dagster", "-r", str(EXAMPLE / "requirements.txt"))
    project = copy_project(folder)
    for kind, name in PLUGINS:
        command: list[str | Path] = [programs / "meltano", "install", kind, name]
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise environments.InstallError(done.stdout + done.stderr)
    return programs, project


@dataclass
class Fleet:
    """The example, with a database for Meltano's state and one for the tables."""

    programs: Path
    project: Path
    home: Path
    state: Database
    warehouse: Database
    variables: dict[str, str] = field(default_factory=dict)

    def migrate(self) -> None:
        """Create the tables of Meltano's system database, as ``start`` does before the first run."""
        command: list[str | Path] = [self.programs / "meltano", "--environment=prod", "state", "list"]
        subprocess.run(command, cwd=self.project, env=self.environment(), check=True, capture_output=True)

    def write_tenants(self, start: str, end: str, **sandboxes: Sandbox) -> None:
        """Make tenants of sandboxes."""
        tenants = {}
        for name, sandbox in sandboxes.items():
            tenants[name] = {
                "settings": {"api_url": sandbox.url, "auth_url": f"{sandbox.url}/authentication/v1/token/access-key"},
                "secrets": {"access_key_id": f"{name.upper()}_ID", "access_key_secret": f"{name.upper()}_SECRET"},
            }
            self.variables |= {
                f"{name.upper()}_ID": sandbox.access_key_id,
                f"{name.upper()}_SECRET": sandbox.access_key_secret,
            }
        settings = {
            "auth_method": "access_key",
            "poll_interval": 1,
            "extraction_window_days": 14,
            "submit_interval": SUBMIT_INTERVAL,
        }
        content = {"history": {"start": start, "end": end}, "settings": settings, "tenants": tenants}
        (self.home / "tenants.yaml").write_text(yaml.safe_dump(content))

    def environment(self) -> dict[str, str]:
        own = {
            name: value
            for name, value in clean_environment().items()
            if not name.startswith(("TAP_CXONE", "MELTANO", "CXONE", "DAGSTER"))
        }
        server = f"{SUPERUSER}:none@{HOST}:{self.state.server.port}"
        return own | {
            "FLEET_HOME": str(self.home),
            "FLEET_TENANTS": str(self.home / "tenants.yaml"),
            "FLEET_RETRY_SECONDS": "1",
            "MELTANO_PROJECT_ROOT": str(self.project),
            "MELTANO_DATABASE_URI": f"postgresql+psycopg2://{server}/{self.state.name}",
            "TARGET_POSTGRES_SQLALCHEMY_URL": f"postgresql+psycopg://{server}/{self.warehouse.name}",
            **self.variables,
        }

    def start(self, *partitions: str, asset: str = "bot_conversations") -> subprocess.Popen[str]:
        """Start the materialization of partitions, given as tenant, range, tenant, range and so on."""
        command: list[str | Path] = [self.programs / "python", DRIVER, EXAMPLE / "fleet.py", asset, *partitions]
        log = (self.home / f"dagster-{'-'.join(partitions)}.log").open("w")
        with log:
            return subprocess.Popen(command, env=self.environment(), stdout=subprocess.PIPE, stderr=log, text=True)

    def materialize(self, *partitions: str, asset: str = "bot_conversations") -> list[dict[str, Any]]:
        """Materialize partitions one after the other; return how they ended."""
        return self.finish(self.start(*partitions, asset=asset))

    def finish(self, process: subprocess.Popen[str]) -> list[dict[str, Any]]:
        """Wait for a started materialization; return how the partitions ended."""
        out, _ = process.communicate(timeout=300)
        ended: list[dict[str, Any]] = json.loads(out.splitlines()[-1])
        return ended

    def ids(self, tenant: str) -> list[str]:
        """Return the ids in a tenant's table, in order."""
        rows = self.warehouse.query(f'SELECT id FROM {tenant}.bot_conversations ORDER BY id COLLATE "C"')
        return [row["id"] for row in rows]

    def states(self) -> list[str]:
        """Return the ids of the states that Meltano has."""
        return [row["state_id"] for row in self.state.query("SELECT state_id FROM state ORDER BY state_id")]
