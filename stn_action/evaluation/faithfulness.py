"""Faithfulness: how much of a class's probability depends on the pixels that a map points at.

Masks of one clip have exactly the same area, frame by frame, whatever made them:

- heads: inside the windows; or the pixels that a read-out's weights (the mean over its K maps)
  weigh most, as many as hold half of them
- Grad-CAM and activation: the highest pixels of these maps of one stage
- random: a rectangle of the clip's shape at a random place, the same in all frames

The pixels of a mask are replaced by one color (deletion: what is lost), or all others are
(insertion: what is kept), and the network classifies anew; its heads may look elsewhere then.

Letters: B clips, N videos, M masks, T frames, h, w the clip, C classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.batch import Batch
from stn_action.errors import InputError
from stn_action.evaluation.evaluation_choices import Explained
from stn_action.geometry.attention_mass import half_mass
from stn_action.geometry.heat_maps import cell_areas
from stn_action.geometry.outlines import frame_steps
from stn_action.geometry.pixel_order import first_pixels, map_order, square_order, window_order
from stn_action.models.grad_cam import ClassMaps, GradCam
from stn_action.models.network import FocusedNetwork
from stn_action.models.prediction import Focus, Prediction

_CLIPS_AT_ONCE = 4
"""In a forward pass: large tensors cost more to allocate than a batch saves."""
HEADS, GRAD_CAM, ACTIVATION, RANDOM = "heads", "Grad-CAM", "activation", "random"


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Means over the views of each video; in the order of the videos."""

    masks: tuple[str, ...]
    """Names of the M masks."""
    video: Tensor
    """(N,) int64, index of the video."""
    probability: Tensor
    """(N,) of the explained class, with nothing masked."""
    drop: Tensor
    """(N, M): what the probability loses when the mask is replaced."""
    kept: Tensor
    """(N, M): the probability when all but the mask is replaced."""
    area: Tensor
    """(N,) share of the clip's pixels in each of the masks."""
    failures: list[tuple[int, str]]
    """The videos that could not be read, and why: they are in no other field."""


@torch.no_grad()
def measure_faithfulness(
    network: FocusedNetwork,
    batches: Iterable[Batch],
    cam: GradCam,
    *,
    fill: Sequence[float],
    area: float | None,
    explained: Explained,
    generator: torch.Generator,
) -> Faithfulness:
    """Mask clips by heads, Grad-CAM, activation and at random, and classify them again.

    Args:
        network: in eval mode.
        batches: of all views, on one process.
        cam: of the network.
        fill: (3,) the color in place of masked pixels, in the clips' units.
        area: share of each frame in a mask; None: that of the heads' own places.
        explained: "predicted", the class that the network finds the most probable, or "true".
        generator: places the random rectangles.

    Raises:
        InputError: no video could be read.
        ValueError: there are no heads and no area; or "true" of several labels.
    """
    rows: list[dict[str, Tensor]] = []
    names: tuple[str, ...] = ()
    failures: list[tuple[int, str]] = []
    for batch in batches:
        failures += batch.failures
        for start in range(0, len(batch.clip), _CLIPS_AT_ONCE):
            part = slice(start, start + _CLIPS_AT_ONCE)
            clips = _Clips(network, batch.clip[part], batch.extents[part], batch.target[part], fill)
            classes = clips.before.argmax(1) if explained == "predicted" else clips.true_classes()
            maps = cam(clips.clip, classes, extents=clips.extents)
            masks = clip_masks(clips.focus, maps, area=area, generator=generator)
            names = tuple(masks)
            before = clips.before.gather(1, classes[:, None])
            lost = [clips.probability(mask, classes) for mask in masks.values()]
            kept = [clips.probability(~mask, classes) for mask in masks.values()]
            columns = {
                "video": batch.video[part],
                "probability": before[:, 0],
                "drop": before - torch.stack(lost, dim=1),
                "kept": torch.stack(kept, dim=1),
                "area": next(iter(masks.values())).double().mean((1, 2, 3)),
            }
            rows.append({name: column.cpu() for name, column in columns.items()})
    if not rows:
        reason = f"; the first: {failures[0][1]}" if failures else ""
        raise InputError(f"no video could be evaluated, {len(failures)} failed{reason}")
    columns = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    return _of_videos(names, columns, sorted(set(failures)))


def clip_masks(
    focus: Sequence[Focus],
    maps: ClassMaps,
    *,
    area: float | None,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Return masks (B, T, h, w) of equal area in every frame, by name.

    Args:
        focus: of the clips; only the first placement counts; empty without heads.
        maps: of the clips.
        area: share of each frame; None: that of the heads' own places.
        generator: places the random rectangles.

    Raises:
        ValueError: there are no heads and no area.
    """
    T, h, w = maps.cells.clip_thw
    if not focus and area is None:
        raise ValueError("without heads an area is needed, a share in (0, 1)")
    B, device = len(maps.grad_cam), maps.grad_cam.device
    counts = torch.full((B, T), round((area or 0) * h * w), device=device)
    orders = {}
    if focus:
        orders[HEADS], own = _heads_order(focus[0])
        counts = own if area is None else counts
    orders[GRAD_CAM] = map_order(maps.grad_cam, maps.cells)
    orders[ACTIVATION] = map_order(maps.activation, maps.cells)
    side = (counts.double().mean(1) / (h * w)).sqrt().cpu()  # (B,), as a share of the clip's
    places = (torch.rand(B, 2, generator=generator) * 2 - 1) * (1 - side)[:, None]
    orders[RANDOM] = square_order(places.to(maps.grad_cam), maps.cells)
    return {name: first_pixels(order, counts) for name, order in orders.items()}


def _heads_order(focus: Focus) -> tuple[Tensor, Tensor]:
    """Return the order of pixels (B, T, h, w), and how many are in the heads' places (B, T)."""
    cells = focus.cells
    if focus.theta is not None:
        order = window_order(focus.theta, cells)
        return order, (order >= 0).sum((-2, -1))
    weights = focus.places.mean(1)  # (B, S, H, W)
    areas = (half_mass(weights) * cell_areas(cells).to(weights.device)).sum((-2, -1))  # (B, S)
    counts = (areas * cells.clip_thw[1] * cells.clip_thw[2]).round().long()
    steps = frame_steps(cells, counts.shape[1]).to(counts.device)
    return map_order(weights, cells), counts[:, steps]


class _Clips:
    """Some clips of a batch, classified before anything is masked."""

    def __init__(
        self, network: FocusedNetwork, clip: Tensor, extents: Tensor, target: Tensor,
        fill: Sequence[float],
    ) -> None:  # fmt: skip
        device = next(network.parameters()).device
        self.network, self.target = network, target
        self.clip, self.extents = clip.to(device), extents.to(device)
        self.color = torch.tensor(fill, device=device).to(clip.dtype).view(1, 3, 1, 1, 1)
        prediction = network(self.clip, extents=self.extents)
        self.focus = prediction.focus
        self.before = self._probabilities(prediction)  # (B, C)

    def true_classes(self) -> Tensor:
        """Return the classes (B,) int64 of the clips' videos."""
        if self.target.ndim != 1:
            raise ValueError("of several labels none is the true one: explain the predicted class")
        return self.target.to(self.clip.device)

    def probability(self, masked: Tensor, classes: Tensor) -> Tensor:
        """Return the probability (B,) of classes (B,) with pixels (B, T, h, w) replaced."""
        clip = torch.where(masked[:, None], self.color, self.clip)
        found = self._probabilities(self.network(clip, extents=self.extents))
        return found.gather(1, classes[:, None])[:, 0]

    def _probabilities(self, prediction: Prediction) -> Tensor:
        """Return probabilities (B, C), softmax, or sigmoid with several labels."""
        logits = prediction.logits.double()
        return logits.softmax(1) if self.target.ndim == 1 else logits.sigmoid()


def _of_videos(
    names: tuple[str, ...], columns: dict[str, Tensor], failures: list[tuple[int, str]]
) -> Faithfulness:
    """Return the means of views over each video."""
    videos, place = columns.pop("video").unique(return_inverse=True)
    counts = torch.bincount(place).double()

    def mean(values: Tensor) -> Tensor:
        sums = values.new_zeros(len(videos), *values.shape[1:]).index_add_(0, place, values)
        return sums / counts.view(-1, *[1] * (values.dim() - 1))

    means = {name: mean(column.double()) for name, column in columns.items()}
    return Faithfulness(masks=names, video=videos, failures=failures, **means)
