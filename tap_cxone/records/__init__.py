"""Records: turns the bytes of an export file into valid, unique records."""
