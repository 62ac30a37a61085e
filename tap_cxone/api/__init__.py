"""HTTP to the platform: transport, retry, tokens, grants, redaction. Knows nothing of jobs, records or Singer."""
