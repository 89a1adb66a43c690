"""The sample data's people: textured, jointed figures seen from the front.

Lengths are in units of the body's height, in the image in pixels; a point is (x, y) with y
downwards. Left and right are those of the image.
"""

from dataclasses import dataclass

import numpy as np

from stn_action.data.synthetic.actions import LIMBS
from stn_action.data.synthetic.sprites import (
    SPRITE_UNIT,
    Array,
    Points,
    Sprite,
    draw_cloth,
    draw_color,
    paint_part,
    paint_shadow,
    rounded,
)

GLOVES = np.array([255, 225, 40])
SHOES = np.array([245, 250, 255])
"""All figures wear big yellow gloves and white shoes: small hands and feet stay visible."""

NECK = 0.02
SOLE = 0.02
LIMB_RADIUS = 0.045
"""Distance from a limb's bones to its outline."""


@dataclass(frozen=True)
class Body:
    """Proportions of a figure."""

    head: float
    torso: float
    shoulder: float
    """From the middle to a shoulder."""
    hip: float
    """From the middle to a hip joint."""
    arm: tuple[float, float, float]
    """Bones of the upper arm, the forearm and the hand."""
    leg: tuple[float, float, float]
    """Bones of the thigh, the shin and the foot."""
    girth: float
    """Factor on the thickness of the limbs."""

    @staticmethod
    def draw(rng: np.random.Generator) -> "Body":
        """Draw the proportions of an adult."""
        head, torso = rng.uniform(0.145, 0.17), rng.uniform(0.29, 0.32)
        leg = 1 - head - NECK - torso - SOLE
        thigh = leg * rng.uniform(0.48, 0.52)
        return Body(
            head=head,
            torso=torso,
            shoulder=rng.uniform(0.09, 0.11),
            hip=rng.uniform(0.045, 0.058),
            arm=(rng.uniform(0.165, 0.185), rng.uniform(0.15, 0.17), 0.04),
            leg=(thigh, leg - thigh, 0.06),
            girth=rng.uniform(0.95, 1.2),
        )


@dataclass(frozen=True)
class Figure:
    """One person: proportions and painted parts."""

    body: Body
    parts: dict[str, Sprite]

    @staticmethod
    def draw(hues: tuple[float, ...], rng: np.random.Generator) -> "Figure":
        """Draw a person whose clothes have the given hues."""
        body = Body.draw(rng)
        return Figure(body, _paint_parts(body, hues, rng))

    def bones(
        self,
        hips: Points,
        height_pixels: float,
        lean_degrees: float,
        angles: dict[str, tuple[float, float]],
    ) -> dict[str, Points]:
        """Place the bones in the image.

        Args:
            hips: (2,), the point between the hip joints, in pixels.
            height_pixels: of the body.
            lean_degrees: of the torso and head, to the right.
            angles: degrees of the upper and lower segment of every limb in `LIMBS`.

        Returns:
            For each part (2, 2): start and end of its bone, in pixels.
        """
        body, lean = self.body, np.deg2rad(lean_degrees)
        up = np.array([np.sin(lean), -np.cos(lean)])
        right = np.array([np.cos(lean), np.sin(lean)])
        neck = body.torso * up
        stand = body.leg[0] + body.leg[1] + SOLE - 0.01
        bones = {
            "torso": np.array([neck, 0 * up]),
            "head": np.array([neck + (NECK + body.head) * up, neck]),
            "shadow": np.array([[-0.22, stand], [0.22, stand]]),
        }
        for limb in LIMBS:
            side = -1.0 if limb.startswith("left") else 1.0
            is_arm = limb.endswith("arm")
            start = (
                neck - 0.035 * up + side * body.shoulder * right
                if is_arm
                else side * body.hip * right
            )
            upper, lower = angles[limb]
            tip = lower if is_arm else lower + 68
            lengths = body.arm if is_arm else body.leg
            for part, angle, length in zip(
                ("upper", "lower", "tip"), (upper, lower, tip), lengths, strict=True
            ):
                radians = np.deg2rad(angle)
                end = start + length * np.array([side * np.sin(radians), np.cos(radians)])
                bones[f"{limb}_{part}"] = np.array([start, end])
                start = end
        return {part: hips + height_pixels * bone for part, bone in bones.items()}

    def paste(
        self, canvas: Array, bones: dict[str, Points], height_pixels: float, last_limb: str
    ) -> None:
        """Draw the person: shadow, legs, torso, head, arms; of each pair `last_limb` is in front.

        Args:
            canvas: (H, W, 3) float32, 0–255, changed.
            bones: see `bones`.
            height_pixels: of the body.
            last_limb: name of a limb.
        """
        legs, arms = (
            sorted((limb for limb in LIMBS if limb.endswith(kind)), key=last_limb.__eq__)
            for kind in ("leg", "arm")
        )
        order = ["shadow"]
        order += [f"{limb}_{part}" for limb in legs for part in ("tip", "lower", "upper")]
        order += ["torso", "head"]
        order += [f"{limb}_{part}" for limb in arms for part in ("upper", "tip", "lower")]
        for part in order:
            self.parts[part].paste(canvas, bones[part], height_pixels)

    def limb_box(self, bones: dict[str, Points], limb: str, height_pixels: float) -> Points:
        """Return the box of a limb: (4,) xyxy in pixels."""
        points = np.concatenate([bones[f"{limb}_{part}"] for part in ("upper", "lower", "tip")])
        margin = LIMB_RADIUS * height_pixels
        return np.concatenate([points.min(0) - margin, points.max(0) + margin])


def _paint_parts(
    body: Body, hues: tuple[float, ...], rng: np.random.Generator
) -> dict[str, Sprite]:
    size_hw = (64, 48)
    shirt, trousers = draw_cloth(size_hw, hues, rng), draw_cloth(size_hw, hues, rng)
    skin = np.full((8, 8, 3), np.array([255, 205, 165]) * rng.uniform(0.42, 1.0), np.float32)
    glove = np.full((8, 8, 3), GLOVES * rng.uniform(0.85, 1.0, 3), np.float32)
    shoe = np.full((8, 8, 3), SHOES * rng.uniform(0.85, 1.0, 3), np.float32)
    sleeve = shirt if rng.uniform() < 0.5 else skin
    stocking = trousers if rng.uniform() < 0.75 else skin
    parts = {"torso": _paint_torso(body, shirt), "head": _paint_head(body, skin, hues, rng)}
    parts["shadow"] = paint_shadow(0.44, 0.09, 0.45)
    g = body.girth
    for limb in LIMBS:
        if limb.endswith("arm"):
            cloths, lengths = (shirt, sleeve, glove), body.arm
            widths = ((0.04, 0.033), (0.032, 0.026), (0.044, 0.042))
        else:
            cloths, lengths = (trousers, stocking, shoe), body.leg
            widths = ((0.053, 0.042), (0.041, 0.03), (0.04, 0.036))
        for part, cloth, length, (first, last) in zip(
            ("upper", "lower", "tip"), cloths, lengths, widths, strict=True
        ):
            overhang = 0.7 * last * g
            shape = rounded(first * g, last * g, overhang / (length + 2 * overhang))
            parts[f"{limb}_{part}"] = paint_part(length, overhang, shape, cloth)
    return parts


def _paint_torso(body: Body, shirt: Array) -> Sprite:
    shoulder, hip = body.shoulder + 0.01, body.hip + 0.045
    shape = (
        (0.0, 0.025), (0.05, 0.035), (0.1, shoulder * 0.8), (0.15, shoulder), (0.35, shoulder),
        (0.65, 0.9 * min(shoulder, hip)), (0.9, hip), (0.97, hip * 0.92), (1.0, hip * 0.75),
    )  # fmt: skip
    return paint_part(body.torso, 0.03, shape, shirt)


def _paint_head(
    body: Body, skin: Array, hues: tuple[float, ...], rng: np.random.Generator
) -> Sprite:
    """Paint hair or hat, face and neck; the bone runs from the crown to the end of the neck."""
    half_width, neck_width, length = 0.058, 0.03, NECK + body.head
    rows, columns = round(length * SPRITE_UNIT), 2 * int(half_width * SPRITE_UNIT + 1) + 1
    face = np.tile(skin[:1, :1], (rows, columns, 1))
    hairline = round(rows * rng.uniform(0.28, 0.45))
    face[:hairline] = draw_color(hues, (0.1, 0.7), rng)
    for column in (columns // 2 - 4, columns // 2 + 3):
        face[hairline + 3 : hairline + 5, column : column + 2] = 25
    outline = tuple(
        (0.85 * place, max(half, neck_width if place > 0.8 else 0.0))
        for place, half in rounded(half_width, 0.86 * half_width, 0.42)
    )
    return paint_part(length, 0.0, (*outline, (1.0, neck_width)), face)
