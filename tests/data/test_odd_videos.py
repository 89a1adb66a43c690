"""Videos that do not fit what is known of them: each is a failure of its own, never of the run."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stn_action.data.clips import TestClips, TrainClips
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.manifest import DIGEST_MARK, Manifest, to_line, write_manifest
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.jobs.inspection import inspect_video
from stn_action.person.crop import CropSpec
from stn_action.person.select import TubeChoice
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from tests.person.scene import HEIGHT, WIDTH, standing, write_scene

LENGTH = 30
CROP = CropSpec((40, 40), looseness=0.0, view_share=1.0)


@pytest.fixture
def root(scene, tmp_path) -> Path:
    """`good.mp4` and `odd.mp4`, the same so far."""
    for name in ("good", "odd"):
        shutil.copy(scene, tmp_path / f"{name}.mp4")
    return tmp_path


@pytest.fixture(scope="session")
def scene(tmp_path_factory) -> Path:
    return write_scene(tmp_path_factory.mktemp("odd") / "scene.mp4", standing(LENGTH))


def videos_in(root: Path) -> VideoTable:
    return VideoTable(Video(name, root / f"{name}.mp4", 0, name) for name in ("odd", "good"))


def people_in(root: Path, **odd: Any) -> PeopleFile:
    """The boxes of both videos; `odd` changes those of the odd one."""
    people = PeopleFile.create(root / "people.sqlite", "hand")
    for video in videos_in(root):
        boxes = standing(LENGTH)[0]
        tube = Tube(torch.arange(LENGTH), boxes, torch.ones(LENGTH))
        digest = video.checksum()
        known = VideoPeople(video.name, (tube,), (HEIGHT, WIDTH), LENGTH, 30.0, digest)
        people.add(replace(known, **odd) if video.name == "odd" else known)
    return people


def manifest_in(root: Path, **odd: Any) -> Manifest:
    entries = [inspect_video(video).entry for video in videos_in(root)]
    entries[0] = replace(entries[0], **odd)
    write_manifest(root / "manifest.tsv", map(to_line, entries))
    return Manifest.open(root / "manifest.tsv")


def moved(tube: Tube, right: float) -> Tube:
    return Tube(tube.frame_indices, tube.boxes + torch.tensor([right, 0, right, 0]), tube.scores)


def changed_since_the_check(root: Path) -> dict[str, Any]:
    manifest = manifest_in(root)
    write_scene(root / "odd.mp4", standing(LENGTH, left=20.0))
    return {"manifest": manifest}


def changed_since_the_detection(root: Path) -> dict[str, Any]:
    people = people_in(root)
    write_scene(root / "odd.mp4", standing(LENGTH, left=20.0))
    return {"people": people}


def removed(root: Path) -> dict[str, Any]:
    people, manifest = people_in(root), manifest_in(root)
    (root / "odd.mp4").unlink()
    return {"people": people, "manifest": manifest}


def damaged_line(root: Path) -> dict[str, Any]:
    path = manifest_in(root).path
    header, _, lines = path.read_bytes().partition(b"\n")
    header = header.partition(DIGEST_MARK)[0]  # of an earlier version, or edited
    path.write_bytes(header + b"\n" + lines.replace(b"odd\t30\t", b"odd\tXX\t"))
    return {"manifest": Manifest.open(path)}


def damaged_boxes(root: Path) -> dict[str, Any]:
    people = people_in(root)
    with people._file.writing() as connection:
        connection.execute("UPDATE tubes SET boxes = x'00112233445566' WHERE video = 1")
    return {"people": people}


def boxes_outside(root: Path) -> dict[str, Any]:
    tube = moved(Tube(torch.arange(2), standing(2)[0], torch.ones(2)), 900.0)
    return {"people": people_in(root, tubes=(tube,))}


def late_boxes(root: Path) -> dict[str, Any]:
    tube = Tube(torch.arange(LENGTH + 5), standing(LENGTH + 5)[0], torch.ones(LENGTH + 5))
    return {"people": people_in(root, tubes=(tube,))}


ODD: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "changed since the check": (changed_since_the_check, "has changed since the manifest was"),
    "changed since the detection": (changed_since_the_detection, "has changed since people were"),
    "removed": (removed, "cannot be read (No such file or directory)"),
    "boxes outside": (boxes_outside, "is entirely outside the image"),
    "boxes beyond the end": (late_boxes, "reach to frame 34, the video has 30 frames"),
    "boxes of another size": (
        lambda root: {"people": people_in(root, size_hw=(100, 100))},
        "are for 100x100 pixels, the video has 240x120",
    ),
    "boxes of another length": (
        lambda root: {"people": people_in(root, num_frames=21, checksum=None)},
        "had 21 frames when people were detected in it, now it has 30",
    ),
    "two lengths": (
        lambda root: {"people": people_in(root, num_frames=21), "manifest": manifest_in(root)},
        "had 21 frames when people were detected in it, now it has 30",
    ),
    "no frame, by its boxes": (
        lambda root: {"people": people_in(root, num_frames=0)},
        "has no frame that can be decoded, by the people file",
    ),
    "no frame, by the manifest": (
        lambda root: {"manifest": manifest_in(root, frames=0)},
        "has no frame that can be decoded, by the manifest",
    ),
    "a longer length in the manifest": (
        lambda root: {"manifest": manifest_in(root, frames=45)},
        "has 30 frames that can be decoded, not 45",
    ),
    "unreadable, by the manifest": (
        lambda root: {"manifest": manifest_in(root, error="its end is missing")},
        "odd.mp4: its end is missing",
    ),
    "a damaged line": (damaged_line, "frames must be a number, got 'XX'"),
    "damaged boxes": (damaged_boxes, "the boxes of odd are damaged"),
}


@pytest.mark.parametrize("select", ["longest", "all"])
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_video_is_named_and_replaced_or_counts_as_wrong(root, kind, select):
    make, reason = ODD[kind]
    known = make(root)
    source = ClipSource(videos_in(root), CROP, tubes=TubeChoice(select), **known)
    sampling = ClipSampling(3, 14)  # from the first frame to the last
    test = TestClips(source, sampling=sampling)
    samples, ((video, message),) = test[0]
    assert (samples, video) == ([], 0)
    assert reason in message
    assert str(root) in message
    assert test[1][1] == []
    (sample,), failures = TrainClips(source, sampling=sampling)[0]
    assert (sample.video, failures) == (1, [(0, message)])
