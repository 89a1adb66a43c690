"""Names that the person of a clip and its crop are chosen by."""

from typing import Literal

Select = Literal["longest", "largest", "score", "union", "all"]
"""Which person a clip is about; see `select.TubeChoice`."""
WithoutPerson = Literal["frame", "skip"]
"""Videos without a person: the full frame is used, or they are left out."""
Aspect = Literal["square", "free"]
"""The box is enlarged to a square, or stretched to the clip's size."""
Motion = Literal["fixed", "follow"]
"""One box for a clip, or a box for each frame."""
Beyond = Literal["pad", "shift", "fit", "scene"]
"""A crop that reaches beyond the frame is padded there, moved back inside, also made smaller, or
shows another clip there."""
PaddingColor = Literal["mean", "black"]
"""The color of padding: the mean color of the trunk's training images, or black."""
TrackerName = Literal["bytetrack", "botsort", "ocsort", "cbiou", "sort"]
"""What follows people from frame to frame; see `tracker.TRACKERS`."""
