"""All people in a real video, found, followed and compared with annotations."""

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from stn_action.checksum import checksum
from stn_action.person.agreement import best_overlaps, share_of_frames
from stn_action.person.detect_video import detect_frames, detect_people
from stn_action.person.detectors.detector_base import Detections
from stn_action.person.detectors.detector_table import build_detector
from stn_action.person.formats.ucf101_24 import read_ucf101_24
from stn_action.person.video_people import VideoPeople
from stn_action.video.backend_table import open_video
from stn_action.video.reader import VideoError
from tests.person.scene import ColorDetector, crossing, standing, write_scene

YOLOX = "models/yolox_nano.onnx"


@pytest.fixture(scope="session")
def yolox(shared):
    return build_detector(f"onnx:{shared / YOLOX}")


@pytest.fixture(scope="session")
def annotations(shared) -> dict[str, VideoPeople]:
    path = shared / "data/annotations/ucf101_24/pyannot.pkl"
    return {people.name.split("/")[1]: people for people in read_ucf101_24(path)}


def people_of(shared, yolox, clip: str, every: int = 3) -> VideoPeople:
    return detect_people(shared / f"data/{clip}", clip, yolox, every=every)


@pytest.mark.parametrize(
    ("clip", "number"), [("0_1_4", 2), ("13_3_2", 2), ("17_3_0", 2), ("22_4_3", 1)]
)
def test_the_people_of_real_clips_are_followed_from_start_to_end(shared, yolox, clip, number):
    people = people_of(shared, yolox, f"ut_interaction_set1/{clip}.avi")
    assert len(people.tubes) == number
    assert share_of_frames(people) > 0.95
    for tube in people.tubes:
        assert tube.frame_indices[0] <= 3
        assert tube.frame_indices.diff().max() <= 9  # continuous, but for a few missed detections
        following = box_iou(tube.boxes[:-1], tube.boxes[1:]).diagonal()
        assert following.min() > 0.3  # no tube changes its person; a kick widens a box at once


def test_annotated_people_are_found(shared, yolox, annotations):
    people = people_of(shared, yolox, "smoke_clips/yowov2_v_Fencing_g01_c06.mp4")
    best = best_overlaps(people, annotations["v_Fencing_g01_c06"])
    assert len(best) == 348
    assert (best >= 0.5).float().mean() > 0.8  # 0.89 when this was written


@pytest.mark.slow
def test_annotated_people_of_all_nine_clips_are_found(shared, yolox, annotations):
    clips = sorted((shared / "data/smoke_clips").glob("yowov2_*.mp4"))
    assert len(clips) == 9
    every = [
        best_overlaps(people_of(shared, yolox, f"smoke_clips/{clip.name}"), truth, looseness=0.2)
        for clip in clips
        for truth in [annotations[clip.stem.removeprefix("yowov2_")]]
    ]
    assert (torch.cat(every) >= 0.5).float().mean() > 0.8  # the table is in docs/results.md


@pytest.mark.slow
def test_people_are_found_in_most_frames_of_all_clips(shared, yolox):
    clips = sorted((shared / "data/ut_interaction_set1").glob("*.avi"))
    shares = [share_of_frames(people_of(shared, yolox, f"ut_interaction_set1/{clip.name}", 6))
              for clip in clips]  # fmt: skip
    assert np.min(shares) > 0.9


def test_every_nth_frame_is_looked_at_and_boxes_lie_inside(tmp_path):
    class Wide(ColorDetector):
        """Its boxes reach beyond the image, one is entirely outside."""

        def detect(self, frames):
            self.seen = getattr(self, "seen", 0) + len(frames)
            boxes = torch.tensor([[-5.0, -5, 300, 300], [-50, 0, -10, 20]])
            return [Detections(boxes, torch.tensor([0.9, 0.8])) for _ in frames]

    path = write_scene(tmp_path / "a.mp4", standing(20))
    detector = Wide()
    with open_video(path) as reader:
        found = list(detect_frames(reader, detector, every=4, batch_size=3))
    assert [one.frame for one in found] == [0, 4, 8, 12, 16]
    assert detector.seen == 5
    assert all(
        one.boxes.tolist() == [[0, 0, 240, 120]] for one in [frame.detections for frame in found]
    )


def test_batches_change_nothing(tmp_path):
    path = write_scene(tmp_path / "a.mp4", crossing(20))
    runs = [
        detect_people(path, "a", ColorDetector(), every=1, batch_size=size) for size in (1, 7, 99)
    ]
    for people in runs[1:]:
        for one, other in zip(runs[0].tubes, people.tubes, strict=True):
            assert torch.equal(one.boxes, other.boxes)


def test_people_of_a_slice_are_counted_from_its_first_frame(tmp_path):
    path = write_scene(tmp_path / "a.mp4", crossing(40))  # 30 frames in a second
    part = write_scene(tmp_path / "part.mp4", crossing(40)[:, 12:30])
    found = detect_people(path, "a_1", ColorDetector(), every=2, start_seconds=0.4, end_seconds=1)
    alone = detect_people(part, "part", ColorDetector(), every=2)
    assert (found.name, found.num_frames, found.fps) == ("a_1", 18, 30)
    assert len(found.tubes) == len(alone.tubes) == 2
    for one, other in zip(found.tubes, alone.tubes, strict=True):
        assert torch.equal(one.frame_indices, other.frame_indices)
        assert box_iou(one.boxes, other.boxes).diagonal().min() > 0.9
    assert found.checksum == f"{checksum(path)} 0.4:1.0"
    assert alone.checksum == checksum(part)


def test_a_video_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.mp4").write_text("no video\n" * 99)
    with pytest.raises(VideoError, match=r"a.mp4: .*no backend can read this video"):
        detect_people(tmp_path / "a.mp4", "a", ColorDetector())


def test_a_detector_that_fails_ends_it_and_leaves_no_thread_waiting(tmp_path):
    class Failing(ColorDetector):
        def detect(self, frames):
            raise RuntimeError("out of memory")

    path = write_scene(tmp_path / "a.mp4", standing(20))
    with pytest.raises(RuntimeError, match="out of memory"):
        detect_people(path, "a", Failing())
