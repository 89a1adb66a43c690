"""A tiny tree of every data set in its true layout, by the names of the data sets."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.ava_tree import write_ava, write_detections
from tests.cub_tree import write_cub
from tests.digit_tree import write_digits
from tests.listed_trees import (
    write_arid,
    write_diving48,
    write_finegym99,
    write_hmdb51,
    write_jhmdb,
    write_kinetics,
    write_kth,
    write_something_v1,
    write_something_v2,
)
from tests.named_trees import (
    write_csv,
    write_folders,
    write_haa500,
    write_ntu_rgbd,
    write_smarthome,
    write_ut_interaction,
    write_utd_mhad,
    write_weizmann,
)
from tests.svhn_tree import write_svhn
from tests.tree_files import Put
from tests.ucf101_tree import write_ucf101, write_ucf101_24


def _sample(root: Path, put: Put) -> Path:
    write_folders(root, put)
    (root / "sample.json").write_text(json.dumps({"settings": {"version": 1, "seed": 0}}))
    return root


def _ava_detected(root: Path, put: Put) -> Path:
    write_detections(write_ava(root, put=put))
    return root


TREES: dict[str, Callable[[Path, Put], Path]] = {
    "ucf101": lambda root, put: write_ucf101(root, put=put),
    "ucf101_24": write_ucf101_24,
    "hmdb51": write_hmdb51,
    "jhmdb": write_jhmdb,
    **dict.fromkeys(("kinetics400", "kinetics600", "kinetics700"), write_kinetics),
    "something_v1": write_something_v1,
    "something_v2": write_something_v2,
    "diving48": write_diving48,
    "finegym99": write_finegym99,
    "kth": write_kth,
    "arid": write_arid,
    "ut_interaction": write_ut_interaction,
    "weizmann": write_weizmann,
    "utd_mhad": write_utd_mhad,
    **dict.fromkeys(("ntu60_xsub", "ntu60_xview", "ntu120_xsub", "ntu120_xset"), write_ntu_rgbd),
    **dict.fromkeys(("smarthome_xsub", "smarthome_xview1", "smarthome_xview2"), write_smarthome),
    "haa500": write_haa500,
    "cub200": lambda root, put: write_cub(root).parent,
    "svhn": lambda root, put: write_svhn(root, train=3, test=2),
    **dict.fromkeys(
        ("mnist", "mnist_addition"), lambda root, put: write_digits(root, train=3, test=2)
    ),
    "ava": lambda root, put: write_ava(root, put=put),
    **dict.fromkeys(("ava_detected80", "ava_detected90"), _ava_detected),
    "folders": write_folders,
    "csv": write_csv,
    "sample": _sample,
}
"""Each takes the folder, which it makes, and what puts videos there, and returns `data.root`."""
