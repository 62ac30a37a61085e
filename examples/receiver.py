"""Receives what cxone-notify sends: verifies it, takes each message once, and keeps it in SQLite.

Needs ``pip install standardwebhooks``. WEBHOOK_SECRET is required; PORT and DATABASE have defaults.
"""

import os
import sqlite3
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook

SECRET = os.environ["WEBHOOK_SECRET"]
LARGEST_BODY = 256 * 1024

database = sqlite3.connect(os.environ.get("DATABASE", "loads.sqlite"))
database.execute(
    "CREATE TABLE IF NOT EXISTS loads "
    "(webhook_id TEXT PRIMARY KEY, stream TEXT, date_from TEXT, date_to TEXT, records INTEGER)"
)


class Receiver(BaseHTTPRequestHandler):
    """Answers each message: 204 accepted, 401 not from us, 413 too long."""

    def do_POST(self) -> None:
        """Take one message."""
        length = int(self.headers.get("Content-Length", 0))
        if length > LARGEST_BODY:
            self.answer(413)
            return
        try:
            message = Webhook(SECRET).verify(self.rfile.read(length), dict(self.headers))
        except Exception:  # noqa: BLE001 - the signature is missing, wrong or old, or the body is not valid JSON
            self.answer(401)
            return
        if not message.get("test"):
            row = (self.headers["webhook-id"], *(message[name] for name in ("stream", "dateFrom", "dateTo")))
            # At-least-once delivery: the same webhook-id again is the same message again.
            with database:  # committed before it is answered
                database.execute("INSERT OR IGNORE INTO loads VALUES (?, ?, ?, ?, ?)", (*row, message["record_count"]))
        self.answer(204)

    def answer(self, status: int) -> None:
        """Send a response without a body."""
        self.send_response(status)
        self.end_headers()


HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver).serve_forever()
