"""examples/receiver.py with the real sender."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.conftest import PROJECT
from tests.notify.conftest import SECRET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.notify.conftest import Notify


def test_receiver_verifies_deduplicates_and_stores(notify: Notify, tmp_path: Path) -> None:
    script, database = PROJECT / "examples" / "receiver.py", tmp_path / "loads.sqlite"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"WEBHOOK_SECRET": SECRET, "PORT": str(port), "DATABASE": str(database)}
    with subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.DEVNULL) as receiver:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with socket.socket() as probe:
                    if not probe.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.1)
            url = f"http://127.0.0.1:{port}/"
            assert notify("send", "--strict", webhook_url=url, max_attempts="1")[0] == 1, "the message is not signed"
            wrong = "whsec_YW5vdGhlcg=="
            assert notify("send", "--strict", webhook_url=url, webhook_secret=wrong, max_attempts="1")[0] == 1
            assert notify("test", webhook_url=url, webhook_secret=SECRET)[0] == 0
            assert notify("send", "--strict", webhook_url=url, webhook_secret=SECRET)[0] == 0
            again = notify("send", "--strict", webhook_url=f"again={url}", webhook_secret=SECRET)
            assert again[0] == 0, "the same messages again"
        finally:
            receiver.terminate()
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT date_from, date_to, records FROM loads ORDER BY 1").fetchall()
    connection.close()
    assert rows == [
        ("2024-01-01T00:00:00.000Z", "2024-01-11T00:00:00.000Z", 10),
        ("2024-01-11T00:00:00.000Z", "2024-01-21T00:00:00.000Z", 20),
    ]
