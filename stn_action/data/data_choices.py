"""Names of the data sets, of the distortions of digits and of the ways to sample frames."""

from typing import Literal

DatasetName = Literal[
    "ucf101", "jhmdb", "ut_interaction", "weizmann", "mnist", "mnist_addition", "folders", "sample"
]
"""The data sets; `folders`: videos in folders named by class; `mnist`: digits, clips of a frame."""
DistortionName = Literal["R", "RTS", "P", "E", "TC"]
"""Distortions of digits, as the spatial transformer paper names them; see `data.digits`."""
FrameSampling = Literal["dense", "segment"]
"""A run of frames, or one frame from each of equal parts of the video."""
