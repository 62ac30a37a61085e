"""Exports: from a range of dates to verified files. Nothing in here knows of Singer."""
