"""Names of the data sets and of the ways to sample frames."""

from typing import Literal

DatasetName = Literal["ucf101", "jhmdb", "ut_interaction", "weizmann", "folders", "sample"]
"""The data sets; `folders`: videos in folders named by class."""
FrameSampling = Literal["dense", "segment"]
"""A run of frames, or one frame from each of equal parts of the video."""
