"""Spatial transformer heads that learn where to look in loose person crops."""
