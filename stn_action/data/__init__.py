"""Labelled videos to batches of clips."""
