"""``python -m tests.end_to_end.limited_tap BYTES ARGUMENTS``: the tap with a limit on the size of the files it writes.

0 is no limit. At its end the process writes its memory peak to standard error, as ``peak_mib=``.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from tap_cxone.cli import main

if __name__ == "__main__":
    limit = int(sys.argv.pop(1))
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        main()
    finally:
        status = Path("/proc/self/status").read_text()
        print(f"peak_mib={int(status.split('VmHWM:')[1].split()[0]) >> 10}", file=sys.stderr)
