"""Names of the libraries that decode videos, and the largest frame that they decode."""

from typing import Literal

Backend = Literal["pyav", "opencv", "decord"]
"""Keys of `backend_table.BACKENDS`."""
Reader = Literal["auto", Backend]
"""A library, or `auto`: PyAV, else the next one that can open the file."""

MAX_PIXELS = 50_000_000
"""Pixels of a frame; 8K has 35 million. A file of a few kilobytes can promise a thousand times as
many, and decoding it would take that memory."""
