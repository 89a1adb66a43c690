"""The choice of random views of a video, to train on."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from stn_action.data.augment import Augment
from stn_action.data.footage import ClipView, Cut, Footage
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.view_choice import ViewChoice
from stn_action.person.crop import View


class RandomViews(NamedTuple):
    """The choice of random views, and what is done to them when they are read."""

    choice: ViewChoice
    recolor: Callable[[list[ClipView]], list[ClipView]]
    """The views of `choice`, to those with the colors that were drawn."""


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
        augment: random view, mirroring and colors; None: the center view.
        view_share: of the center view.
        number: of the views.
        generator: draws the frames of all clips, then for each its region, its view and its colors.
        keep_images: see `ViewChoice`.
    """
    colors: list[Tensor] = []

    def draw_clips(num_frames: int) -> Tensor:
        return torch.stack([sampling.draw(num_frames, generator) for _ in range(number)])

    def draw_cuts(footage: Footage) -> list[Cut]:
        cuts = []
        colors.clear()
        for clip in range(number):
            boxes = footage.person_boxes(clip)
            region = footage.region(boxes, generator)
            view = View(view_share) if augment is None else augment.draw_view(generator)
            cuts.append(Cut(clip, boxes, region, view))
            if augment is not None:
                colors.append(augment.draw_colors(generator))
        return cuts

    def recolor(views: list[ClipView]) -> list[ClipView]:
        if augment is None:
            return views
        return [
            view._replace(clip=augment.change_colors(view.clip, factors))
            for view, factors in zip(views, colors, strict=True)
        ]

    return RandomViews(ViewChoice(draw_clips, draw_cuts, keep_images), recolor)
