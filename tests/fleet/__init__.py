"""Tests of runs that an orchestrator starts."""
