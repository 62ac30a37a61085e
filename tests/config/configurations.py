"""A valid configuration, and settings made from it with some values changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tap_cxone.config.settings import Settings, normalise

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
SECRET = "s3cr3t-of-the-client"
VALID = {"client_id": "id-of-the-client", "client_secret": SECRET, "start_date": "2024-01-01"}
ACCESS_KEY = {"access_key_id": "id", "access_key_secret": "key", "client_id": ..., "client_secret": ...}
"""Changes that replace the OAuth client by an access key."""


def make_settings(**changes: Any) -> Settings:
    """Check a valid configuration with some settings changed; ``...`` removes a setting."""
    config = {name: value for name, value in (VALID | changes).items() if value is not ...}
    normalise(config)
    return Settings.from_config(config, NOW)
