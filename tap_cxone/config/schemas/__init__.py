"""JSON Schemas of the built-in streams, one file per stream."""
