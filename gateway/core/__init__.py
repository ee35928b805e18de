"""Decisions: synchronous, pure, with time as an argument."""
