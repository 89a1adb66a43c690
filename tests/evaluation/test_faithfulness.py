"""Masks of equal area, and what masking costs a network whose evidence is known."""

import pytest
import torch
from torch import Tensor, nn

from stn_action.batch import Batch
from stn_action.errors import InputError
from stn_action.evaluation.faithfulness import Faithfulness, clip_masks, measure_faithfulness
from stn_action.geometry.cells import Cells
from stn_action.geometry.theta import theta_from_boxes
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.grad_cam import ClassMaps, GradCam
from stn_action.models.network import FocusedNetwork
from stn_action.models.plug import plug
from stn_action.models.prediction import Focus
from tests.geometry.examples import weights_of_boxes

T, H, W = 4, 32, 40
EXAMPLE = torch.zeros(1, 3, T, H, W)
CELLS = Cells.centered((4, 8, 10), (T, H, W))
MASKS = ("heads", "Grad-CAM", "activation", "random")


class UpperLeft(nn.Module):
    """Clips to the mean of the upper left quarter of the map, whose cells are means of pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.AvgPool3d((1, 4, 4))

    def forward(self, clip: Tensor) -> Tensor:
        return self.map(clip)[..., : H // 8, : W // 8].mean((2, 3, 4))


def known_network() -> FocusedNetwork:
    """Probability 1 / (1 + exp(-x)) of class 1, x three times the quarter's mean."""
    network = plug(UpperLeft(), heads=0, num_classes=2, example=EXAMPLE, branch_classifiers=False)
    with torch.no_grad():
        network.classifier.weight.copy_(torch.tensor([[0.0] * 3, [1.0] * 3]))
        network.classifier.bias.zero_()
    return network.eval()


def batch_of(clip: Tensor, video: list[int], **more: object) -> Batch:
    B = len(clip)
    fields = {
        "clip": clip, "target": torch.zeros(B, dtype=torch.int64), "video": torch.tensor(video),
        "view": torch.arange(B), "frame_indices": torch.zeros(B, T, dtype=torch.int64),
        "boxes": torch.zeros(B, T, 4), "failures": [],
        "extents": torch.tensor([-1.0, -1, 1, 1]).expand(B, T, 2, 4),
    }  # fmt: skip
    return Batch(**{**fields, **more})  # type: ignore[arg-type]


def measure(network: FocusedNetwork, *batches: Batch, at: str, **settings) -> Faithfulness:
    settings = {"fill": (0.0, 0.0, 0.0), "area": None, "explained": "predicted", **settings}
    generator = torch.Generator().manual_seed(0)
    cam = GradCam(network, at, EXAMPLE)
    return measure_faithfulness(network, batches, cam, generator=generator, **settings)


def masks_of(*focus: Focus, area: float | None = None, count: int = 3):
    maps = ClassMaps(torch.rand(count, 4, 8, 10), torch.rand(count, 4, 8, 10), CELLS)
    generator = torch.Generator().manual_seed(1)
    return clip_masks(focus, maps, area=area, generator=generator)


def test_masks_of_the_evidence_take_all_of_it_and_keep_all_of_it():
    """The evidence is the bright upper left quarter; the dim lower right one is none."""
    clip = torch.zeros(3, 3, T, H, W)
    clip[..., : H // 2, : W // 2] = torch.tensor([0.5, 1.0, 2.0]).view(3, 1, 1, 1, 1)
    clip[..., H // 2 :, W // 2 :] = 0.1
    found = measure(known_network(), batch_of(clip, [0, 1, 1]), at="map", area=0.25)
    p = torch.sigmoid(torch.tensor([1.5, 3.0, 6.0]).double())
    per_video = torch.stack([p[0], (p[1] + p[2]) / 2])  # two views of the second
    assert found.masks == ("Grad-CAM", "activation", "random")
    assert found.video.tolist() == [0, 1]
    assert found.area.tolist() == [0.25, 0.25]
    torch.testing.assert_close(found.probability, per_video)
    for place in (0, 1):  # both maps find the quarter
        torch.testing.assert_close(found.drop[:, place], per_video - 0.5)
        torch.testing.assert_close(found.kept[:, place], per_video)
    assert (found.drop[:, 2] < found.drop[:, 0]).all()
    assert (found.kept[:, 2] < found.kept[:, 0]).all()


def test_the_color_of_the_mask_is_that_of_the_fill_and_the_class_can_be_the_true_one():
    clip = torch.zeros(2, 3, T, H, W)
    clip[..., : H // 2, : W // 2] = 1.0
    batch = batch_of(clip, [0, 1])
    filled = measure(known_network(), batch, at="map", area=0.25, fill=(0.0, 0.5, 1.0))
    p = torch.sigmoid(torch.tensor(3.0).double())
    after = torch.sigmoid(torch.tensor(1.5).double())
    torch.testing.assert_close(filled.drop[:, 0], (p - after).expand(2))
    true = measure(known_network(), batch, at="map", area=0.25, explained="true")
    torch.testing.assert_close(true.probability, (1 - p).expand(2))


def test_masks_have_one_area_in_every_frame_and_the_heads_own_by_default():
    boxes = torch.tensor([[-1.0, -1, 0, 0], [-0.5, -0.5, 0.5, 0.5]])
    theta = theta_from_boxes(boxes).view(1, 2, 1, 2, 3).expand(3, 2, 1, 2, 3)
    masks = masks_of(Focus(theta, None, "map", CELLS))
    assert tuple(masks) == MASKS
    union = torch.zeros(H, W, dtype=torch.bool)
    union[:16, :20] = True
    union[8:24, 10:30] = True
    assert torch.equal(masks["heads"], union.expand(3, T, H, W))
    for mask in masks.values():
        assert (mask.sum((-2, -1)) == union.sum()).all()
    assert not torch.equal(masks["random"][0], masks["random"][1])
    assert torch.equal(masks["random"][0, 0], masks["random"][0, 3])


def test_a_given_area_scales_the_windows_about_their_centers():
    theta = theta_from_boxes(torch.tensor([-0.5, -0.5, 0.5, 0.5])).view(1, 1, 1, 2, 3)
    focus = Focus(theta.expand(3, 1, 1, 2, 3), None, "map", CELLS)
    masks = masks_of(focus, area=0.0625)
    expected = torch.zeros(H, W, dtype=torch.bool)
    expected[12:20, 15:25] = True
    assert torch.equal(masks["heads"], expected.expand(3, T, H, W))
    assert all((mask.sum((-2, -1)) == H * W // 16).all() for mask in masks.values())


def test_windows_per_step_mask_each_frame_by_their_own_area():
    boxes = torch.tensor([[-1.0, -1, 0, 0], [-1.0, -1, 1, 0], [-1.0, -1, 1, 0], [0.0, 0, 1, 1]])
    theta = theta_from_boxes(boxes).view(1, 1, 4, 2, 3)
    masks = masks_of(Focus(theta, None, "map", CELLS), count=1)
    expected = torch.tensor([[320, 640, 640, 320]])
    for mask in masks.values():
        assert torch.equal(mask.sum((-2, -1)), expected)


def test_weights_mask_what_they_weigh_most_as_large_as_half_of_their_mass():
    """Two heads with equal weights in 16 cells each, which their mean has together."""
    boxes = torch.tensor([[-1.0, -1, -0.2, 0], [0.2, 0.0, 1.0, 1.0]])
    weights = weights_of_boxes(boxes, (8, 10))  # 4 x 4 cells each
    weights = weights.view(1, 2, 1, 8, 10).expand(3, 2, 1, 8, 10)
    masks = masks_of(Focus(None, None, "map", CELLS, weights=weights))
    cells = 32 * 16  # pixels: equal cells are in the half-mass set together
    assert all((mask.sum((-2, -1)) == cells).all() for mask in masks.values())
    inside = torch.zeros(H, W, dtype=torch.bool)
    inside[:16, :16] = True
    inside[16:, 24:] = True
    assert (masks["heads"][0, 0] & inside).sum() > 0.9 * cells


def test_random_places_depend_on_the_generator_alone_and_fit_into_the_clip():
    masks, again = masks_of(area=0.25, count=50), masks_of(area=0.25, count=50)
    assert torch.equal(masks["random"], again["random"])
    rows = masks["random"][:, 0].any(-1).sum(-1)
    columns = masks["random"][:, 0].any(-2).sum(-1)
    assert rows.float().mean().item() == pytest.approx(16, abs=1.1)
    assert columns.float().mean().item() == pytest.approx(20, abs=1.1)


@pytest.mark.parametrize("readout", ["windows", "attention"])
def test_a_network_with_heads_is_measured_at_their_area(readout):
    network = plug(
        Small3d(), at="stage1", heads=2, num_classes=3, example=EXAMPLE, glimpse="pooled",
        readout=readout,
    ).eval()  # fmt: skip
    clip = torch.rand(4, 3, T, H, W)
    found = measure(
        network, batch_of(clip[:2], [2, 2]), batch_of(clip[2:], [0, 5]), at="stage1",
    )  # fmt: skip
    assert found.masks == MASKS
    assert found.video.tolist() == [0, 2, 5]
    assert found.drop.shape == found.kept.shape == (3, 4)
    assert (found.probability >= 1 / 3).all()
    assert ((found.area > 0) & (found.area <= 1)).all()


def test_failed_videos_are_told_and_nothing_at_all_is_refused():
    clip = torch.zeros(2, 3, T, H, W)
    batch = batch_of(clip, [0, 1], failures=[(3, "damaged")])
    empty = batch_of(clip[:0], [], failures=[(3, "damaged"), (4, "empty")])
    found = measure(known_network(), batch, empty, at="map", area=0.25)
    assert found.failures == [(3, "damaged"), (4, "empty")]
    with pytest.raises(InputError, match="no video could be evaluated, 2 failed; the first: dama"):
        measure(known_network(), empty, at="map", area=0.25)
    with pytest.raises(ValueError, match="without heads an area is needed"):
        measure(known_network(), batch, at="map")
    labels = batch_of(clip, [0, 1], target=torch.zeros(2, 2))
    with pytest.raises(ValueError, match="of several labels none is the true one"):
        measure(known_network(), labels, at="map", area=0.25, explained="true")
    assert measure(known_network(), labels, at="map", area=0.25).probability.tolist() == [0.5, 0.5]
