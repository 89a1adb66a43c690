"""Training of a transformer that finds what images have in common, without labels or boxes.

Jaderberg et al. 2015 (arXiv 1506.02025), appendix A.2, equation 8: in the space of an embedding e,
the windows of two images are to be nearer to each other than a window is to a random crop of its
own image:

    max(0, |e(window_n) - e(window_m)|^2 - |e(window_n) - e(random_n)|^2 + margin)

Three things are not as in the paper, where windows left the objects in trials (not measured one by
one; see docs/paper.md):

- The gradient of the first distance passes through window n alone. Through both windows it counts
  twice against the second distance, and what windows share, black background, attracts them.
- Random crops are of the size of the image's window, so that size alone tells them not apart.
- The localization network is centered; see `CenteredLocalization`.

Letters: N images, B of them in a batch, D the embedding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.boxes import boxes_to_pixels
from stn_action.geometry.sampling import sample
from stn_action.geometry.theta import enclosing_boxes, window_theta
from stn_action.models.spatial_transformer import SpatialTransformer
from stn_action.training.optim import LOCALIZATION_GROUP, build_optimizer, warmup_cosine

MIN_IMAGES = 2
"""A window is compared with that of another image."""


@dataclass(frozen=True)
class ColocalizationSchedule:
    """How long and with what the transformer is trained: AdamW, the rate falls by a cosine."""

    steps: int = 1000
    """In clutter windows stay where they are for some hundred steps before they move."""
    batch_size: int = 64
    """Images of a step, all pairs of which are compared."""
    lr: float = 3e-3
    margin: float = 2.0
    """Of unit descriptors, whose squared distances are 0 to 4."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < MIN_IMAGES:
            raise InputError(
                f"expected at least 1 step and {MIN_IMAGES} images in a batch, got {self.steps} "
                f"and {self.batch_size}"
            )


def triplet_loss(windows: Tensor, randoms: Tensor, margin: float) -> Tensor:
    """Compute the mean hinge loss of all ordered pairs of different images.

    Args:
        windows: (B, D), descriptors of each image's window, B at least 2.
        randoms: (B, D), of a random crop of each image.
        margin: of squared distances.

    Raises:
        ValueError: the shapes differ, or there is one image.
    """
    B = len(windows)
    if windows.shape != randoms.shape or windows.dim() != 2 or B < MIN_IMAGES:
        raise ValueError(
            f"windows and randoms must both be (B, D) with B at least {MIN_IMAGES}, got "
            f"{tuple(windows.shape)} and {tuple(randoms.shape)}"
        )
    between = (windows[:, None] - windows.detach()).square().sum(-1)  # (B, B)
    to_random = (windows - randoms).square().sum(-1, keepdim=True)
    hinges = (between - to_random + margin).relu()
    return (hinges.sum() - hinges.diagonal().sum()) / (B * (B - 1))


def colocalize(
    transformer: SpatialTransformer,
    embedding: nn.Module,
    images: Tensor,
    schedule: ColocalizationSchedule,
    *,
    generator: torch.Generator | None = None,
) -> Iterator[float]:
    """Train a transformer on images that hold objects of one class.

    Args:
        transformer: of (B, 1, H, W), axis-aligned, with a `size`; trained in place.
        embedding: its crops to descriptors (B, D), not trained.
        images: (N, 1, H, W), values in [0, 1].
        schedule: how long.
        generator: of batches and random crops.

    Yields:
        The loss after each step.

    Raises:
        InputError: there are fewer than two images, or the loss is not finite.
    """
    if len(images) < MIN_IMAGES:
        raise InputError(f"co-localization needs at least {MIN_IMAGES} images, got {len(images)}")
    parameters = list(transformer.parameters())
    group = {"params": parameters, "lr": schedule.lr, "weight_decay": 0.0}
    optimizer = build_optimizer("adamw", [{**group, "name": LOCALIZATION_GROUP}])
    rate = warmup_cosine(optimizer, warmup_steps=0, total_steps=schedule.steps)
    transformer.train()
    for _ in range(schedule.steps):
        rows = torch.randperm(len(images), generator=generator)[: schedule.batch_size]
        batch = images[rows]
        windows, theta = transformer(batch, return_theta=True)
        size = windows.shape[2], windows.shape[3]
        randoms = random_crops(batch, theta, size, generator=generator)
        of_windows, of_randoms = embedding(torch.cat([windows, randoms])).split(len(batch))
        loss = triplet_loss(of_windows, of_randoms, schedule.margin)
        if not bool(loss.isfinite()):
            raise InputError("the loss of co-localization is not finite; lower the learning rate")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        yield float(loss.detach())


@torch.no_grad()
def random_crops(
    images: Tensor, theta: Tensor, size: tuple[int, int], *, generator: torch.Generator | None
) -> Tensor:
    """Sample a crop of each image as large as its window, anywhere inside the image.

    Args:
        images: (B, C, H, W).
        theta: (B, 2, 3), axis-aligned windows.
        size: height and width of a crop.
        generator: of the places.

    Returns:
        (B, C, *size).
    """
    scale = torch.stack([theta[:, 0, 0], theta[:, 1, 1]], dim=1).detach()
    place = 2 * torch.rand(scale.shape, generator=generator).to(scale) - 1
    crops = window_theta(scale, place * (1 - scale).clamp_min(0))
    return sample(images, crops[:, None], size, axis_aligned=True)[:, 0]


@torch.no_grad()
def predicted_boxes(
    transformer: SpatialTransformer, images: Tensor, *, batch_size: int = 256
) -> Tensor:
    """Return the windows of a transformer as boxes (N, 4), xyxy in pixels.

    Args:
        transformer: in whatever mode; it is back in it afterwards.
        images: (N, 1, H, W), values in [0, 1].
        batch_size: images at a time.
    """
    was_training = transformer.training
    transformer.eval()
    theta = [transformer(part, return_theta=True)[1] for part in images.split(batch_size)]
    transformer.train(was_training)
    return boxes_to_pixels(enclosing_boxes(torch.cat(theta)), (images.shape[2], images.shape[3]))
