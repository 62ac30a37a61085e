"""``python -m tests.end_to_end.limited_tap BYTES FILES ARGUMENTS``: the tap with limits: bytes of a file, open files.

0 is no limit. At its end the process writes its memory peak to standard error, as ``peak_mib=``.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import tap_cxone.cli  # noqa: F401 - imported before the limits apply
from tap_cxone.commands import tap

if __name__ == "__main__":
    for limited in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        if limit := int(sys.argv.pop(1)):
            resource.setrlimit(limited, (limit, resource.getrlimit(limited)[1]))
    try:
        tap()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)  # type: ignore[arg-type]
        status = Path("/proc/self/status").read_text()
        print(f"peak_mib={int(status.split('VmHWM:')[1].split()[0]) >> 10}", file=sys.stderr)
