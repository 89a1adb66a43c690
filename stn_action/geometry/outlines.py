"""Windows of heads on the clip and on the source frames, as outlines in pixels.

Convention:
    - theta maps output to input, normalized on the stage's map (`align_corners=False`)
    - clip coordinates are normalized: -1 and 1 are the outer edges of the clip
    - source coordinates are pixels: 0 and W are the outer edges of the image
    - an outline is a polygon (P, 2) in (x, y), see `polygons`: the border of the window, from its
      top left corner over the top right, bottom right and bottom left one; a mirrored clip
      reverses the order. P is 4 for affine maps and homographies, 32 for
      thin-plate splines; of a volumetric theta the outline is a slice of P = 12, see `volumes`
    - a volumetric window that does not reach a frame has an outline without area there

Letters: S steps of theta in a clip, K heads, P points of an outline; `...` are any leading sizes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from stn_action.geometry.cells import Cells
from stn_action.geometry.theta import VOLUMETRIC, kind_of, outline, transform_points
from stn_action.geometry.volumes import slice_volumes


def focus_outlines(theta: Tensor, cells: Cells, boxes: Tensor) -> Tensor:
    """Return the windows of one clip's heads in each of its source frames.

    Args:
        theta: (K, S, *kind) of one clip.
        cells: positions of the stage's cells in the clip.
        boxes: (T, 4), the clip's edges in source pixels, xyxy; x0 > x1 in a mirrored clip.

    Returns:
        (T, K, P, 2), source pixels.

    Raises:
        ValueError: the shapes do not agree.
    """
    outlines = clip_outlines(theta, cells)
    if boxes.shape != (len(outlines), 4):
        raise ValueError(f"boxes must be ({len(outlines)}, 4), got {tuple(boxes.shape)}")
    return clip_to_source(outlines, boxes[:, None, None])


def clip_outlines(theta: Tensor, cells: Cells) -> Tensor:
    """Return the windows on the clip, one per clip frame.

    A step of theta covers the frames nearest to it; volumetric theta is sliced at each frame's
    time.

    Args:
        theta: (..., K, S, *kind), S = 1 or the map's time steps, 1 for volumetric theta.
        cells: positions of the stage's cells in the clip.

    Returns:
        (..., T, K, P, 2), normalized on the clip.

    Raises:
        ValueError: theta has another shape.
    """
    kind = kind_of(theta)
    num_steps = theta.shape[-3] if theta.dim() >= 4 else 0
    allowed = {1} if kind == VOLUMETRIC else {1, cells.size_thw[0]}
    if num_steps not in allowed:
        raise ValueError(
            f"theta must be (..., K, S, {kind[0]}, {kind[1]}) with S = "
            f"{' or '.join(map(str, sorted(allowed)))}, got {tuple(theta.shape)}"
        )
    if kind == VOLUMETRIC:
        slices = slice_volumes(theta.squeeze(-3), frame_times(cells))  # (..., K, T, P, 2)
        return map_to_clip(slices, cells).movedim(-3, -4)
    windows = map_to_clip(outline(theta), cells).movedim(-3, -4)  # (..., S, K, P, 2)
    return windows.index_select(-4, frame_steps(cells, num_steps).to(windows.device))


def join_heads(outlines: Sequence[Tensor]) -> Tensor:
    """Concatenate the outlines of several placements, of any numbers of points.

    Args:
        outlines: of each placement (..., K, P, 2); K and P may differ.

    Returns:
        (..., sum of K, largest P, 2); those of fewer points repeat their last one.

    Raises:
        ValueError: there are none.
    """
    if not outlines:
        raise ValueError("there are no outlines to join")
    most = max(one.shape[-2] for one in outlines)
    padded = [
        torch.cat([one, one[..., -1:, :].expand(*one.shape[:-2], most - one.shape[-2], 2)], dim=-2)
        for one in outlines
    ]
    return torch.cat(padded, dim=-3)


def frame_steps(cells: Cells, num_steps: int) -> Tensor:
    """Return the step of theta nearest to each clip frame, of two equally near the later.

    Args:
        cells: positions of the stage's cells in the clip.
        num_steps: 1 or the map's time steps.

    Returns:
        (T,) int64.
    """
    return (_steps_of_frames(cells) + 0.5).floor().long().clamp(0, num_steps - 1)


def frame_times(cells: Cells) -> Tensor:
    """Return the time of each clip frame on the stage's map: the inverse of `map_to_clip` in time.

    Args:
        cells: positions of the stage's cells in the clip.

    Returns:
        (T,) float64, normalized on the map. Frames before the map's start or after its end, which
        strides can leave, count as its start and end, as they belong to its first and last step.
    """
    return ((2 * _steps_of_frames(cells) + 1) / cells.size_thw[0] - 1).clamp(-1, 1)


def map_to_clip(points: Tensor, cells: Cells) -> Tensor:
    """Convert points on a stage's map to points on the clip.

    Strides and paddings shift the cells against the clip, so this is more than a change of scale:
    cell i of the map is centered at clip pixel first + step * i.

    Args:
        points: (..., 2), normalized on the map.
        cells: positions of the stage's cells in the clip.

    Returns:
        (..., 2), normalized on the clip.
    """
    map_wh = points.new_tensor(cells.size_thw[:0:-1])
    clip_wh = points.new_tensor(cells.clip_thw[:0:-1])
    first_xy = points.new_tensor(cells.first_thw[:0:-1])
    step_xy = points.new_tensor(cells.step_thw[:0:-1])
    cell_indices = ((points + 1) * map_wh - 1) / 2
    pixel_indices = first_xy + step_xy * cell_indices
    return (2 * pixel_indices + 1) / clip_wh - 1


def map_edges(cells: Cells) -> Tensor:
    """Return the outer edges (4,) xyxy of a stage's map, normalized on the clip, float64."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    return map_to_clip(corners, cells).flatten()


def shown_by(points: Tensor, theta: Tensor, cells: Cells) -> Tensor:
    """Return where what is at points of a clip comes from, after a window has moved the clip's map.

    A window in line replaces the map of its stage, so that what follows sees another clip: the
    inside of the window, as large as itself.

    Args:
        points: (N, T, ..., P, 2), normalized on the clip that the window shows.
        theta: (N, 1, S, *kind), of the window, not volumetric.
        cells: positions of its stage's cells in the clip.

    Returns:
        (N, T, ..., P, 2), normalized on the clip itself.
    """
    steps = frame_steps(cells, theta.shape[2]).to(theta.device)
    of_frames = theta[:, 0].index_select(1, steps)  # (N, T, *kind)
    further = points.dim() - 4
    of_frames = of_frames.reshape(*of_frames.shape[:2], *[1] * further, *of_frames.shape[2:])
    on_map = source_to_clip(points, map_edges(cells))  # the map's edges are those of a box
    return map_to_clip(transform_points(of_frames, on_map), cells)


def clip_to_source(points: Tensor, boxes: Tensor) -> Tensor:
    """Convert points on the clip to points in the source image.

    Args:
        points: (..., 2), normalized on the clip.
        boxes: (..., 4), the clip's edges in source pixels, broadcast against the points.

    Returns:
        (..., 2), source pixels.
    """
    start, end = boxes.to(points).split(2, dim=-1)
    return start + (points + 1) / 2 * (end - start)


def source_to_clip(points: Tensor, boxes: Tensor) -> Tensor:
    """Convert points in the source image to points on the clip: the inverse of `clip_to_source`.

    Args:
        points: (..., 2), source pixels.
        boxes: (..., 4), the clip's edges in source pixels, broadcast against the points.

    Returns:
        (..., 2), normalized on the clip.
    """
    start, end = boxes.to(points).split(2, dim=-1)
    return 2 * (points - start) / (end - start) - 1


def nearest_clip_frames(frame_indices: Tensor, wanted: Tensor) -> Tensor:
    """Return, for frames of the video, the nearest frame of the clip.

    Args:
        frame_indices: (T,), the video's frames that make the clip.
        wanted: (N,), frames of the video.

    Returns:
        (N,) int64, positions in the clip; of two equally near the earlier.
    """
    distances = (wanted[:, None] - frame_indices[None, :]).abs()
    return distances.argmin(dim=1)


def _steps_of_frames(cells: Cells) -> Tensor:
    """Return each clip frame's time (T,) in steps of the map, float64, 0 at the first's center."""
    frames = torch.arange(cells.clip_thw[0], dtype=torch.float64)
    return (frames - cells.first_thw[0]) / cells.step_thw[0]
