"""Constructors of everything in a run; only they read a Config."""
