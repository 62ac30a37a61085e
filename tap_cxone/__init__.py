"""tap-cxone: a Singer tap for NICE CXone's asynchronous export jobs."""
