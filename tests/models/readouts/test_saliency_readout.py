import pytest
import torch

from stn_action.errors import InputError
from stn_action.geometry.mass_boxes import smallest_boxes
from stn_action.geometry.theta import enclosing_boxes
from stn_action.models.readouts.saliency_readout import SaliencyReadout


def with_block():
    """(1, 3, 2, 4, 8): nothing but 1, -2 and 3 in cells x 2 to 3, y 1 to 2 of both steps."""
    features = torch.zeros(1, 3, 2, 4, 8)
    for channel, value in enumerate([1.0, -2.0, 3.0]):
        features[:, channel, :, 1:3, 2:4] = value
    return features


def test_the_window_holds_all_of_the_smoothed_block():
    """Smoothed by 3 x 3, the mean of |1|, |-2|, |3| reaches x 1 to 4 and y 0 to 3 of 8 x 4."""
    reading = SaliencyReadout(1, share=(1, 1))(with_block())
    box = enclosing_boxes(reading.theta)[0, 0, 0]
    torch.testing.assert_close(box, torch.tensor([-0.75, -1, 0.25, 1]))
    expected = torch.tensor([1.0, -2.0, 3.0]) * 4 / 16  # 4 of its 16 cells
    torch.testing.assert_close(reading.descriptions[0, 0], expected[:, None].expand(3, 2))


def smoothed(activation):
    """The mean over a cell and its neighbors on the map."""
    H, W = activation.shape
    result = torch.zeros(H, W)
    for y in range(H):
        for x in range(W):
            result[y, x] = activation[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean()
    return result


@pytest.mark.parametrize("per", ["clip", "step"])
def test_windows_and_means_are_those_of_the_smallest_boxes(per):
    features = torch.randn(2, 5, 3, 6, 7) * torch.rand(2, 1, 3, 6, 7) ** 3
    reading = SaliencyReadout(3, share=(0.4, 0.8), per=per)(features)
    steps = range(3) if per == "step" else [slice(None)]
    for b in range(2):
        for k, share in enumerate([0.4, 0.6, 0.8]):
            for s, step in enumerate(steps):
                activation = features[b, :, step].abs().mean(0)
                activation = activation if per == "step" else activation.mean(0)
                box = smallest_boxes(smoothed(activation)[None], share)[0].float()
                torch.testing.assert_close(enclosing_boxes(reading.theta[b, k, s]), box)
                x0, y0, x1, y1 = (
                    round((value + 1) / 2 * n)
                    for value, n in zip(box.tolist(), (7, 6, 7, 6), strict=True)
                )
                means = features[b, :, step, y0:y1, x0:x1].mean((-2, -1))
                found = reading.descriptions[b, k, :, step]
                torch.testing.assert_close(found, means, atol=1e-5, rtol=1e-5)


def test_shares_are_evenly_spaced_and_a_single_one_is_in_the_middle():
    assert SaliencyReadout(3).shares == pytest.approx([0.5, 0.7, 0.9])
    assert SaliencyReadout(1).shares == pytest.approx([0.7])
    assert not list(SaliencyReadout(3).parameters())


@pytest.mark.parametrize("share", [(0, 0.5), (0.9, 0.5), (0.5, 1.1), (0.5,)])
def test_wrong_shares_are_named(share):
    with pytest.raises(InputError, match=r"saliency_share must be .* 0 < smallest <= largest <= 1"):
        SaliencyReadout(2, share=share)
