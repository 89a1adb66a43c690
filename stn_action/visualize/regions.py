"""Where the heads looked: theta through the feature map and the clip to source pixels.

Convention:
    - theta maps output to input, normalized on the stage's map (`align_corners=False`)
    - clip coordinates are normalized: -1 and 1 are the outer edges of the clip
    - source coordinates are pixels: 0 and W are the outer edges of the picture
    - a quadrilateral is (4, 2): where the top left, top right, bottom right and bottom left
      corner of what the head sees come from, (x, y); a mirrored clip turns the order around

Letters: S steps of theta in a clip, K heads; `...` are any leading sizes.
"""

import torch
from torch import Tensor

from stn_action.geometry.transforms import window_corners
from stn_action.models.focus import Cells


def focus_quadrilaterals(theta: Tensor, cells: Cells, boxes: Tensor) -> Tensor:
    """The windows of one clip's heads in each of its source frames.

    Args:
        theta: (K, S, 2, 3) of one clip.
        cells: where the cells of the stage's map lie in the clip.
        boxes: (T, 4), the clip's edges in source pixels, xyxy; x0 > x1 in a mirrored clip.

    Returns:
        (T, K, 4, 2), source pixels.

    Raises:
        ValueError: the shapes do not agree.
    """
    quads = clip_quadrilaterals(theta, cells)
    if boxes.shape != (len(quads), 4):
        raise ValueError(f"boxes must be ({len(quads)}, 4), got {tuple(boxes.shape)}")
    return clip_to_source(quads, boxes[:, None, None])


def clip_quadrilaterals(theta: Tensor, cells: Cells) -> Tensor:
    """The windows on the clip, one per clip frame: a step covers the frames nearest to it.

    Args:
        theta: (..., K, S, 2, 3), S being 1 or the map's time steps.
        cells: where the cells of the stage's map lie in the clip.

    Returns:
        (..., T, K, 4, 2), normalized on the clip.

    Raises:
        ValueError: theta has another shape.
    """
    num_steps = theta.shape[-3] if theta.dim() >= 4 else 0
    if theta.shape[-2:] != (2, 3) or num_steps not in {1, cells.size_thw[0]}:
        raise ValueError(
            f"theta must be (..., K, S, 2, 3) with S = 1 or {cells.size_thw[0]}, "
            f"got {tuple(theta.shape)}"
        )
    quads = map_to_clip(window_corners(theta), cells).movedim(-3, -4)  # (..., S, K, 4, 2)
    return quads.index_select(-4, frame_steps(cells, num_steps).to(quads.device))


def frame_steps(cells: Cells, num_steps: int) -> Tensor:
    """The step of theta that covers each clip frame: the nearest, of two equally near the later.

    Args:
        cells: where the cells of the stage's map lie in the clip.
        num_steps: 1 or the map's time steps.

    Returns:
        (T,) int64.
    """
    frames = torch.arange(cells.clip_thw[0], dtype=torch.float64)
    steps = (frames - cells.first_thw[0]) / cells.step_thw[0]
    return (steps + 0.5).floor().long().clamp(0, num_steps - 1)


def map_to_clip(points: Tensor, cells: Cells) -> Tensor:
    """Points on a stage's map as points on the clip.

    Strides and paddings shift the cells against the clip, so this is more than a change of scale:
    cell i of the map is centred at clip pixel first + step * i.

    Args:
        points: (..., 2), normalized on the map.
        cells: where the cells of the stage's map lie in the clip.

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


def clip_to_source(points: Tensor, boxes: Tensor) -> Tensor:
    """Points on the clip as points in the source picture.

    Args:
        points: (..., 2), normalized on the clip.
        boxes: (..., 4), the clip's edges in source pixels, broadcast against the points.

    Returns:
        (..., 2), source pixels.
    """
    start, end = boxes.to(points).split(2, dim=-1)
    return start + (points + 1) / 2 * (end - start)


def source_to_clip(points: Tensor, boxes: Tensor) -> Tensor:
    """Points in the source picture as points on the clip: the inverse of `clip_to_source`.

    Args:
        points: (..., 2), source pixels.
        boxes: (..., 4), the clip's edges in source pixels, broadcast against the points.

    Returns:
        (..., 2), normalized on the clip.
    """
    start, end = boxes.to(points).split(2, dim=-1)
    return 2 * (points - start) / (end - start) - 1


def nearest_clip_frames(frame_indices: Tensor, wanted: Tensor) -> Tensor:
    """For frames of the video, the clip's frame that is nearest in time.

    Args:
        frame_indices: (T,), the video's frames that make the clip.
        wanted: (N,), frames of the video.

    Returns:
        (N,) int64, positions in the clip; of two equally near the earlier.
    """
    distances = (wanted[:, None] - frame_indices[None, :]).abs()
    return distances.argmin(dim=1)


def contains_points(quads: Tensor, points: Tensor) -> Tensor:
    """Whether points lie in convex quadrilaterals, edges included, whatever the corners' order.

    Args:
        quads: (..., 4, 2).
        points: (..., 2), broadcast against the quadrilaterals.

    Returns:
        (...) bool; a quadrilateral without area holds nothing.
    """
    edges = quads.roll(-1, dims=-2) - quads
    sides = _cross(edges, points[..., None, :] - quads)  # (..., 4)
    inside = (sides >= 0).all(-1) | (sides <= 0).all(-1)
    return inside & (polygon_area(quads) > 0)


def window_area(quads: Tensor) -> Tensor:
    """The share of the clip that windows cover; what sticks out of the clip does not count.

    Args:
        quads: (..., 4, 2), normalized on the clip.

    Returns:
        (...) in [0, 1].
    """
    return polygon_area(_clamped(_clamped(quads, 0), 1)) / 4


def union_area(quads: Tensor, num_lines: int = 128) -> Tensor:
    """The share of the clip that windows cover together, what overlaps counted once.

    Measured along horizontal lines: exact in x, to one line's height in y.

    Args:
        quads: (..., K, 4, 2), convex, normalized on the clip.
        num_lines: how many lines, at equal distances.

    Returns:
        (...) in [0, 1].
    """
    y = (torch.arange(num_lines).to(quads) + 0.5) * 2 / num_lines - 1
    start, end = quads[..., None, :], quads.roll(-1, dims=-2)[..., None, :]  # (..., K, 4, 1, 2)
    crosses = (start[..., 1] <= y) != (end[..., 1] <= y)  # (..., K, 4, num_lines)
    share = (y - start[..., 1]) / (end[..., 1] - start[..., 1])
    x = start[..., 0] + share * (end[..., 0] - start[..., 0])
    left = x.where(crosses, x.new_tensor(torch.inf)).amin(-2).clamp(-1, 1)  # (..., K, num_lines)
    right = x.where(crosses, x.new_tensor(-torch.inf)).amax(-2).clamp(-1, 1)
    left, order = left.sort(dim=-2)
    right = right.gather(-2, order).cummax(dim=-2).values
    reached = torch.cat([torch.full_like(right[..., :1, :], -1), right[..., :-1, :]], dim=-2)
    covered = (right - torch.maximum(left, reached)).clamp(min=0).sum(-2)  # (..., num_lines)
    return covered.mean(-1) / 2


def polygon_area(points: Tensor) -> Tensor:
    """Area (...) of polygons (..., N, 2), whatever the corners' order."""
    points = points - points[..., :1, :]
    return _cross(points, points.roll(-1, dims=-2)).sum(-1).abs() / 2


def _clamped(points: Tensor, axis: int) -> Tensor:
    """Polygons (..., N, 2) with everything beyond -1 and 1 pressed flat onto these two lines.

    Corners are added where an edge crosses a line; then the flat parts have no area, so that the
    area left is that of the polygon cut at the lines.
    """
    edges = points.roll(-1, dims=-2) - points
    length = edges[..., axis]
    length = torch.where(length == 0, torch.ones_like(length), length)
    lines = torch.stack([-1 - points[..., axis], 1 - points[..., axis]], dim=-1)
    shares = (lines / length[..., None]).clamp(0, 1).sort(dim=-1).values  # (..., N, 2)
    crossings = points[..., None, :] + shares[..., None] * edges[..., None, :]
    refined = torch.cat([points[..., None, :], crossings], dim=-2).flatten(-3, -2)
    pressed = refined.clone()
    pressed[..., axis] = refined[..., axis].clamp(-1, 1)
    return pressed


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
