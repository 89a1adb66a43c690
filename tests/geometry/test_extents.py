"""Extents of the image and of the person in a clip, and their shares of a map's cells."""

import pytest
import torch

from stn_action.geometry.extents import cell_shares, clip_extents

WHOLE = [-1.0, -1.0, 1.0, 1.0]


def test_edges_and_person_are_in_the_clips_own_coordinates():
    edges = torch.tensor([[-50.0, 10.0, 150.0, 50.0]])
    person = torch.tensor([[0.0, 30.0, 50.0, 70.0]])
    extents = clip_extents(edges, (60, 100), person)
    assert extents.tolist() == [[[-0.5, -1.5, 0.5, 1.5], [-0.5, 0.0, 0.0, 2.0]]]


def test_a_mirrored_clip_has_mirrored_extents():
    edges = torch.tensor([[250.0, 0.0, 50.0, 80.0]])
    person = torch.tensor([[10.0, 20.0, 60.0, 60.0]])
    extents = clip_extents(edges, (80, 100), person)
    expected = torch.tensor([[[0.5, -1, 1.5, 1], [0.9, -0.5, 1.4, 0.5]]])
    torch.testing.assert_close(extents, expected)


def test_without_a_person_both_are_the_image():
    edges = torch.tensor([[0.0, 0.0, 40.0, 20.0], [20.0, 0.0, 60.0, 20.0]])
    extents = clip_extents(edges, (20, 40), None)
    assert torch.equal(extents[:, 0], extents[:, 1])
    assert extents[:, 0].tolist() == [WHOLE, [-2.0, -1.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("edges", "person", "message"),
    [((4,), (4,), r"edges must be \(T, 4\)"), ((2, 4), (3, 4), r"person must be \(2, 4\)")],
)
def test_other_shapes_are_refused(edges, person, message):
    with pytest.raises(ValueError, match=message):
        clip_extents(torch.zeros(edges), (9, 9), torch.zeros(person))


def test_shares_by_hand():
    """The image is the right three quarters, the person the lower half of 1.5 columns of it."""
    image, person = [-0.5, -1.0, 1.0, 1.0], [-2.0, 0.0, 0.25, 1.5]
    shares = cell_shares(torch.tensor([[[image, person]]]), (1, 2, 4))
    assert shares.shape == (1, 2, 1, 2, 4)
    assert shares[0, 0, 0].tolist() == [[0, 1, 1, 1], [0, 1, 1, 1]]
    assert shares[0, 1, 0].tolist() == [[0, 0, 0, 0], [0, 1, 0.5, 0]]


def test_a_person_outside_the_clip_has_no_share():
    shares = cell_shares(torch.tensor([[[WHOLE, [1.5, -1.0, 2.0, 1.0]]]]), (1, 3, 3))
    assert shares[0, 0].eq(1).all()
    assert shares[0, 1].eq(0).all()


@pytest.mark.parametrize(("frames", "size_thw"), [(6, (2, 3, 5)), (5, (3, 4, 2)), (2, (4, 2, 3))])
def test_shares_are_those_of_a_fine_grid(frames, size_thw):
    """The slow reference counts points, 60 along each side of the clip and 60 per frame."""
    torch.manual_seed(frames)
    corners = torch.rand(2, frames, 2, 2, 2).mul(60).round().div(30).sub(1).sort(dim=-2).values
    extents = corners.flatten(-2)
    points = (torch.arange(60) + 0.5) / 30 - 1
    steps, rows, columns = size_thw
    expected = torch.zeros(2, 2, *size_thw)
    for clip in range(2):
        masks = []
        for frame in range(frames):
            inside = []
            for x0, y0, x1, y1 in extents[clip, frame]:
                across, down = (points > x0) & (points < x1), (points > y0) & (points < y1)
                inside.append(down[:, None] & across)
            masks.append(torch.stack([inside[0], inside[0] & inside[1]]))
        fine = torch.stack(masks, 1).float().repeat_interleave(60, 1)  # (2, 60 T, 60, 60)
        times = fine.unflatten(1, (steps, -1)).mean(2)
        expected[clip] = times.unflatten(2, (rows, -1)).unflatten(4, (columns, -1)).mean((3, 5))
    torch.testing.assert_close(cell_shares(extents, size_thw), expected, atol=2e-5, rtol=0)


def test_shares_are_exact_in_mixed_precision():
    extents = torch.tensor([[[[-0.3, -1.0, 1.0, 1.0]] * 2]])
    with torch.autocast("cpu", torch.bfloat16):
        shares = cell_shares(extents, (1, 1, 7))
    assert shares.dtype == torch.float32
    torch.testing.assert_close(shares, cell_shares(extents, (1, 1, 7)), atol=0, rtol=0)


def test_shares_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"extents must be \(B, T, 2, 4\), got \(3, 4\)"):
        cell_shares(torch.zeros(3, 4), (1, 1, 1))
