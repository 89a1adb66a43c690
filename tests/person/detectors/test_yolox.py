"""YOLOX networks: real people, known boxes, and clear messages for other files."""

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from stn_action.errors import InputError
from stn_action.person.detectors.detector_table import build_detector
from stn_action.person.detectors.yolox import GRAY, YoloxDetector, decode_rows, letterbox
from stn_action.video.backend_table import open_video
from tests.person.detectors.small_networks import write_identity


@pytest.fixture(scope="session")
def yolox(shared):
    return build_detector(f"onnx:{shared / 'models/yolox_nano.onnx'}")


def frames_of(path, count: int) -> torch.Tensor:
    with open_video(path) as reader:
        return reader.read([len(reader) * i // count for i in range(count)]).data


@pytest.mark.parametrize("clip", ["0_1_4", "30_6_2", "57_10_3"])
def test_yolox_finds_the_people_of_real_frames(yolox, shared, clip):
    frames = frames_of(shared / f"data/ut_interaction_set1/{clip}.avi", 4)
    height, width = frames.shape[2:]
    for found in yolox.detect(frames):
        assert found.scores[0] > 0.7
        assert (found.scores.diff() <= 0).all()
        x0, y0, x1, y1 = found.boxes[0].tolist()
        assert -5 < x0 < x1 < width + 5
        assert 0.6 * height < y1 - y0 < 1.1 * height  # the clips are cut out around people
        assert x1 - x0 < y1 - y0


def test_a_frame_gives_the_same_alone_and_among_others(yolox, shared):
    frames = frames_of(shared / "data/ut_interaction_set1/0_1_4.avi", 3)
    together = yolox.detect(frames)
    for frame, found in zip(frames, together, strict=True):
        (alone,) = yolox.detect(frame[None])
        assert torch.equal(alone.boxes, found.boxes)


def test_boxes_follow_the_size_of_the_image(yolox, shared):
    frame = frames_of(shared / "data/ut_interaction_set1/0_1_4.avi", 1)
    (before,) = yolox.detect(frame)
    large = torch.nn.functional.interpolate(frame.float(), scale_factor=(2, 2), mode="bilinear")
    (after,) = yolox.detect(large.round().to(torch.uint8))
    assert box_iou(after.boxes[:2] / 2, before.boxes[:2]).diagonal().min() > 0.9


def test_gray_holds_no_person(yolox):
    (found,) = yolox.detect(torch.full((1, 3, 90, 200), 90, dtype=torch.uint8))
    assert (found.boxes.shape, found.scores.shape) == ((0, 4), (0,))


def test_what_is_no_batch_of_frames_is_refused(yolox):
    with pytest.raises(ValueError, match=r"frames must be uint8 \(B, 3, H, W\), got torch.float32"):
        yolox.detect(torch.zeros(1, 3, 8, 8))


def test_the_letterbox_is_gray_at_the_lower_right_and_bgr():
    image = np.full((20, 40, 3), (10, 20, 30), dtype=np.uint8)
    blob = letterbox(image, 32, 32 / 40)
    assert blob.shape == (1, 3, 32, 32)
    assert (blob[0, :, :16] == np.array([30, 20, 10])[:, None, None]).all()
    assert (blob[0, :, 16:] == GRAY).all()


def test_a_row_is_decoded_by_hand():
    rows = np.zeros((2, 85), dtype=np.float32)
    rows[1, :6] = 0.5, 0.25, np.log(2), np.log(4), 0.8, 0.5
    corners, strides = np.array([[0, 0], [3, 1]]), np.array([[8], [16]])
    boxes, scores = decode_rows(rows, corners, strides)
    # center ((3 + 0.5) * 16, (1 + 0.25) * 16), size (2 * 16, 4 * 16)
    assert boxes[1].tolist() == pytest.approx([56 - 16, 20 - 32, 56 + 16, 20 + 32])
    assert scores.tolist() == pytest.approx([0, 0.4])


@pytest.mark.parametrize("content", [b"", b"no network", None], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_network_is_reported(shared, tmp_path, content):
    path = tmp_path / "model.onnx"
    whole = (shared / "models/yolox_nano.onnx").read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError, match=r"model.onnx: is not an ONNX network, or not all of it"):
        build_detector(f"onnx:{path}")


def test_a_network_of_another_kind_is_reported(shared, tmp_path):
    model = shared / "models/yolox_nano.onnx"
    with pytest.raises(InputError, match="the side must be a multiple of 32 pixels, got 100"):
        build_detector(f"onnx:{model}@100")
    with pytest.raises(InputError, match="the side after @ must be a number of pixels"):
        build_detector(f"onnx:{model}@big")
    with pytest.raises(InputError, match=r"no file .*gone.onnx; expected a network in ONNX"):
        build_detector("onnx:gone.onnx")
    with pytest.raises(InputError, match="the side after @ must be a number of pixels"):
        build_detector(f"onnx:{model}@0")
    other = write_identity(tmp_path / "other.onnx", "1, 3, 32, 85")
    with pytest.raises(InputError, match="its input is not declared as one square image"):
        YoloxDetector(other, min_score=0.1)
    other = write_identity(tmp_path / "other.onnx", "1, 3, 32, 32")
    with pytest.raises(InputError, match=r"the output is \(3, 32, 32\), expected \(21, 85\)"):
        YoloxDetector(other, min_score=0.1)
    model = (shared / "models/yolox_nano.onnx").read_bytes()
    other.write_bytes(model.replace(b"Sigmoid", b"Unknown"))
    with pytest.raises(InputError, match="is not an ONNX network that OpenCV can read"):
        build_detector(f"onnx:{other}")


def test_a_wider_input_of_the_same_network_can_be_asked_for(shared):
    detector = build_detector(f"onnx:{shared / 'models/yolox_nano.onnx'}@320")
    assert detector.name.endswith(" 320")
    frames = frames_of(shared / "data/ut_interaction_set1/0_1_4.avi", 1)
    assert detector.detect(frames)[0].scores[0] > 0.7
