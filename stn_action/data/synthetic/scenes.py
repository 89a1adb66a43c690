"""The sample data's clips as pixels: a moving background, one or two people, and their boxes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stn_action.data.synthetic.actions import Motion
from stn_action.data.synthetic.figures import NECK, SOLE, Figure
from stn_action.data.synthetic.sprites import (
    Array,
    Points,
    Sprite,
    draw_cloth,
    draw_color,
    paint_part,
    rounded,
)

SIZE_HW = (160, 208)
FPS = 15
HUES = {
    "train": tuple(place / 12 for place in range(0, 12, 2)),
    "test": tuple(place / 12 for place in range(1, 12, 2)),
}
"""Train and test take the colors of textures and backgrounds from different sectors."""
_MARGIN = 36
_REACH = 0.34
"""Distance from the middle of a body to the sides of its box."""


@dataclass(frozen=True)
class RenderedClip:
    """A clip and its boxes; T frames."""

    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    person_boxes: Points
    """(T, 4) xyxy in pixels, inside the image."""
    target_boxes: Points
    """(T, 4) xyxy in pixels, inside the image: the target region, which is the deciding limb."""


@dataclass(frozen=True)
class Actor:
    """A person in a scene: figure, motion and place."""

    figure: Figure
    motion: Motion
    height_pixels: float
    feet: Points
    """(2,) place of the feet, in pixels."""
    sway: tuple[float, float, float]
    """Lean in degrees, its period in frames, its phase in turns."""

    @staticmethod
    def draw(
        figure: Figure, motion: Motion, height_pixels: float, feet: Points, rng: np.random.Generator
    ) -> "Actor":
        """Place a person and draw a small sway."""
        sway = (rng.uniform(0.5, 3), rng.uniform(16, 36), rng.uniform())
        return Actor(figure, motion, height_pixels, feet, sway)

    def hips(self, frame: int) -> tuple[Points, float]:
        """Return the place of the hips, (2,) in pixels, and the lean in degrees."""
        lean, period, phase = self.sway
        wave = np.sin(2 * np.pi * (phase + frame / period))
        body = self.figure.body
        offset = np.array([0.008 * wave, -(SOLE + body.leg[0] + body.leg[1])])
        return self.feet + self.height_pixels * offset, lean * wave

    def box(self, frame: int) -> Points:
        """Return the box of the body and its limbs' reach, (4,) xyxy: the same for every action.

        The shape of a box that followed the outstretched limb would give the class away.
        """
        hips, lean = self.hips(frame)
        body, unit = self.figure.body, self.height_pixels
        middle = hips[0] + 0.5 * body.torso * unit * np.sin(np.deg2rad(lean))
        top = hips[1] - (body.torso + NECK + body.head) * unit
        bottom = hips[1] + (body.leg[0] + body.leg[1] + SOLE) * unit
        return np.array([middle - _REACH * unit, top, middle + _REACH * unit, bottom])


@dataclass(frozen=True)
class Background:
    """A cluttered wall that drifts, and objects that move in front of it."""

    wall: Array
    """(H + 2 margins, W + 2 margins, 3), 0–255."""
    drift: Points
    """(2,) pixels per frame."""
    things: tuple[tuple[Sprite, Points], ...]
    """Sprites and their (place x, y, speed x, y, angle, turning speed, unit)."""

    @staticmethod
    def draw(
        hues: tuple[float, ...], rng: np.random.Generator, size_hw: tuple[int, int] = SIZE_HW
    ) -> "Background":
        """Draw a background whose colors have the given hues."""
        things = tuple(_draw_thing(hues, size_hw, rng) for _ in range(rng.integers(1, 4)))
        angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.4)
        drift = speed * np.array([np.cos(angle), np.sin(angle)])
        return Background(_paint_wall(hues, size_hw, rng), drift, things)

    def at(self, frame: int, num_frames: int, shake: Points) -> Array:
        """Paint the view of a camera that is off by `shake` (2,) pixels."""
        offset = -_MARGIN + self.drift * (frame - num_frames / 2) + shake
        matrix = np.array([[1, 0, offset[0]], [0, 1, offset[1]]])
        height, width = (side - 2 * _MARGIN for side in self.wall.shape[:2])
        canvas = cv2.warpAffine(self.wall, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        canvas = canvas.astype(np.float32, copy=False)
        for sprite, (x, y, speed_x, speed_y, angle, turning, unit) in self.things:
            swing = angle + turning * np.sin(0.5 * frame + angle)
            half = 0.09 * unit * np.array([np.sin(swing), np.cos(swing)])
            middle = np.array([x + speed_x * frame, y + speed_y * frame]) + shake
            sprite.paste(canvas, np.array([middle - half, middle + half]), unit)
        return canvas


def render_clip(
    main: Actor,
    other: Actor | None,
    background: Background,
    num_frames: int,
    rng: np.random.Generator,
) -> RenderedClip:
    """Draw all frames of a clip.

    Args:
        main: the labeled person, drawn in front.
        other: the second person, or None.
        background: what is behind them.
        num_frames: T.
        rng: draws the camera's shake, the light and the errors of the boxes.
    """
    shakes = wander(num_frames, 2, rng) * rng.uniform(0.1, 0.5)
    light, contrast = rng.uniform(-18, 18), rng.uniform(0.8, 1.05)
    box_errors = main.height_pixels * (rng.normal(0, 0.012, 4) + 0.006 * wander(num_frames, 4, rng))
    frames, person_boxes, target_boxes = [], [], []
    for frame, shake in enumerate(shakes):
        canvas = background.at(frame, num_frames, shake)
        if other is not None:
            _paste_actor(canvas, other, frame, shake)
        target_boxes.append(_paste_actor(canvas, main, frame, shake))
        person_boxes.append(main.box(frame) + np.tile(shake, 2) + box_errors[frame])
        frames.append(expose(canvas, light, contrast))
    limits = np.tile(frames[0].shape[1::-1], 2)
    return RenderedClip(
        np.stack(frames),
        np.clip(np.stack(person_boxes), 0, limits),
        np.clip(np.stack(target_boxes), 0, limits),
    )


def wander(num_frames: int, size: int, rng: np.random.Generator) -> Points:
    """Return smooth random paths of about unit size: (T, size)."""
    noise = rng.normal(size=(num_frames + 4, size))
    return (noise[:-4] + noise[1:-3] + noise[2:-2] + noise[3:-1] + noise[4:]) / np.sqrt(5)


def expose(canvas: Array, light: float, contrast: float) -> NDArray[np.uint8]:
    """Return a painted canvas as a frame, with an offset and a factor of its brightness."""
    return np.clip(np.rint((canvas - 128) * contrast + (128 + light)), 0, 255).astype(np.uint8)


def _paste_actor(canvas: Array, actor: Actor, frame: int, shake: Points) -> Points:
    """Draw a person; return the box of the deciding limb, (4,)."""
    unit, limb = actor.height_pixels, actor.motion.deciding_limb
    hips, lean = actor.hips(frame)
    bones = actor.figure.bones(hips + shake, unit, lean, actor.motion.angles(frame))
    actor.figure.paste(canvas, bones, unit, limb)
    return actor.figure.limb_box(bones, limb, unit)


def _paint_wall(
    hues: tuple[float, ...], size_hw: tuple[int, int], rng: np.random.Generator
) -> Array:
    height, width = (side + 2 * _MARGIN for side in size_hw)
    coarse = np.array([draw_color(hues, (0.3, 0.9), rng) for _ in range(42)])
    coarse = (0.45 * coarse + 0.55 * coarse.mean(1, keepdims=True)).reshape(6, 7, 3)
    size_wh = (width, height)
    wall = cv2.resize(coarse.astype(np.float32), size_wh, interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, rng.uniform(4, 14), (height // 3, width // 3)).astype(np.float32)
    wall += cv2.resize(grain, size_wh, interpolation=cv2.INTER_LINEAR)[..., None]
    cloths = [draw_cloth((height, width), hues, rng) for _ in range(4)]
    for _ in range(rng.integers(18, 36)):
        mask = _paint_shape((height, width), rng)
        x, y, w, h = cv2.boundingRect(mask)
        area = np.s_[y : y + h, x : x + w]
        alpha = (mask[area] * (rng.uniform(0.5, 0.95) / 255)).astype(np.float32)[..., None]
        color = draw_color(hues, (0.2, 0.95), rng).astype(np.float32)
        paint = cloths[rng.integers(4)][area] if rng.uniform() < 0.6 else color
        wall[area] += alpha * (paint - wall[area])
    return np.clip(118 + 0.4 * (wall - 128), 0, 255).astype(np.float32)


def _paint_shape(size_hw: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint a bar, a polygon or an ellipse: (H, W), 0–255."""
    mask = np.zeros(size_hw, np.uint8)
    center = rng.uniform((0, 0), size_hw[::-1])
    if rng.uniform() < 0.25:
        ends = np.rint([center, center + rng.normal(0, 40, 2)]).astype(int).tolist()
        cv2.line(mask, ends[0], ends[1], 255, int(rng.integers(3, 9)), cv2.LINE_AA)
    else:
        corners = int(rng.choice((3, 4, 4, 5, 24)))
        turns = (np.arange(corners) + rng.uniform()) * 2 * np.pi / corners
        radii = rng.uniform(6, 30, 2)
        points = center + radii * np.column_stack([np.cos(turns), np.sin(turns)])
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 255, cv2.LINE_AA)
    return mask


def _draw_thing(
    hues: tuple[float, ...], size_hw: tuple[int, int], rng: np.random.Generator
) -> tuple[Sprite, Points]:
    """Draw a textured object, often as long and thin as a limb, that drifts and swings."""
    half_width = rng.uniform(0.025, 0.09)
    shape = rounded(half_width, half_width * rng.uniform(0.5, 1.5), 0.15)
    sprite = paint_part(0.18, 0.02, shape, draw_cloth((48, 48), hues, rng))
    place = rng.uniform((0, 0), size_hw[::-1])
    speed, unit = rng.normal(0, 0.4, 2), rng.uniform(60, 120)
    return sprite, np.array([*place, *speed, rng.uniform(0, 6), rng.uniform(0, 0.7), unit])
