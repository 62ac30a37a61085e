"""Emission: errors of the work folder."""

from __future__ import annotations

import errno
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_cxone.errors import DiskError
from tap_cxone.jobs.model import ExportFile, ExportJob
from tap_cxone.records.verify import verify_export
from tap_cxone.streams.emission import emit
from tap_cxone.windows import Window
from tests.conftest import january
from tests.records.exports import MODEL, record

if TYPE_CHECKING:
    from pathlib import Path


class BrokenDisk:
    """A file that cannot be read."""

    def __getattr__(self, name: str) -> Any:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("part", ["_lines", "keys", "rejected"])
def test_a_read_error_of_the_work_folder_names_it(tmp_path: Path, part: str) -> None:
    path = tmp_path / "export"
    path.write_text(json.dumps([record(1), record(2, agentId=...)]))
    job = ExportJob("job", Window(january(1), january(2)), january(3))
    options: dict[str, Any] = {"sample": lambda records: records, "sample_size": 0, "kept_fields": None}
    with closing(verify_export(path, MODEL)) as verified:
        file = ExportFile(job, 1, 1.0, verified)
        with (
            mock.patch.object(getattr(verified, part), "_file", BrokenDisk()),
            pytest.raises(DiskError, match=rf"{tmp_path} .*Input/output error.*'work_dir'"),
        ):
            list(emit(file, None, mock.Mock(), bookmark="", **options))
