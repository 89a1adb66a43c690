"""Tiny trees of data sets whose files are named by a scheme, and of your own videos."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stn_action.data.datasets.weizmann import CLASSES as WEIZMANN_CLASSES
from stn_action.data.datasets.weizmann import PEOPLE as WEIZMANN_PEOPLE
from tests.tree_files import Put, touch

NTU_NAMES = (
    "S001C001P001R001A001", "S001C002P001R001A001", "S002C003P003R002A060",
    "S002C001P003R002A060", "S018C002P045R001A061", "S018C001P041R001A120",
    "S019C002P041R002A119", "S019C003P103R001A090",
)  # fmt: skip


def write_ntu_rgbd(root: Path, put: Put = touch) -> Path:
    for name in NTU_NAMES:
        put(root / f"nturgb+d_rgb/{name}_rgb.avi")
    return root


SMARTHOME_NAMES = (
    "Cook.Cleandishes_p02_r00_v02_c03", "Walk_p03_r01_v15_c01", "Walk_p03_r01_v15_c02",
    "Enter_p10_r00_v00_c07", "WatchTV_p25_r12_v15_c02", "Sitdown_p20_r07_v09_c05",
)  # fmt: skip


def write_smarthome(root: Path, put: Put = touch) -> Path:
    for name in SMARTHOME_NAMES:
        put(root / f"mp4/{name}.mp4")
    return root


HAA_CLASSES = ("abseiling", "play_cello", "yoga_tree")


def write_haa500(root: Path, put: Put = touch, *, classes: Sequence[str] = HAA_CLASSES) -> Path:
    for name in classes:
        for place in range(20):
            put(root / f"video/{name}/{name}_{place:03}.mp4")
    return root


def write_utd_mhad(
    root: Path, put: Put = touch, *, name: str = "RGB/a{}_s{}_t{}_color.avi"
) -> Path:
    """All 864 recorded videos, with the three that the authors left out."""
    for action in range(1, 28):
        for subject in range(1, 9):
            for repetition in range(1, 5):
                put(root / name.format(action, subject, repetition))
    return root


def write_weizmann(root: Path, put: Put = touch) -> Path:
    """Ninety clips, named like the official ones."""
    for class_name in WEIZMANN_CLASSES:
        for person in WEIZMANN_PEOPLE:
            put(root / f"videos/{class_name}/{person}_{class_name}.avi")
    return root


UT_LABELS: Mapping[int, Sequence[int]] = {sequence: range(6) for sequence in range(1, 11)} | {
    6: (0, 1, 2, 3, 5),
    8: (0, 1, 2, 3, 4, 4, 5),
}
"""Of set 1, by sequence."""


def write_ut_interaction(root: Path, put: Put = touch) -> Path:
    """The sixty clips of set 1, named like the official ones."""
    labeled = [(sequence, label) for sequence, labels in UT_LABELS.items() for label in labels]
    for number, (sequence, label) in enumerate(labeled):
        put(root / f"{number}_{sequence}_{label}.avi")
    return root


FOLDERS = ("train/wave/a.avi", "train/kick, high/b.mp4", "train/wave/c.webm", "test/wave/d.mp4")


def write_folders(root: Path, put: Put = touch) -> Path:
    for name in FOLDERS:
        put(root / name)
    return root


CSV_ROWS = (
    "path,label,start_seconds,end_seconds,split,group",
    'day 1/a.mp4,"kick, high",1,4.5,train,ann',
    "day 1/a.mp4,wave,5,9,train,ann",
    "b.avi,wave,,,train,bob",
    "c.webm,wave,,,test,eve",
)


def write_csv(root: Path, put: Put = touch, *, rows: Sequence[str] = CSV_ROWS) -> Path:
    """The list is the root of the data set."""
    for name in sorted({row.split(",")[0] for row in rows[1:]}):
        put(root / name)
    (root / "mine.csv").write_text("\n".join(rows) + "\n")
    return root / "mine.csv"
