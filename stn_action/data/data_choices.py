"""Names of the data sets, of distortions of digits, of steps of augmentation and of sampling."""

from typing import Literal

DatasetName = Literal[
    "ucf101", "ucf101_24", "hmdb51", "jhmdb", "kinetics400", "kinetics600", "kinetics700",
    "something_v1", "something_v2", "diving48", "finegym99", "kth", "arid", "ut_interaction",
    "weizmann", "utd_mhad", "ntu60_xsub", "ntu60_xview", "ntu120_xsub", "ntu120_xset",
    "smarthome_xsub", "smarthome_xview1", "smarthome_xview2", "haa500", "cub200", "svhn", "mnist",
    "mnist_addition", "ava", "ava_detected80", "ava_detected90", "folders", "csv", "sample",
]  # fmt: skip
"""The data sets; `folders`: videos in folders named by class; `csv`: those that a file lists."""
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
BatchSampling = Literal["shuffled", "class_balanced"]
"""Which items an epoch has: each once, or drawn so that all classes are equally frequent."""
PixelStep = Literal[
    "color_jitter", "rand_augment", "aug_mix", "grayscale", "blur", "random_erasing",
]  # fmt: skip
"""The steps of an augmentation that change pixels in place, in their usual order."""
FixedCrops = Literal[5, 13]
"""How many places a view of TSN can have."""
