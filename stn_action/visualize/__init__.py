"""Predictions to pictures."""
