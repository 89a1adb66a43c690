"""The confusion matrix's picture."""

import numpy as np
import pytest
import torch

from stn_action.visualize.confusion import draw_confusion
from stn_action.visualize.images import Image

DARK, LIGHT = (8, 48, 107), (246, 248, 252)


def cell_corners(picture: Image, num_classes: int, cell: int) -> np.ndarray:
    """(C, C, 3): the pixel near each cell's upper left corner, found from the margins below."""
    side = num_classes * cell
    lit = (picture == np.array(DARK)).all(-1) | (picture == np.array(LIGHT)).all(-1)
    top, left = np.argwhere(lit).min(axis=0)
    return picture[top + 2 : top + side : cell, left + 2 : left + side : cell]


def test_a_cells_shade_is_its_share_of_the_row():
    matrix = torch.tensor([[4, 0, 0], [1, 2, 1], [0, 0, 0]])
    cells = cell_corners(draw_confusion(matrix, ["a", "b", "c"]), 3, 64)
    assert cells[0].tolist() == [list(DARK), list(LIGHT), list(LIGHT)]
    assert (cells[2] == LIGHT).all()
    brightness = cells[1].astype(int).sum(-1)
    assert brightness[0] == brightness[2] > brightness[1]


def test_counts_are_written_where_there_is_room():
    few = draw_confusion(torch.tensor([[4, 0], [1, 2]]), ["a", "b"])
    other = draw_confusion(torch.tensor([[8, 0], [2, 4]]), ["a", "b"])
    assert few.shape == other.shape
    assert (few != other).any()


def test_a_hundred_classes_fit_a_picture_of_ordinary_size():
    names = [f"ClassWithALongName{index}" for index in range(101)]
    picture = draw_confusion(torch.eye(101), names, title="ucf101 split 1")
    assert 1500 < picture.shape[0] < 2200
    assert 1500 < picture.shape[1] < 2200
    cells = cell_corners(picture, 101, 17)
    assert (cells[np.arange(101), np.arange(101)] == DARK).all()
    assert (cells[0, 1:] == LIGHT).all()


def test_a_single_class_and_very_long_names_can_be_drawn():
    picture = draw_confusion(torch.tensor([[3]]), ["a name that does not end " * 9], title="t" * 99)
    assert picture.shape[1] < 800


def test_a_matrix_that_does_not_fit_is_refused():
    with pytest.raises(
        ValueError, match=r"matrix must be \(2, 2\) for 2 class names, got \(2, 3\)"
    ):
        draw_confusion(torch.zeros(2, 3), ["a", "b"])
    with pytest.raises(ValueError, match="none of them negative"):
        draw_confusion(torch.tensor([[1.0, -1], [0, 1]]), ["a", "b"])
