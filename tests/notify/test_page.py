"""docs/notify.md agrees with the code."""

from __future__ import annotations

import json
import re

import tap_cxone.notify
from tap_cxone.notify.cli import main
from tap_cxone.notify.payload import test_message as make_test_message
from tests.conftest import PROJECT

PAGE = (PROJECT / "docs" / "notify.md").read_text()


def test_page_and_package_begin_with_the_same_three_sentences() -> None:
    [of_page] = re.findall(r"^# .*?\n\n(.*?)\n\n", PAGE, re.DOTALL)
    of_package = (tap_cxone.notify.__doc__ or "").split("\n\n")[1]
    assert of_page.split() == of_package.replace("``", "`").split()
    assert len(re.findall(r"\.(?: |$)", " ".join(of_page.split()))) == 3


def test_example_has_the_fields_of_a_message_and_the_table_describes_them() -> None:
    [example] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    fields = [name for name in json.loads(make_test_message()) if name not in {"type", "test"}]
    assert list(json.loads(example)) == fields
    table = PAGE.partition("| field | says |")[2].partition("\n\n")[0]
    assert [
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ] == [*fields]


def test_page_names_every_command() -> None:
    named = set(re.findall(r"^(?:cxone-notify|.*&& cxone-notify) (\w+)", PAGE, re.MULTILINE))
    assert named == set(main.commands)
