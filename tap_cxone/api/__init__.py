"""HTTP to the platform: transport, retries, tokens, redaction. Knows nothing of jobs, records or Singer."""
