"""Video trunks; `backbone_table.py` lists them by name."""
