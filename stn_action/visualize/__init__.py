"""Predictions and results to images and charts."""
