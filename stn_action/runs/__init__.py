"""Verbs on one experiment: train, test, compare, preview, draw."""
