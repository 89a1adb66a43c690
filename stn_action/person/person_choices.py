"""Names that the person of a clip and its crop are chosen by."""

from typing import Literal, get_args

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
BoxFormat = Literal[
    "csv", "tubes", "mot", "coco", "ava", "ucf101_24", "ucf101_24_tubes", "cub", "svhn", "jhmdb",
    "jhmdb_masks",
]  # fmt: skip
"""Kinds of box files; see `formats.format_table`."""
WritableBoxFormat = Literal["csv", "tubes", "mot", "coco", "ava"]
"""Those that are written too."""
PEOPLE_FILE = "sqlite"
"""The name of a people file's format."""
MOT_DETECTIONS = "mot_det"
"""MOTChallenge's det.txt, boxes without identity: they are tracked when they are read."""
AVA_SAMPLES = "ava_samples"
"""The folder of AVA's lists, a box for each sample of the data set."""
READABLE = (PEOPLE_FILE, MOT_DETECTIONS, AVA_SAMPLES, *get_args(BoxFormat))
WRITABLE = (PEOPLE_FILE, *get_args(WritableBoxFormat))
