import pytest
import torch

from stn_action.geometry import mass_boxes
from stn_action.geometry.mass_boxes import smallest_boxes


def by_hand(mass, share):
    """Every rectangle of cells, one by one: (cells, -mass, x0, y0, x1, y1) of the best."""
    H, W = mass.shape
    found = []
    for top in range(H):
        for bottom in range(top + 1, H + 1):
            for left in range(W):
                for right in range(left + 1, W + 1):
                    held = mass[top:bottom, left:right].sum().item()
                    if held >= share * mass.sum().item() * (1 - 1e-9):
                        cells = (bottom - top) * (right - left)
                        found.append((cells, -held, left, top, right, bottom))
    return min(found)


@pytest.mark.parametrize("size", [(5, 7), (6, 4), (1, 8), (7, 1)])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.7, 1.0])
def test_the_box_is_the_best_of_all_rectangles(size, share):
    mass = torch.rand(6, *size, dtype=torch.double) ** 4
    H, W = size
    for one, box in zip(mass, smallest_boxes(mass, share), strict=True):
        _, _, left, top, right, bottom = by_hand(one, share)
        expected = [2 * left / W - 1, 2 * top / H - 1, 2 * right / W - 1, 2 * bottom / H - 1]
        torch.testing.assert_close(box, box.new_tensor(expected))


def test_a_box_of_known_cells():
    """Rows 1 and 2 of 4, columns 3 and 4 of 6 hold 8 of 10; x from 0 to 4 / 6, y -0.5 to 0.5."""
    mass = torch.zeros(1, 4, 6)
    mass[0, 1:3, 3:5] = 2.0
    mass[0, 0, 0] = mass[0, 3, 5] = 1.0
    box = smallest_boxes(mass, 0.8)[0]
    torch.testing.assert_close(box, box.new_tensor([0, -0.5, 2 / 3, 0.5]))


def test_of_boxes_of_one_size_the_heaviest_is_taken():
    mass = torch.tensor([[[3.0, 0.0, 4.0, 0.0, 3.0]]])
    box = smallest_boxes(mass, 0.2)[0]
    torch.testing.assert_close(box, box.new_tensor([-0.2, -1, 0.2, 1]))


def test_a_map_without_mass_counts_as_uniform():
    box = smallest_boxes(torch.zeros(1, 4, 4), 0.5)[0]
    assert (box[2:] - box[:2]).prod() == pytest.approx(4 / 2)  # of an area of 4


def test_many_maps_go_in_parts(monkeypatch):
    mass = torch.rand(5, 4, 3)
    expected = smallest_boxes(mass, 0.6)
    monkeypatch.setattr(mass_boxes, "_ENTRIES_AT_ONCE", 1)
    assert torch.equal(smallest_boxes(mass, 0.6), expected)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"mass must be \(N, H, W\), got \(4, 4\)"):
        smallest_boxes(torch.zeros(4, 4), 0.5)
    with pytest.raises(ValueError, match=r"share must be above 0 and at most 1, got 0"):
        smallest_boxes(torch.zeros(1, 4, 4), 0)


def test_no_map_has_no_box():
    assert smallest_boxes(torch.zeros(0, 4, 6), 0.5).shape == (0, 4)
