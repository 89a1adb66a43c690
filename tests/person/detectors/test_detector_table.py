"""Detectors by name, and clear messages for other names."""

import pytest
import torch

from stn_action.errors import InputError
from stn_action.person.detectors.detector_base import Detections
from stn_action.person.detectors.detector_table import build_detector


@pytest.mark.parametrize("spec", ["yolox.onnx", "boxes:x", "torchvision:", "python:x"])
def test_an_unknown_kind_is_answered_with_the_known_ones(spec):
    with pytest.raises(InputError, match=r"--detector must be torchvision:NAME"):
        build_detector(spec)


def test_your_own_detector_is_imported():
    detector = build_detector("python:tests.person.scene:ColorDetector")
    assert detector.name == "colors 1"
    (found,) = detector.detect(torch.zeros(1, 3, 30, 30, dtype=torch.uint8))
    assert isinstance(found, Detections)
    with pytest.raises(
        InputError, match="python:nowhere:X: ModuleNotFoundError: No module named 'nowhere'"
    ):
        build_detector("python:nowhere:X")
    with pytest.raises(InputError, match="has no `detect` or no `name`"):
        build_detector("python:builtins:dict")
