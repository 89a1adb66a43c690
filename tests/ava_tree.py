"""A tiny AVA in its official layout: lists, and films cut at 900 s of a few seconds each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stn_action.video.writer import write_video
from tests.tree_files import Put

ACTIONS = {1: "bend/bow (at the waist)", 12: "stand", 79: "talk to (e.g., self, a person)"}
"""Three of the sixty; the lists have action 2 besides."""
TRAIN = """-5KQ66BBWC4,0902,0.1,0.2,0.5,0.8,12,1
-5KQ66BBWC4,0902,0.1,0.2,0.5,0.8,79,1
-5KQ66BBWC4,0902,0.6,0.2,0.9,0.9,2,0
-5KQ66BBWC4,0903,0.1,0.2,0.5,0.8,12,1
053oq2xB3oU,0902,0.2,0.1,0.8,1.002,1,5
053oq2xB3oU,0904,0.2,0.1,0.8,1.0,12,5
"""
VAL = """1j20qq1JyX4,0902,0.002,0.118,0.714,0.977,12,1
1j20qq1JyX4,0902,0.002,0.118,0.714,0.977,79,1
1j20qq1JyX4,0902,0.744,0.054,0.992,0.990,12,0
1j20qq1JyX4,0903,0.020,0.069,0.985,0.985,1,2
2qQs3Y9OJX0,0902,0.1,0.1,0.5,0.5,12,0
"""
"""The second film is not on the disk."""
DETECTED = """1j20qq1JyX4,0903,0.02,0.07,0.98,0.98,-1,0.95
1j20qq1JyX4,0902,0.0,0.1,0.7,0.95,12,0.99
1j20qq1JyX4,0902,0.0,0.1,0.7,0.95,79,0.99
1j20qq1JyX4,0902,0.3,0.3,0.4,0.4,,0.5
1j20qq1JyX4,0902,0.7,0.1,0.9,0.3,,0.85
2qQs3Y9OJX0,0902,0.1,0.1,0.5,0.6,,0.9
"""
"""Boxes of a detector in the films of `VAL`: at 0902 two with a high score, of which one is the
person 1, and one with a low score."""
FPS, SIZE_HW = 8, (48, 64)


def write_ava(
    root: Path, *, films: Sequence[str] = ("-5KQ66BBWC4", "053oq2xB3oU", "1j20qq1JyX4"),
    put: Put | None = None,
) -> Path:  # fmt: skip
    """Write the lists, and films of seven seconds; one training sample is at an excluded time."""
    lists = root / "annotations"
    lists.mkdir(parents=True)
    entries = [f'item {{\n  name: "{name}"\n  id: {key}\n}}\n' for key, name in ACTIONS.items()]
    (lists / "ava_action_list_v2.2_for_activitynet_2019.pbtxt").write_text("".join(entries))
    (lists / "ava_train_v2.2.csv").write_text(TRAIN)
    (lists / "ava_val_v2.2.csv").write_text(VAL)
    (lists / "ava_train_excluded_timestamps_v2.2.csv").write_text("053oq2xB3oU,0904\nother,0902\n")
    (lists / "ava_val_excluded_timestamps_v2.2.csv").write_text("")
    for seed, film in enumerate(films):
        path = root / "videos_15min" / f"{film}.mp4"
        put(path) if put else write_film(path, seed)
    return root


def write_detections(root: Path, text: str = DETECTED) -> Path:
    path = root / "annotations/person_box_67091280_iou90/ava_detection_val_boxes_and_labels.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def write_film(path: Path, seed: int, seconds: int = 7) -> Path:
    path.parent.mkdir(exist_ok=True)
    noise = np.random.default_rng(seed)
    images = (noise.integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8) for _ in range(seconds * FPS))
    write_video(path, images, fps=FPS)
    return path
