"""Labeled videos to batches of clips."""
