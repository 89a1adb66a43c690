"""Tiny trees of data sets with lists: the lists in their true form, and the videos they name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from stn_action.data.datasets.kth import CLASSES as KTH_CLASSES
from tests.tree_files import Put, touch

ARID_TRAIN = "0\t0\tDrink/Drink_12_1.avi\n1\t10\tWave/Wave_10_1.avi\n2\t10\tWave/Wave_10_2.avi\n"
ARID_TEST = "0\t0\tDrink/Drink_9_1.avi\n"


def write_arid(
    root: Path, put: Put = touch, *, folds: Sequence[int] = (1,), lists: str = "list_cvt",
    videos: str = "data", suffix: str = ".avi",
) -> Path:  # fmt: skip
    (root / lists).mkdir(parents=True, exist_ok=True)
    for part, text in (("train", ARID_TRAIN), ("test", ARID_TEST)):
        for fold in folds:
            (root / lists / f"ARID_split{fold}_{part}.txt").write_text(text)
        for line in text.splitlines():
            put((root / videos / line.split("\t")[2]).with_suffix(suffix))
    return root


JHMDB_CLIPS = {
    "kick_ball": {
        "Amazing_Soccer_@2_kick_ball_f_cm_np1_le_bad_2": 1,
        "Amazing_Soccer_@2_kick_ball_f_cm_np1_le_bad_10": 1,
        "Film_kick_ball_u_nm_np1_fr_goo_0": 2,
    },
    "sit": {"Film_sit_f_nm_np1_ri_med_0": 1, "home.take.2": 2},
}
HMDB_CLIPS = {
    "wave": {
        "Film_wave_f_nm_np1_fr_goo_0": 1, "Film_wave_u_cm_np1_le_bad_1": 1, "B_#2": 2, "C": 0,
    }
}  # fmt: skip


def write_jhmdb(root: Path, put: Put = touch, *, fold: int = 1) -> Path:
    """Five clips of two classes, in the official layout, re-encoded."""
    return _write_class_splits(root, put, JHMDB_CLIPS, fold, "splits", "ReCompress_Videos", ".mp4")


def write_hmdb51(
    root: Path, put: Put = touch, *, fold: int = 1, lists: str = "testTrainMulti_7030_splits",
    videos: str = "hmdb51_org",
) -> Path:  # fmt: skip
    return _write_class_splits(root, put, HMDB_CLIPS, fold, lists, videos, ".avi")


def _write_class_splits(
    root: Path, put: Put, clips: Mapping[str, Mapping[str, int]], fold: int, lists: str,
    videos: str, suffix: str,
) -> Path:  # fmt: skip
    (root / lists).mkdir(parents=True, exist_ok=True)
    for class_name, parts in clips.items():
        for stem in parts:
            put(root / videos / class_name / f"{stem}{suffix}")
        lines = [f"{stem}.avi {part} \n" for stem, part in parts.items()]
        (root / lists / f"{class_name}_test_split{fold}.txt").write_text("".join(lines))
    return root


KINETICS_TITLES = "label,youtube_id,time_start,time_end,split,is_cc\n"
KINETICS_TRAIN = 'b (x),-aAbBcCdD_0,7,17,train,0\n"a",aaaaaaaaaaa,0,10,train,0\n'
KINETICS_VAL = "a,vvvvvvvvvvv,100,110,{split},1\na,wwwwwwwwwww,1,11,{split},1\n"
KINETICS_FILES = (
    "train/-aAbBcCdD_0_000007_000017", "train/aaaaaaaaaaa_000000_000010",
    "val/vvvvvvvvvvv_000100_000110", "val/wwwwwwwwwww_000001_000011",
)  # fmt: skip


def write_kinetics(
    root: Path, put: Put = touch, *, lists: str = "annotations", val: str = "val",
    split: str = "val", folder: str = "{part}", suffix: str = ".mp4",
) -> Path:  # fmt: skip
    (root / lists).mkdir(parents=True, exist_ok=True)
    (root / lists / "train.csv").write_text(KINETICS_TITLES + KINETICS_TRAIN)
    (root / lists / f"{val}.csv").write_text(KINETICS_TITLES + KINETICS_VAL.format(split=split))
    for file in KINETICS_FILES:
        part, stem = file.split("/")
        put(root / folder.format(part=part) / f"{stem}{suffix}")
    return root


SOMETHING_CLASSES = ("Pushing something from left to right", "Holding something, still")
SOMETHING_TRAIN, SOMETHING_VALIDATION = {"1": 1, "20": 0}, {"3": 1}
_TEMPLATES = ("Pushing [something] from left to right", "Holding [something], still")


def write_something_v1(root: Path, put: Put = touch) -> Path:
    """Frames, and the lists beside their folder."""
    lists: dict[str, Sequence[str]] = {"labels": SOMETHING_CLASSES}
    root.mkdir(parents=True, exist_ok=True)
    for part, videos in (("train", SOMETHING_TRAIN), ("validation", SOMETHING_VALIDATION)):
        lists[part] = [f"{video};{SOMETHING_CLASSES[label]}" for video, label in videos.items()]
        for video in videos:
            put(root / "20bn-something-something-v1" / video)
    for part, lines in lists.items():
        text = "".join(f"{line}\n" for line in lines)
        (root / f"something-something-v1-{part}.csv").write_text(text)
    return root


def write_something_v2(
    root: Path, put: Put = touch, *, lists: str = "labels",
    name: str = "something-something-v2-{part}.json",
    video: str = "20bn-something-something-v2/{}.webm",
) -> Path:  # fmt: skip
    """As first published, with the lists and the videos of the release."""
    content: dict[str, object] = {"labels": {SOMETHING_CLASSES[1]: "1", SOMETHING_CLASSES[0]: "0"}}
    for part, videos in (("train", SOMETHING_TRAIN), ("validation", SOMETHING_VALIDATION)):
        content[part] = [
            {"id": key, "label": "words", "template": _TEMPLATES[label], "placeholders": ["x"]}
            for key, label in videos.items()
        ]
        for key in videos:
            put(root / video.format(key))
    (root / lists).mkdir(parents=True, exist_ok=True)
    for part, values in content.items():
        (root / lists / name.format(part=part)).write_text(json.dumps(values))
    return root


DIVING_CLASSES = [["Back", "15som", "05Twis", "FREE"], ["Forward", "25som", "NoTwis", "PIKE"]]
DIVING_TRAIN = [
    {"vid_name": "-mmq0PT-u8k_00005", "label": 1, "start_frame": 0, "end_frame": 90},
    {"vid_name": "-mmq0PT-u8k_00009", "label": 0, "start_frame": 0, "end_frame": 90},
]
DIVING_TEST = [{"vid_name": "_8Vy3dlHg2w_00000", "label": 0, "start_frame": 0, "end_frame": 80}]


def write_diving48(root: Path, put: Put = touch, *, lists: str = "", videos: str = "rgb") -> Path:
    (root / lists).mkdir(parents=True, exist_ok=True)
    content = {"V2_train": DIVING_TRAIN, "V2_test": DIVING_TEST, "vocab": DIVING_CLASSES}
    for name, values in content.items():
        (root / lists / f"Diving48_{name}.json").write_text(json.dumps(values))
    for dive in DIVING_TRAIN + DIVING_TEST:
        put(root / videos / f"{dive['vid_name']}.mp4")
    return root


FINEGYM_CATEGORIES = """Clabel:   0; set: 1; Glabel:   1; (VT) round-off, flic-flac on, salto; twice
Clabel:   1; set: 21; Glabel: 107; (FX) switch leap with 0.5 turn
"""
VAULT, LEAP = "A0xAXXysHUo_E_002184_002237_A_0000_0006", "-1FbFe_gbuQ_E_000002_000105_A_0003_0006"
SECOND_VAULT = "A0xAXXysHUo_E_002184_002237_A_0008_0012"
FINEGYM_TIMES = {
    "A0xAXXysHUo": {
        "E_002184_002237": {
            "event": 1,
            "timestamps": [[2184.24, 2237.24]],
            "segments": {
                "A_0000_0006": {"stages": 3, "timestamps": [[0.5, 2.0], [2.0, 4.0], [4.0, 6.5]]},
                "A_0008_0012": {"stages": 1, "timestamps": [[8.5, 12]]},
            },
        }
    },
    "-1FbFe_gbuQ": {
        "E_000002_000105": {
            "event": 2,
            "timestamps": [[2, 105]],
            "segments": {"A_0003_0006": {"stages": 1, "timestamps": [[3.25, 6]]}},
        }
    },
}  # fmt: skip
FINEGYM_FILES = ("events/A0xAXXysHUo_E_002184_002237.mp4", "videos/-1FbFe_gbuQ.mp4")
"""A clip of the event of the vaults, and the video of the leap."""


def write_finegym99(
    root: Path, put: Put = touch, *, lists: str = "annotations",
    train: str = f"{VAULT} 0\n{SECOND_VAULT} 0\n", test: str = f"{LEAP} 1\n",
    categories: str = FINEGYM_CATEGORIES, times: Mapping[str, object] | None = FINEGYM_TIMES,
    files: Sequence[str] = FINEGYM_FILES,
) -> Path:  # fmt: skip
    (root / lists).mkdir(parents=True, exist_ok=True)
    (root / lists / "gym99_train_element_v1.1.txt").write_text(train)
    (root / lists / "gym99_val_element.txt").write_text(test)
    (root / lists / "gym99_categories.txt").write_text(categories)
    if times is not None:
        (root / lists / "finegym_annotation_info_v1.1.json").write_text(json.dumps(times))
    for file in files:
        put(root / file)
    return root


KTH_LIST = "00sequences.txt"
_KTH_SHORT = ("person11_boxing_d4", "person13_handwaving_d3", "person14_handwaving_d3",
              "person15_boxing_d4", "person22_boxing_d1")  # fmt: skip
_KTH_MISSING = "person13_handclapping_d3"
_KTH_HEAD = (
    "This database contains sequences\n\nTraining:   person11, 12, 13, 14, 15, 16, 17, 18\n"
    "Test:       person22, 02, 03, 05, 06, 07, 08, 09, 10 \n\n"
)


def write_kth_list(root: Path, people: Sequence[int]) -> Path:
    """Write lines like the official ones; in the real list five videos have three sequences."""
    lines = [_KTH_HEAD]
    for person in people:
        for stem in _kth_stems(person):
            spans = ["1-95", "96-185", "186-245"] + ([] if stem in _KTH_SHORT else ["246-360"])
            said = "*missing*" if stem == _KTH_MISSING else f"frames\t{', '.join(spans)}"
            lines.append(f"{stem}\t\t{said}")
    root.mkdir(parents=True, exist_ok=True)
    (root / KTH_LIST).write_text("\n".join(lines))
    return root


def write_kth(
    root: Path, put: Put = touch, *, name: str = "{action}/{stem}_uncomp.avi",
    people: Sequence[int] = (11, 19, 22),
) -> Path:  # fmt: skip
    """The videos of a person to train on, one to validate and one to test, by default."""
    for person in people:
        for stem in _kth_stems(person):
            put(root / name.format(action=stem.split("_")[1], stem=stem))
    return write_kth_list(root, people)


def _kth_stems(person: int) -> list[str]:
    return [
        f"person{person:02}_{action}_d{scene}" for action in KTH_CLASSES for scene in range(1, 5)
    ]
