"""The SDK's setting ``batch_config``: what is accepted, and the sentence for everything else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tap_cxone.config.batches import BatchSettings
from tap_cxone.errors import SettingsError
from tests.config.configurations import make_settings
from tests.conftest import PROJECT

JSONL_GZIP = {"format": "jsonl", "compression": "gzip"}
VALID = {"encoding": JSONL_GZIP, "storage": {"root": "file:///var/batches"}}


def test_without_batch_config_records_are_written_as_messages() -> None:
    assert make_settings().batches is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, BatchSettings(Path("/var/batches"), "", 10_000)),
        ({"batch_size": 7}, BatchSettings(Path("/var/batches"), "", 7)),
        ({"batch_size": None}, BatchSettings(Path("/var/batches"), "", 10_000)),
        ({"storage": {"root": "file:///a b%20#?", "prefix": "p-"}}, BatchSettings(Path("/a b%20#?"), "p-", 10_000)),
        ({"storage": {"root": "file:///a", "params": {}}}, BatchSettings(Path("/a"), "", 10_000)),
    ],
    ids=str,
)
def test_gzip_json_lines_in_a_local_folder_are_accepted(changes: dict[str, Any], expected: BatchSettings) -> None:
    assert make_settings(batch_config=VALID | changes).batches == expected


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"encoding": {"format": "parquet", "compression": "gzip"}}, "encoding"),
        ({"encoding": {"format": "jsonl", "compression": "none"}}, "encoding"),
        ({"encoding": {"format": "jsonl"}}, "encoding"),
        ({"encoding": None}, "encoding"),
        ({"storage": {"root": "s3://bucket/folder"}}, "root"),
        ({"storage": {"root": "file://server/folder"}}, "root"),
        ({"storage": {"root": "file:///a\0b"}}, "root"),
        ({"storage": {"root": "batches"}}, "root"),
        ({"storage": {"root": 7}}, "root"),
        ({"storage": {}}, "root"),
        ({"storage": {"root": "file:///a", "params": {"key": "secret"}}}, "storage"),
        ({"storage": "file:///a"}, "storage"),
        ({"storage": {"root": "file:///a", "prefix": "../x"}}, "prefix"),
        ({"storage": {"root": "file:///a", "prefix": 7}}, "prefix"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "many"}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"compression": "gzip"}, "must be an object with"),
    ],
    ids=str,
)
def test_anything_else_is_refused_in_one_sentence(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(SettingsError, match=rf"'batch_config'.*{part}") as caught:
        make_settings(batch_config=VALID | changes)
    assert "secret" not in caught.value.message


def test_the_documented_setting_is_accepted() -> None:
    [block] = re.findall(r"```json\n(.*?)```", (PROJECT / "docs" / "batch.md").read_text(), re.DOTALL)
    assert make_settings(**json.loads(block)).batches == BatchSettings(Path("/var/lib/cxone/batches"), "cxone-", 50_000)


def test_a_batch_config_that_is_no_object_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be an object"):
        make_settings(batch_config="file:///var/batches")
