"""Frames to people: tubes of boxes and the crops made from them."""
