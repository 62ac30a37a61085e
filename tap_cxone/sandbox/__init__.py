"""A simulated NICE CXone platform that serves the API calls used by the tap, over HTTP on loopback.

The command `cxone-sandbox`, the setting `sandbox` and the tests share it. It imports nothing from the rest of the tap:
shared code could hide a bug in dates or decoding from the tests. To read it, begin with what it holds and does:

* `options`: the options and faults. `platform`: the state of one organisation.
* `create_requests`, `jobs`: a request that creates a job, and what becomes of it.
* `events`, `entities` with `rows`, `variations`: the data, and its intended defects.
* `files`, `storage`: the file of a job, and the signed URLs for it.

and end with how it is served: `exports_api`, `extractions_api` and `identity_api` have the handlers, `endpoint` what
they share, `server` the HTTP server; `sandbox` and `cli` start it.
"""

from __future__ import annotations

from tap_cxone.sandbox.jobs import Job
from tap_cxone.sandbox.options import Fault, SandboxOptions
from tap_cxone.sandbox.platform import Request
from tap_cxone.sandbox.sandbox import Sandbox, SandboxError

__all__ = ["Fault", "Job", "Request", "Sandbox", "SandboxError", "SandboxOptions"]
