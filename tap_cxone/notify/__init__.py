"""cxone-notify: tells receivers of a webhook which windows have been loaded, once each, after the load.

A command of its own that runs behind the target. It knows the tap only by the audit log, which is its memory, too;
nothing in here imports the SDK.
"""
