"""The private names of the SDK on which sdk_compat and the fast path rely are as they were when they were checked."""

from __future__ import annotations

import ast
import inspect
from importlib import metadata
from pathlib import Path

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.plugin_base import PluginBase

import tap_cxone
from tap_cxone.streams import sdk_compat
from tap_cxone.tap import TapCXone

CONFIG = {"sandbox": True, "start_date": "2024-01-01"}
PACKAGE = Path(tap_cxone.__file__).parent


def test_the_installed_sdk_is_the_one_that_was_checked() -> None:
    installed = metadata.version("singer-sdk").split(".")
    checked = sdk_compat.CHECKED_VERSION.split(".")
    assert installed[:2] == checked[:2], "look at each private name again, then raise CHECKED_VERSION"


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (PluginBase, "_validate_config", ["self", "raise_errors"]),
        (Tap, "_handle_termination", ["self", "signum", "frame"]),
        (Stream, "_sync_records", ["self", "context", "write_messages"]),
        (Stream, "_write_starting_replication_value", ["self", "context"]),
        (Stream, "_increment_stream_state", ["self", "latest_record", "context"]),
        (Stream, "_generate_record_messages", ["self", "record"]),
        (Stream, "_write_schema_message", ["self"]),
        (Stream, "_write_state_message", ["self"]),
    ],
)
def test_a_private_method_has_its_signature(owner: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


def test_a_stream_has_the_private_attributes() -> None:
    tap = TapCXone(config=CONFIG)
    stream = tap.streams["bot_conversations"]
    for name in ("_schema", "_mask", "_input_schema", "_stream_maps", "_tap"):
        assert name in vars(stream), name
    assert tap._env_var_prefix == "TAP_CXONE_"
    assert "_config" in vars(tap)


@pytest.mark.parametrize(
    ("method", "steps"),
    [
        (
            "_generate_record_messages",
            [
                "pop_deselected_record_properties(record, self.schema, self.mask)",
                "conform_record_data_types(",
                "for stream_map in self.stream_maps:",
                "stream_map.transform(record)",
                "time_extracted=utc_now()",
            ],
        ),
        ("_write_record_message", ["self._tap.write_message(record_message)"]),
        (
            "_sync_records",
            [
                "self.get_record_counter()",
                "self.get_sync_timer()",
                "self._write_record_message(record)",
                "self.post_process(record, current_context)",
                "self._check_max_record_limit(",
                "self._write_state_message()",
            ],
        ),
    ],
)
def test_the_path_that_the_fast_path_replaces_is_unchanged(method: str, steps: list[str]) -> None:
    source = inspect.getsource(getattr(Stream, method))
    assert [step for step in steps if step not in source] == []


def test_private_names_of_the_sdk_are_used_in_sdk_compat_only() -> None:
    names = {name for owner in (Stream, Tap, PluginBase) for name in vars(owner) if name.startswith("_")}
    names |= {"_schema", "_mask", "_input_schema", "_stream_maps", "_tap", "_config"}
    names = {name for name in names if not name.startswith("__")}
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.name == "sdk_compat.py" or ("streams" not in path.parts and path.parent != PACKAGE):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in names:
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.attr}")
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("singer_sdk"):
                private = any(part.startswith("_") for part in str(node.module).split("."))
                found += [f"{path.relative_to(PACKAGE)}:{node.lineno} {node.module}"] if private else []
    assert found == []
