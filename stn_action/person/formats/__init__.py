"""People files of public data sets and tools; `format_table.py` lists them by name."""
