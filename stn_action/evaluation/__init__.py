"""Predictions of views to metrics, and what these are worth."""
