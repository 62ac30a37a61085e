"""A simulated NICE CXone platform that serves the API calls used by the tap, over HTTP on loopback.

The command `cxone-sandbox`, the setting `sandbox` and the tests share it. It imports nothing from the rest of the tap:
shared code could hide a bug in dates or decoding from the tests.
"""

from __future__ import annotations

from tap_cxone.sandbox.jobs import Job
from tap_cxone.sandbox.options import Fault, SandboxOptions
from tap_cxone.sandbox.platform import Request
from tap_cxone.sandbox.sandbox import Sandbox, SandboxError

__all__ = ["Fault", "Job", "Request", "Sandbox", "SandboxError", "SandboxOptions"]
