"""Streams: from verified files to Singer messages and bookmarks."""
