"""``python -m tests.report.screenshot`` takes ``.github/report.png`` anew: the report of three real runs, one failed.

Needs Chromium, see ``scripts/browser``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tap_cxone.sandbox import Fault, Sandbox, SandboxOptions
from tests.conftest import PROJECT, config_for
from tests.report.conftest import browser_or_skip

TARGET = PROJECT / ".github" / "report.png"
WIDTH, HEIGHT = 1180, 2130
RUNS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"faults": (Fault("status", "429", times=1), Fault("download", "cut", times=1))}, {"end_date": "2024-01-29"}),
    ({"fail_longer_than_hours": 100}, {"start_date": "2024-01-29", "end_date": "2024-02-12"}),
    ({"faults": (Fault("create", "400", after=2),)}, {"start_date": "2024-02-19", "end_date": "2024-03-11"}),
)
"""Options of the sandbox and settings of the tap, for each run."""


def write_log(audit: Path) -> None:
    """Write the audit log of the runs."""
    for options, settings in RUNS:
        sandbox = Sandbox(
            SandboxOptions(queue_seconds=1, job_seconds=2, events_per_day=80, bad_records=0.01, **options)
        ).start()
        own = {"window_days": 7, "tenant": "acme", "audit_log_path": str(audit)} | settings
        config = audit.with_name("config.json")
        config.write_text(json.dumps(config_for(sandbox, **own)))
        command = [sys.executable, "-m", "tap_cxone", "--config", str(config)]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=300)
        sandbox.stop()


def main() -> None:
    """Write the log, the page and the picture."""
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService  # noqa: PLC0415 - not needed by the tests

    binary, driver = browser_or_skip()
    with tempfile.TemporaryDirectory() as name:
        audit, page = Path(name) / "audit.jsonl", Path(name) / "page.html"
        write_log(audit)
        code = "from tap_cxone.commands import report; report()"
        command = [sys.executable, "-c", code, "--audit-log-path", str(audit), "--output", str(page)]
        subprocess.run(command, check=True, timeout=60)
        options = ChromeOptions()
        options.binary_location = binary
        for switch in ("--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"):
            options.add_argument(switch)
        with Chrome(options=options, service=ChromeService(driver)) as browser:
            metrics = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            browser.get(page.as_uri())
            browser.save_screenshot(os.fspath(TARGET))
    Image.open(TARGET).quantize().save(TARGET, optimize=True)  # a third of the size


if __name__ == "__main__":
    main()
