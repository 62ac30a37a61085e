"""cxone-report: what the runs did, read from the audit log, as one page that opens offline, as JSON, and as a check.

Reads the audit log and writes a page; nothing else. Only drawing and the page need the extra ``report``.
"""
