"""The choice of random views of a video, to train on."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from stn_action.data.augment import Augment, PixelDraw
from stn_action.data.footage import ClipView, Cut, Footage
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.view_choice import ViewChoice
from stn_action.geometry.boxes import box_sizes
from stn_action.person.crop import View
from stn_action.video.source_frame import RGB


class RandomViews(NamedTuple):
    """The choice of random views, and what is done to them when they are read."""

    choice: ViewChoice
    change: Callable[[list[ClipView]], list[ClipView]]
    """The views of `choice`, to those with the changes of pixels that were drawn."""


def random_views(
    sampling: ClipSampling,
    augment: Augment | None,
    view_share: float,
    number: int,
    generator: torch.Generator,
    *,
    keep_images: bool = False,
) -> RandomViews:
    """Return the choice of some views, each of a clip of its own.

    Args:
        sampling: which frames make a clip.
        augment: random view, mirroring and changes of pixels; None: the center view.
        view_share: of the center view.
        number: of the views.
        generator: draws the frames of all clips, then for each its region, its view and its pixels.
        keep_images: see `ViewChoice`.
    """
    pixels: list[tuple[PixelDraw, RGB]] = []

    def draw_clips(num_frames: int) -> Tensor:
        return torch.stack([sampling.draw(num_frames, generator) for _ in range(number)])

    def draw_cuts(footage: Footage) -> list[Cut]:
        cuts = []
        pixels.clear()
        for clip in range(number):
            boxes = footage.person_boxes(clip)
            region = footage.region(boxes, generator)
            view = View(view_share)
            if augment is not None:
                view = augment.draw_view(_size_wh(footage, region), generator)
                pixels.append((augment.draw_pixels(generator), footage.fill))
            cuts.append(Cut(clip, boxes, region, view))
        return cuts

    def change(views: list[ClipView]) -> list[ClipView]:
        if augment is None:
            return views
        return [
            view._replace(clip=augment.change_pixels(view.clip, drawn, fill))
            for view, (drawn, fill) in zip(views, pixels, strict=True)
        ]

    return RandomViews(ViewChoice(draw_clips, draw_cuts, keep_images), change)


def _size_wh(footage: Footage, region: Tensor) -> tuple[float, float]:
    """Return what the shares of a view are of."""
    if footage.crop.aspect == "free":
        return 1.0, 1.0
    width, height = box_sizes(region).mean(0).tolist()
    return width, height
