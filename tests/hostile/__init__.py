"""A platform that answers wrongly, slowly, endlessly or maliciously, and what the tap makes of it."""
