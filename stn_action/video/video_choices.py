"""Names of the libraries that decode videos, the largest frame that they decode, and a rate."""

from typing import Literal

Backend = Literal["pyav", "opencv", "decord"]
"""Keys of `backend_table.BACKENDS`."""
Reader = Literal["auto", Backend]
"""A library, or `auto`: PyAV, else the next one that can open the file."""

MAX_PIXELS = 50_000_000
"""Pixels of a frame; 8K has 35 million. A file of a few kilobytes can promise a thousand times as
many, and decoding it would take that memory."""

DEFAULT_FPS = 25.0
"""Frames per second of what gives no rate, or none that can be believed: a file, or a folder of
frames."""
