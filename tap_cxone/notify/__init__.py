"""cxone-notify: notifies webhook receivers of each window once, after it has been loaded.

A separate command that runs after the target. It reads the audit log of the tap, and records its deliveries there.
"""
