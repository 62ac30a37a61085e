"""The platform of the benchmarks: the calls of one analytics export, answered by a process of its own.

``python -m tests.benchmarks.server FILE`` prints the address and serves until it is terminated. Every export is
completed as soon as it is created, and its file is FILE. What the server does is not part of any measurement.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.http_server import HttpServer, Request, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http_server import Response

PROJECT = Path(__file__).parents[2]
DOWNLOAD = "/api/v2/analytics/exports/benchmark/download"


@contextmanager
def serving(path: Path) -> Iterator[str]:
    """Serve a file; yields the address of the API."""
    command = [sys.executable, "-m", "tests.benchmarks.server", str(path)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def main(path: Path) -> None:
    content = path.read_bytes()

    def respond(request: Request) -> Response:
        if request.path == DOWNLOAD:
            return 200, {"Content-Type": "application/gzip"}, content
        if request.path == "/oauth/token":
            return json_response({"access_token": "token", "token_type": "Bearer", "expires_in": 3600})
        if request.method == "POST":
            return json_response({"id": "benchmark"}, 201)
        if request.path.endswith("/exports"):
            return json_response({"entities": []})
        return json_response({"id": "benchmark", "status": "completed"})

    print(HttpServer(respond).url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
