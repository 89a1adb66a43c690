"""Evaluation: predictions of views, metrics, attention scores, confidence intervals."""
