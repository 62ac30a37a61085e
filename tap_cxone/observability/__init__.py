"""What a run reports: audit log, progress, log lines, metrics, live display."""
