"""Configuration: the settings schema, validated settings, Data Extraction entities, stream selection."""
