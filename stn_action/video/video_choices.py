"""Names of the libraries that decode videos."""

from typing import Literal

Backend = Literal["pyav", "opencv", "decord"]
"""Keys of `backend_table.BACKENDS`."""
Reader = Literal["auto", Backend]
"""A library, or `auto`: PyAV, else the next one that can open the file."""
