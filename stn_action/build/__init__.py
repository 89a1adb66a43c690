"""Configuration to the objects of a run: the only constructors that read a Config."""
