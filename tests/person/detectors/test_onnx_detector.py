"""ONNX files: what they declare, and which detector that is."""

import onnx
import pytest

from stn_action.errors import InputError
from stn_action.person.detectors.detector_table import build_detector
from stn_action.person.detectors.detr import DetrDetector
from stn_action.person.detectors.onnx_signature import read_signature
from stn_action.person.detectors.yolox import YoloxDetector
from tests.person.detectors.small_networks import write_dfine, write_identity, write_rfdetr


def test_a_signature_has_names_and_shapes_and_leaves_open_what_is_open(tmp_path):
    found = read_signature(write_dfine(tmp_path / "dfine.onnx"))
    assert found.inputs == {"images": (None, 3, 48, 64), "orig_target_sizes": (None, 2)}
    assert found.outputs == {"labels": (None, 3), "boxes": (None, 3, 4), "scores": (None, 3)}
    assert str(found).startswith("inputs images (?x3x48x64), orig_target_sizes (?x2), outputs lab")


def test_a_signature_is_what_the_package_onnx_reads_in_it(shared):
    path = shared / "models/yolox_nano.onnx"
    graph = onnx.load(path).graph
    found = read_signature(path)
    for ours, theirs in ((found.inputs, graph.input), (found.outputs, graph.output)):
        shapes = [[one.dim_value for one in value.type.tensor_type.shape.dim] for value in theirs]
        assert [list(shape) for shape in ours.values()] == shapes
        assert list(ours) == [value.name for value in theirs]


def test_weights_among_the_inputs_are_none(tmp_path):
    path = write_identity(tmp_path / "old.onnx", "1, 2")
    model = onnx.load(path)
    model.graph.initializer.append(onnx.helper.make_tensor("w", 1, [2], [0.5, 1]))
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, [2]))
    model.graph.output.append(onnx.ValueInfoProto(name="unknown"))
    onnx.save(model, path)
    assert read_signature(path) == ({"x": (1, 2)}, {"y": (1, 2), "unknown": ()})


def test_a_file_is_recognized_by_what_it_declares(tmp_path, shared):
    yolox = build_detector(f"onnx:{shared / 'models/yolox_nano.onnx'}")
    assert isinstance(yolox, YoloxDetector)
    for write, name in ((write_dfine, "D-FINE"), (write_rfdetr, "RF-DETR")):
        detector = build_detector(f"onnx:{write(tmp_path / 'one.onnx')}")
        assert isinstance(detector, DetrDetector)
        assert detector.layout.name == name


def test_an_unknown_layout_is_described_beside_those_that_are_known(tmp_path):
    path = write_identity(tmp_path / "other.onnx", "1, 84, 8400")
    described = r"is unknown: inputs x \(1x84x8400\), outputs y \(1x84x8400\); known are YOLOX .*"
    known = r"D-FINE \(images, orig_target_sizes to labels, boxes, scores\); RF-DETR \(input to d"
    with pytest.raises(InputError, match=described + known):
        build_detector(f"onnx:{path}")
    path = write_rfdetr(tmp_path / "renamed.onnx", input_name="pixels")
    with pytest.raises(InputError, match=r"outputs dets \(1x2x4\), labels \(1x2x91\), masks"):
        build_detector(f"onnx:{path}")
