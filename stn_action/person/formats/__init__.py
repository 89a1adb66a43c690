"""People files of public data sets and tools, read and written; `table.py` lists them by name."""
