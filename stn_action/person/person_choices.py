"""Names of the ways to select a person and to cut the crop."""

from typing import Literal

Select = Literal["longest", "largest", "score", "union", "all"]
"""Which person a clip is about; see `select.TubeChoice`."""
WithoutPerson = Literal["frame", "skip"]
"""Videos without a person: the whole frame is used, or they are left out."""
Aspect = Literal["square", "free"]
"""The box is enlarged to a square, or stretched to the clip's size."""
Motion = Literal["fixed", "follow"]
"""One box for a clip, or a box for each frame."""
