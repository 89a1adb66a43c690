"""Names of the data sets, of the distortions of digits and of the ways to sample frames."""

from typing import Literal

DatasetName = Literal[
    "ucf101", "jhmdb", "ut_interaction", "weizmann", "cub200", "svhn", "mnist", "mnist_addition",
    "ava", "folders", "sample",
]  # fmt: skip
"""The data sets; `folders`: videos in folders named by class."""
DIGIT_SETS: tuple[DatasetName, ...] = ("mnist", "mnist_addition")
"""Those of digits in idx files, which can be distorted."""
IMAGE_SETS: tuple[DatasetName, ...] = ("cub200", "svhn", *DIGIT_SETS)
"""Those of images, which are videos of one frame."""
DistortionName = Literal["R", "RTS", "P", "E", "TC"]
"""Distortions of digits, as the spatial transformer paper names them; see `data.digits`."""
ZoomFrom = Literal["clip", "source"]
"""What glimpses of `zoom` are cut out of in tests: clips, or what these show in the source."""
FrameSampling = Literal["dense", "segment"]
"""A run of frames, or one frame from each of equal parts of the video."""
