"""Which Meltano command a process is, by its arguments."""

from __future__ import annotations

import pytest

from tap_cxone.meltano import is_config_test, subcommand


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("/venv/bin/python /venv/bin/meltano config test tap-cxone", "config"),
        ("/venv/bin/python /venv/bin/meltano config tap-cxone test", "config"),
        ("/venv/bin/python -m meltano --log-level=debug config test tap-cxone", "config"),
        ("meltano.exe --environment prod --no-environment config test tap-cxone", "config"),
        ("meltano --environment config run test tap-cxone target-jsonl", "run"),
        ("meltano --cwd /srv/config/test run tap-cxone target-jsonl", "run"),
        ("meltano run config test", "run"),
        ("meltano invoke tap-cxone --test", "invoke"),
        ("meltano --version", None),
        ("/bin/sh -c meltano", None),
        ("dagster config test", None),
        ("", None),
    ],
)
def test_the_subcommand_is_the_first_word_that_is_no_option_and_no_value_of_one(
    arguments: str, expected: str | None
) -> None:
    assert subcommand(arguments.split()) == expected


def test_this_process_is_no_config_test() -> None:
    assert not is_config_test({"MELTANO_PROJECT_ROOT": "/project"})
