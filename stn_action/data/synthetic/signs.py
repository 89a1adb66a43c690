"""The signs of the sign set: round plates with a pattern, whose rim tells whether they decide.

Letters: S pixels of a side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stn_action.data.synthetic.sprites import Array, Points, draw_color

RIM = 0.8
"""The pattern ends at this share of the radius, the rim begins there."""
RIM_COLORS = {True: np.array([255.0, 215.0, 30.0]), False: np.array([40.0, 90.0, 235.0])}
"""Yellow: the sign decides; blue: it does not."""

PATTERNS: dict[str, Callable[[Points, Points, float, float], Points]] = {
    "bars": lambda x, y, waves, phase: np.sin(np.pi * waves * x + phase),
    "checks": lambda x, y, waves, phase: (
        1.6 * np.sin(np.pi * waves * x + phase) * np.sin(np.pi * waves * y + phase)
    ),
    "rings": lambda x, y, waves, phase: np.sin(np.pi * waves * np.hypot(x, y) + phase),
    "spokes": lambda x, y, waves, phase: np.sin(round(waves + 1) * np.arctan2(y, x) + phase),
}
"""Class to pattern: places (x, y) on the plate, whose radius is 1, waves across the plate and phase
-> values about -1 to 1."""


@dataclass(frozen=True)
class Sign:
    """One sign throughout a clip."""

    pattern: str
    """Key of `PATTERNS`."""
    decides: bool
    side_pixels: float
    """Of its box."""
    start: Points
    """(2,) its middle in the first frame, in pixels."""
    speed: Points
    """(2,) pixels per frame."""
    angle: float
    turning: float
    """Radians per frame."""
    waves: float
    phase: float
    colors: Points
    """(2, 3) RGB of the low and the high values of the pattern, 0–255."""

    @staticmethod
    def draw(
        pattern: str, decides: bool, side_pixels: float, path: Points, num_frames: int,
        hues: tuple[float, ...], rng: np.random.Generator,
    ) -> "Sign":  # fmt: skip
        """Draw colors and motion from the same ranges for every pattern.

        Args:
            pattern: key of `PATTERNS`.
            decides: whether it is the sign that has the label.
            side_pixels: of its box.
            path: (2, 2), its middle in the first and in the last frame.
            num_frames: of the clip.
            hues: of the colors.
            rng: draws everything else.
        """
        dark, light = draw_color(hues, (0.15, 0.4), rng), draw_color(hues, (0.8, 1.0), rng)
        return Sign(
            pattern,
            decides,
            side_pixels,
            start=path[0],
            speed=(path[1] - path[0]) / max(1, num_frames - 1),
            angle=rng.uniform(0, 2 * np.pi),
            turning=rng.uniform(-0.1, 0.1),
            waves=rng.uniform(2.5, 4.0),
            phase=rng.uniform(0, 2 * np.pi),
            colors=np.stack([dark, light] if rng.uniform() < 0.5 else [light, dark]),
        )

    def box(self, frame: int) -> Points:
        """Return its box in a frame: (4,) xyxy in pixels."""
        middle, half = self.start + self.speed * frame, self.side_pixels / 2
        return np.concatenate([middle - half, middle + half])

    def paste(self, canvas: Array, frame: int) -> None:
        """Draw the sign as it is in a frame on a canvas (H, W, 3) float32, 0–255."""
        x0, y0, x1, y1 = self.box(frame)
        limits = canvas.shape[:2]
        rows = np.arange(max(0, int(y0) - 1), min(limits[0], int(y1) + 2))
        columns = np.arange(max(0, int(x0) - 1), min(limits[1], int(x1) + 2))
        half = self.side_pixels / 2
        down, right = np.meshgrid(
            (rows + 0.5 - (y0 + y1) / 2) / half,
            (columns + 0.5 - (x0 + x1) / 2) / half,
            indexing="ij",
        )
        angle = self.angle + self.turning * frame
        x = np.cos(angle) * right + np.sin(angle) * down
        y = np.cos(angle) * down - np.sin(angle) * right
        value = PATTERNS[self.pattern](x, y, self.waves, self.phase)
        high = np.clip(0.5 + 1.5 * value, 0, 1)[..., None]
        color = (1 - high) * self.colors[0] + high * self.colors[1]
        radius = np.hypot(x, y)
        rim = np.clip((radius - RIM) * half + 0.5, 0, 1)[..., None]
        color += rim * (RIM_COLORS[self.decides] - color)
        alpha = np.clip((1 - radius) * half + 0.5, 0, 1)[..., None]
        area = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        area += (alpha * (color - area)).astype(np.float32)
