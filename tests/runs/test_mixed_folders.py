"""Files of one stem, other suffixes, nested folders and things that are no files, in the tools."""

import os
import shutil
from pathlib import Path

import pytest

from stn_action.data.manifest import Manifest
from stn_action.person.store.people_file import PeopleFile
from tests.person.scene import crossing, standing, write_damaged_scene, write_scene
from tests.tiny import rows_of, tiny_settings, write_config
from tools.check_videos import main as check
from tools.detect_people import main as detect
from tools.train import main as train

DETECTOR = "python:tests.person.scene:ColorDetector"
NAMES = [
    "test/cross/x.avi", "test/cross/x.mp4", "test/stand/deep/down/y", "train/cross/a.mov",
    "train/cross/a.mp4", "train/stand/b/c", "train/stand/d",
]  # fmt: skip
DAMAGED = "train/cross/damaged"
ODD = ["train/cross/link", "train/cross/pipe", "train/stand/folder"]


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "data"
    cross = write_scene(tmp_path / "cross.mp4", crossing(12))
    stand = write_scene(tmp_path / "stand.mp4", standing(12))
    suffixes = {
        "test/stand/deep/down/y": ".mkv",
        "train/stand/b/c": ".m4v",
        "train/stand/d": ".3gp",
    }
    for name in NAMES:
        path = root / f"{name}{suffixes.get(name, '')}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(cross if "cross" in name else stand, path)
    write_damaged_scene(root / f"{DAMAGED}.mp4", crossing())
    (root / "train/stand/notes.txt").touch()
    (root / "train/cross/link.mp4").symlink_to(root / "removed.mp4")
    (root / "train/stand/folder.mp4").mkdir()
    os.mkfifo(root / "train/cross/pipe.mp4")
    return root


def test_every_file_is_checked_detected_and_trained_on(root, tmp_path, capsys):
    manifest, people, run = tmp_path / "m.tsv", tmp_path / "p.sqlite", tmp_path / "run"
    config = write_config(
        tmp_path / "mine.yaml",
        tiny_settings(
            root, f"data.people={people}", "data.regions=null", f"data.manifest={manifest}",
            f"train.output_dir={run}", "train.epochs=1", "train.batch_size=8",
            "eval.shuffled_theta=false",
        ),
    )  # fmt: skip
    said = f"passed over in {root}: 1 file that is not called like a video (.txt 1)"
    assert check([str(root), "--out", str(manifest), "--workers", "0"]) == 0
    assert said in capsys.readouterr().out
    found = Manifest.open(manifest)
    assert [entry.name for entry in found] == sorted([*NAMES, DAMAGED, *ODD])
    assert sorted(entry.name for entry in found if entry.error) == ODD
    detection = ["--out", str(people), "--detector", DETECTOR, "--workers", "0"]
    assert detect([str(config), *detection]) == 0
    assert said in capsys.readouterr().out
    assert all(PeopleFile(people).longest_spans([*NAMES, DAMAGED]))
    checked, detected = found.find(DAMAGED), PeopleFile(people).find(DAMAGED)
    assert checked is not None
    assert detected is not None
    assert detected.num_frames == checked.frames < 60
    assert train([str(config)]) == 0
    text = capsys.readouterr().out
    assert said in text
    for name in ODD:
        assert text.count(f"unreadable, replaced in training: {root / name}.mp4: ") == 1
    assert text.count("unreadable, replaced in training") == len(ODD)
    rows = rows_of(run / "test_predictions.csv")
    assert [row["video"] for row in rows] == NAMES[:3]
    assert "failed" not in {row["predicted"] for row in rows}
