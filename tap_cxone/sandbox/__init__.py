"""A simulated platform on loopback: section by section the calls of NICE CXone that the tap uses, over real HTTP.

Shared by the command `cxone-sandbox`, the setting `sandbox` and the tests. It imports nothing of the tap, so that a
mistake in the tap's dates or decoding cannot hide behind the same mistake here.
"""

from __future__ import annotations

from tap_cxone.sandbox.extractions import Extraction
from tap_cxone.sandbox.jobs import Job
from tap_cxone.sandbox.options import Fault, SandboxOptions
from tap_cxone.sandbox.platform import Request
from tap_cxone.sandbox.sandbox import Sandbox, SandboxError

__all__ = ["Extraction", "Fault", "Job", "Request", "Sandbox", "SandboxError", "SandboxOptions"]
