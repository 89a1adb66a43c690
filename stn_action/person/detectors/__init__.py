"""Person detectors; `detector_table.py` lists them by name."""
