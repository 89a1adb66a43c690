"""The strip with the true and the predicted class."""

from collections.abc import Sequence

import numpy as np
import torch

from stn_action.visualize.frame_overlay import draw_frame
from stn_action.visualize.verdict import RIGHT_COLOR, WRONG_COLOR, Verdict, draw_verdict

GRAY = np.full((320, 400, 3), 90, dtype=np.uint8)


def test_a_wrong_class_has_a_cross_and_a_right_one_a_tick():
    def marks(true: Sequence[str]) -> list[int]:
        image = draw_frame(GRAY, torch.zeros(0, 4, 2), label="kick", true_labels=true)
        header = image[: len(image) - len(GRAY)]
        return [int((header == color).all(-1).sum()) for color in (WRONG_COLOR, RIGHT_COLOR)]

    wrong, right = marks(["punch"])
    assert wrong > 20
    assert right == 0
    for true in (["kick"], ["wave", "kick"]):  # several labels: any of them is right
        wrong, right = marks(true)
        assert wrong == 0
        assert right > 10
    assert marks([]) == [0, 0]


def test_classes_that_are_too_long_stand_below_each_other():
    short = draw_verdict(Verdict("kick", 0.5, ["punch"]), 400, 12)
    long = draw_verdict(Verdict("a long class name", 0.5, ["another long name"]), 400, 12)
    assert len(short) < len(long) < 2 * len(short)
    for width in (90, 30):
        assert draw_verdict(Verdict("kick " * 40, 0.5, ["punch" * 40]), width, 12).shape[1] == width
    assert draw_verdict(Verdict(), 400, 12).shape == (0, 400, 3)
