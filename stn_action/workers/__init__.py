"""Processes that work for this one, and end with it."""
