"""Motion of the people in the sample data: an action of one limb, swaying of all others.

Angles are degrees seen from the front: 0 hangs down, 90 points sideways away from the body, 180
points up. Each limb has two, of its upper and of its lower segment.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ARMS = ("left_arm", "right_arm")
LEGS = ("left_leg", "right_leg")
LIMBS = LEGS + ARMS


def _sine(phase: float) -> float:
    return float(np.sin(2 * np.pi * phase))


def _thrust(phase: float) -> float:
    """Return 0 at rest and 1 at full reach, once per turn, with a slightly longer rest."""
    return float((0.5 - 0.5 * np.cos(2 * np.pi * phase)) ** 1.3)


ACTIONS: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "circle": lambda phase, size: (72 + 8 * size * _sine(phase + 0.25), 180 + 360 * phase),
    "flick": lambda phase, size: (38, 2 + 42 * size * _sine(phase)),
    "kick": lambda phase, size: (8 + 42 * size * _thrust(phase), 4 + 50 * size * _thrust(phase)),
    "punch": lambda phase, size: (25 + 65 * _thrust(phase), 165 - 75 * size * _thrust(phase)),
    "stomp": lambda phase, size: (12 + 58 * size * _thrust(phase), 4 - 6 * _thrust(phase)),
    "wave": lambda phase, size: (84, 180 + 48 * size * _sine(phase)),
}
"""Phase in turns and amplitude about 1 -> the two angles of the limb that decides the class.

circle: the forearm turns about the elbow; punch: the fist moves from the shoulder straight out and
back; wave: the raised forearm swings; flick: the shin swings below a raised thigh; kick: the
straight leg swings out; stomp: the knee rises, the shin stays upright."""

LEG_ACTIONS = frozenset({"flick", "kick", "stomp"})

_Ranges = tuple[tuple[float, float], tuple[float, float]]
_ARM_POSES: tuple[_Ranges, ...] = (
    ((10, 25), (2, 22)),
    ((36, 48), (-50, -36)),
    ((76, 90), (160, 195)),
    ((66, 86), (66, 95)),
)
_ARM_POSE_SHARES = (0.5, 0.2, 0.15, 0.15)
_LEG_POSES: tuple[_Ranges, ...] = (((4, 14), (0, 8)), ((16, 24), (4, 18)))
_LEG_POSE_SHARES = (0.8, 0.2)


@dataclass(frozen=True)
class Sway:
    """Motion of a limb that does not decide; its poses include moments of the actions."""

    angles: tuple[float, float]
    swings: tuple[float, float]
    period_frames: float
    phase: float

    @staticmethod
    def draw(limb: str, rng: np.random.Generator) -> "Sway":
        """Draw a pose and a small, slow swing about it."""
        is_arm = limb in ARMS
        poses = _ARM_POSES if is_arm else _LEG_POSES
        shares = _ARM_POSE_SHARES if is_arm else _LEG_POSE_SHARES
        upper, lower = poses[rng.choice(len(poses), p=shares)]
        largest_swing = 4.0 if is_arm else 2.0
        return Sway(
            angles=(rng.uniform(*upper), rng.uniform(*lower)),
            swings=(rng.uniform(1, largest_swing), rng.uniform(1, largest_swing)),
            period_frames=rng.uniform(18, 36),
            phase=rng.uniform(),
        )

    def at(self, frame: int) -> tuple[float, float]:
        """Return the two angles in a frame."""
        swing = _sine(self.phase + frame / self.period_frames)
        return self.angles[0] + self.swings[0] * swing, self.angles[1] + self.swings[1] * swing


@dataclass(frozen=True)
class Motion:
    """Motion of one person throughout a clip."""

    action: str
    side: str
    """Side of the image on which the deciding limb is: left or right."""
    period_frames: float
    phase: float
    amplitude: float
    turn: int
    """1 or -1: direction in which the phase runs."""
    sways: dict[str, Sway]

    @staticmethod
    def draw(action: str, side: str, rng: np.random.Generator) -> "Motion":
        """Draw speed, phase, amplitude and all sways, from the same ranges for every action."""
        return Motion(
            action,
            side,
            period_frames=rng.uniform(11, 17),
            phase=rng.uniform(),
            amplitude=rng.uniform(0.85, 1.1),
            turn=int(rng.choice((-1, 1))),
            sways={limb: Sway.draw(limb, rng) for limb in LIMBS},
        )

    @property
    def deciding_limb(self) -> str:
        """The limb that performs the action."""
        return f"{self.side}_{'leg' if self.action in LEG_ACTIONS else 'arm'}"

    def angles(self, frame: int) -> dict[str, tuple[float, float]]:
        """Return the two angles of every limb in a frame."""
        angles = {limb: sway.at(frame) for limb, sway in self.sways.items()}
        phase = self.phase + self.turn * frame / self.period_frames
        angles[self.deciding_limb] = ACTIONS[self.action](phase, self.amplitude)
        return angles
