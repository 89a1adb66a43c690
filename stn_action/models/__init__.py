"""Clips to predictions: trunks, localization networks, heads."""
