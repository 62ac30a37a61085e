"""Records: from the bytes of an export to checked records, each key once. Nothing in here knows of jobs."""
