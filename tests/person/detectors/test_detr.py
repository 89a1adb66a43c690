"""D-FINE and RF-DETR networks: boxes and scores by value, on frames of another size."""

import math

import pytest
import torch

from stn_action.errors import InputError
from stn_action.person.detectors.detector_base import Detector
from stn_action.person.detectors.detector_table import build_detector
from tests.person.detectors.small_networks import write_dfine, write_rfdetr

RED = 204
BOX = [40.0, 20.0, 100.0, 60.0]


def framed(count: int = 1) -> torch.Tensor:
    """Frames of 256x96, four and two times the network's input, with a red box on blue."""
    frames = torch.zeros(count, 3, 96, 256, dtype=torch.uint8)
    frames[:, 2] = 255
    frames[:, 0, 20:60, 40:100] = RED
    return frames


def detector_at(path, min_score: float = 0.05) -> Detector:
    return build_detector(f"onnx:{path}", min_score=min_score)


def test_dfine_gives_persons_in_pixels_of_the_frame_best_first(tmp_path):
    detector = detector_at(write_dfine(tmp_path / "dfine.onnx"))
    assert detector.name.startswith("onnx:dfine.onnx ")
    assert detector.name.endswith(" 64x48")
    (found,) = detector.detect(framed())
    assert found.boxes.tolist() == [BOX, BOX]
    assert found.scores.tolist() == pytest.approx([RED / 255, RED / 2550])  # RGB, not normalized
    assert (found.boxes.dtype, found.scores.dtype) == (torch.float32, torch.float32)


def test_rfdetr_gives_persons_by_the_logits_of_the_second_class(tmp_path):
    detector = detector_at(write_rfdetr(tmp_path / "rfdetr.onnx"))
    (found,) = detector.detect(framed())
    assert found.boxes.tolist() == [pytest.approx(BOX, abs=1e-3)]
    logit = (RED / 255 - 0.485) / 0.229  # of ImageNet's red
    assert found.scores.tolist() == pytest.approx([1 / (1 + math.exp(-logit))])


def test_each_frame_is_looked_at_alone_and_weak_detections_are_dropped(tmp_path):
    frames = framed(3)
    frames[1, 0] = 0
    frames[2] = frames[2].roll(20, dims=2)  # to the right
    detector = detector_at(write_dfine(tmp_path / "dfine.onnx"), min_score=0.1)
    first, second, third = detector.detect(frames)
    assert first.boxes.tolist() == [BOX]
    assert (second.boxes.shape, second.scores.shape) == ((0, 4), (0,))
    assert third.boxes.tolist() == [[60, 20, 120, 60]]
    with pytest.raises(ValueError, match="frames must be uint8"):
        detector.detect(frames.float())


def test_a_class_that_is_no_person_is_no_person(tmp_path):
    detector = detector_at(write_dfine(tmp_path / "dogs.onnx", people=16))
    assert len(detector.detect(framed())[0].scores) == 0


def test_the_side_is_given_where_the_file_leaves_it_open_and_only_there(tmp_path):
    path = write_dfine(tmp_path / "open.onnx", image="H, W")
    with pytest.raises(InputError, match=r"open.onnx: its input is not declared .*open.onnx@640"):
        build_detector(f"onnx:{path}")
    detector = build_detector(f"onnx:{path}@96")
    assert detector.name.endswith(" 96x96")
    fixed = write_dfine(tmp_path / "fixed.onnx")
    with pytest.raises(InputError, match="exported for images of 64x48 pixels, got @96"):
        build_detector(f"onnx:{fixed}@96")


def test_outputs_of_another_shape_and_networks_that_fail_are_said(tmp_path):
    path = write_rfdetr(tmp_path / "mine.onnx", classes=3)
    with pytest.raises(InputError, match=r"RF-DETR network are .* \(1, 2, 3\).*, expected .*91"):
        build_detector(f"onnx:{path}")
    path = write_dfine(tmp_path / "batch.onnx")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"ReduceMax", b"NoSuchOp!"))
    with pytest.raises(InputError, match=r"is not an ONNX network that ONNX Runtime can read"):
        build_detector(f"onnx:{path}")
    path = write_dfine(tmp_path / "four.onnx", image="1, 1", labels=4)
    with pytest.raises(InputError, match=r"four.onnx: this D-FINE network cannot be run on .* 1x1"):
        build_detector(f"onnx:{path}")
