"""Export jobs: from a date window to a downloaded, verified file. Knows nothing of Singer."""
