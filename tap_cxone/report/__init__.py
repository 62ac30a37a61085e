"""cxone-report: the history of the tap from its audit log, as a page, as JSON, or as a check of coverage."""
