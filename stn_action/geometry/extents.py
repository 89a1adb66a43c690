"""Extents: where the image and the person's box are in a clip, and their share of a map's cells.

Convention:
    - an extent is xyxy in normalized clip coordinates: -1 and 1 are the clip's outer edges
    - extents (..., 2, 4) hold the image, what is not padding, and the person's box; both may reach
      beyond the clip, and the person's box beyond the image
    - without a person both are the image

Letters: t, h, w time steps, rows and columns of a map.
"""

import torch
from torch import Tensor

from stn_action.geometry.theta import without_autocast


def clip_extents(edges: Tensor, size_hw: tuple[int, int], person: Tensor | None) -> Tensor:
    """Return the extents of a clip that was cut from source frames.

    Example:
        In a clip of x from 50 to 250 an image of width 100 reaches from -1.5 to -0.5; if the clip
        is mirrored, from 0.5 to 1.5.

    Args:
        edges: (T, 4) source pixels of the clip's edges, x0 > x1 if it is mirrored.
        size_hw: height and width of the source frames, pixels.
        person: (T, 4) xyxy, source pixels; None: there is no person.

    Returns:
        (T, 2, 4).

    Raises:
        ValueError: the shapes do not agree.
    """
    if edges.ndim != 2 or edges.shape[1] != 4:
        raise ValueError(f"edges must be (T, 4), got {tuple(edges.shape)}")
    if person is not None and person.shape != edges.shape:
        raise ValueError(f"person must be {tuple(edges.shape)}, got {tuple(person.shape)}")
    image = edges.new_tensor([0, 0, size_hw[1], size_hw[0]]).expand_as(edges)
    boxes = torch.stack([image, image if person is None else person.to(edges)], dim=1)
    first_edge, last_edge = edges[:, None, :2], edges[:, None, 2:]
    start, end = (
        2 * (corner - first_edge) / (last_edge - first_edge) - 1
        for corner in (boxes[..., :2], boxes[..., 2:])
    )
    return torch.cat([torch.minimum(start, end), torch.maximum(start, end)], dim=-1)


def cell_shares(extents: Tensor, size_thw: tuple[int, int, int]) -> Tensor:
    """Return the share of each cell's area that is inside the image, and inside the person's box.

    Cells divide the clip evenly, in time too: a step averages over the frames that it covers, one
    that it covers in part counts by that part. The person's box counts inside the image only.

    Args:
        extents: (B, T, 2, 4).
        size_thw: time steps, rows and columns of the map.

    Returns:
        (B, 2, *size_thw), each in [0, 1].

    Raises:
        ValueError: `extents` is not (B, T, 2, 4).
    """
    if extents.ndim != 4 or extents.shape[2:] != (2, 4):
        raise ValueError(f"extents must be (B, T, 2, 4), got {tuple(extents.shape)}")
    steps, rows, columns = size_thw
    image, person = extents.unbind(2)  # (B, T, 4)
    inside = torch.cat(
        [torch.maximum(image[..., :2], person[..., :2]), torch.minimum(image, person)[..., 2:]],
        dim=-1,
    )
    boxes = torch.stack([image, inside], dim=2)
    across, down = (
        _covered((boxes[..., side] + 1) / 2 * count, (boxes[..., side + 2] + 1) / 2 * count, count)
        for side, count in ((0, columns), (1, rows))
    )  # (B, T, 2, w), (B, T, 2, h)
    starts = torch.arange(extents.shape[1], device=extents.device, dtype=extents.dtype)
    steps_per_frame = steps / extents.shape[1]
    weights = _covered(starts * steps_per_frame, (starts + 1) * steps_per_frame, steps)  # (T, t)
    with without_autocast(extents):  # shares stay exact
        return torch.einsum("fs,bfnh,bfnw->bnshw", weights, down, across)


def _covered(start: Tensor, end: Tensor, count: int) -> Tensor:
    """Return the shares (..., count) of the cells [0, 1], [1, 2] ... that intervals (...) cover.

    An interval that ends before it starts covers nothing.
    """
    cells = torch.arange(count, device=start.device, dtype=start.dtype)
    shared = torch.minimum(end[..., None], cells + 1) - torch.maximum(start[..., None], cells)
    return shared.clamp(0, 1)
