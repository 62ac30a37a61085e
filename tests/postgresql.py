"""A private PostgreSQL server for tests and benchmarks: a new cluster that ends with the process that started it."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
SUPERUSER = "postgres"
START_SECONDS = 60

PACKAGED = Path("/usr/lib/postgresql")
"""Where Debian has the server of each major version. Its programs are not on PATH."""

PROGRAMS = ("initdb", "postgres", "pg_isready", "psql")

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "timezone": "UTC",
    # Nothing has to survive a crash of the machine.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}

# Standard input ends when the process that started the server closes it, or dies. SIGINT closes all connections.
SUPERVISE = """
"$@" >server.log 2>&1 &
cat
kill -INT $!
wait $!
rm -rf "$PWD"
"""


class NotInstalledError(Exception):
    """There is no PostgreSQL server on this machine, or this user cannot start it."""


class ServerError(Exception):
    """The server, or a statement, failed."""


def find_programs() -> Path:
    """Return the folder with the programs of the server: Debian's newest one, else the one on PATH.

    Raises:
        NotInstalledError: there is none.
    """
    packaged = [folder for folder in PACKAGED.glob("*/bin") if re.fullmatch(r"\d+", folder.parent.name)]
    folders = sorted(packaged, key=lambda folder: int(folder.parent.name), reverse=True)
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).resolve().parent)
    for folder in folders:
        if all(os.access(folder / name, os.X_OK) for name in PROGRAMS):
            return folder
    reason = "no PostgreSQL server: scripts/postgresql installs Debian's package postgresql"
    raise NotInstalledError(reason)


def account() -> dict[str, Any]:
    """Return the options that make ``subprocess`` start the server as another user than root, which it refuses to be.

    Raises:
        NotInstalledError: this is root, and the user ``postgres`` does not exist.
    """
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(SUPERUSER)
    except KeyError:
        reason = f"PostgreSQL does not run as root, and there is no user {SUPERUSER}"
        raise NotInstalledError(reason) from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}


def clean_environment() -> dict[str, str]:
    """Return the environment without the variables of PostgreSQL's client library."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


@dataclass
class Server:
    """A running server that trusts every local user.

    Attributes:
        programs: the folder of its programs.
        folder: its data and its log.
        port: where it listens, on 127.0.0.1.
    """

    programs: Path
    folder: Path
    port: int
    databases: int = field(default=0, init=False)

    @property
    def pid(self) -> int:
        """The process id of the server's main process, the parent of all others."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def new_database(self) -> Database:
        """Create an empty database."""
        self.databases += 1
        database = Database(self, f"test_{self.databases}")
        self.psql("postgres", f"CREATE DATABASE {database.name}")
        return database

    def psql(self, database: str, statement: str) -> str:
        """Execute a statement and return the rows, one per line."""
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        done = self._run("psql", *options, f"--dbname={database}", f"--command={statement}")
        if done.returncode:
            raise ServerError(done.stderr)
        return done.stdout

    def wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the server accepts connections.

        Raises:
            ServerError: it does not; the message has the server's log.
        """
        deadline = time.monotonic() + START_SECONDS
        while self._run("pg_isready").returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                log = self.folder / "server.log"
                message = f"PostgreSQL does not start:\n{log.read_text() if log.exists() else ''}"
                raise ServerError(message)
            time.sleep(0.05)

    def _run(self, program: str, *options: str) -> subprocess.CompletedProcess[str]:
        connection = (f"--host={HOST}", f"--port={self.port}", f"--username={SUPERUSER}")
        return subprocess.run(
            [self.programs / program, *connection, *options],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@dataclass
class Database:
    """One database of the server, for one test."""

    server: Server
    name: str

    def execute(self, statement: str) -> None:
        """Execute a statement."""
        self.server.psql(self.name, statement)

    def query(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query by column name: numbers as numbers, any other type as text."""
        lines = self.server.psql(self.name, f"SELECT row_to_json(found) FROM ({query}) AS found")
        return [json.loads(line) for line in lines.splitlines()]

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """Return the types of a table's columns by column name."""
        query = (
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_schema = '{schema}' AND table_name = '{table}'"
        )
        return {row["column_name"]: row["data_type"] for row in self.query(query)}


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a server on a free port until the context ends or this process does, even by SIGKILL.

    Raises:
        NotInstalledError: there is no server to run.
        ServerError: it does not start.
    """
    programs, run_as = find_programs(), account()
    folder = Path(tempfile.mkdtemp(prefix="tap-cxone-postgresql-"))
    if run_as:
        os.chown(folder, run_as["user"], run_as["group"])
    server = Server(programs, folder, _free_port())
    options = {"cwd": folder, "env": clean_environment(), **run_as}
    try:
        _create_cluster(server, options)
    except BaseException:
        shutil.rmtree(folder)
        raise
    process = subprocess.Popen(
        ["sh", "-c", SUPERVISE, "sh", *_server_command(server)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the tests. They stop the server when they are done.
        **options,
    )
    try:
        server.wait_until_ready(process)
        yield server
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _create_cluster(server: Server, options: dict[str, Any]) -> None:
    command = [
        str(server.programs / "initdb"),
        "--pgdata=data",
        f"--username={SUPERUSER}",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        message = f"initdb failed:\n{done.stderr}"
        raise ServerError(message)


def _server_command(server: Server) -> Sequence[str]:
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    return (str(server.programs / "postgres"), "-D", "data", "-p", str(server.port), *settings)
