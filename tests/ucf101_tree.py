"""A few generated videos in UCF101's official layout, under its official names; and UCF101-24."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import numpy as np

from tests.tree_files import Put, touch

_NAMES = """
ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch
Basketball BasketballDunk BenchPress Biking Billiards BlowDryHair BlowingCandles
BodyWeightSquats Bowling BoxingPunchingBag BoxingSpeedBag BreastStroke BrushingTeeth
CleanAndJerk CliffDiving CricketBowling CricketShot CuttingInKitchen Diving Drumming Fencing
FieldHockeyPenalty FloorGymnastics FrisbeeCatch FrontCrawl GolfSwing Haircut Hammering
HammerThrow HandstandPushups HandstandWalking HeadMassage HighJump HorseRace HorseRiding
HulaHoop IceDancing JavelinThrow JugglingBalls JumpingJack JumpRope Kayaking Knitting LongJump
Lunges MilitaryParade Mixing MoppingFloor Nunchucks ParallelBars PizzaTossing PlayingCello
PlayingDaf PlayingDhol PlayingFlute PlayingGuitar PlayingPiano PlayingSitar PlayingTabla
PlayingViolin PoleVault PommelHorse PullUps Punch PushUps Rafting RockClimbingIndoor
RopeClimbing Rowing SalsaSpin ShavingBeard Shotput SkateBoarding Skiing Skijet SkyDiving
SoccerJuggling SoccerPenalty StillRings SumoWrestling Surfing Swing TableTennisShot TaiChi
TennisSwing ThrowDiscus TrampolineJumping Typing UnevenBars VolleyballSpiking WalkingWithDog
WallPushups WritingOnBoard YoYo
"""
CLASSES = _NAMES.split()
"""Of the official classInd.txt, in its order."""

VIDEOS = {
    "train": ("Archery_g08_c01", "Archery_g09_c02", "YoYo_g08_c01", "HandStandPushups_g10_c01"),
    "test": ("Archery_g01_c01", "YoYo_g02_c03"),
}
"""The training and test videos of split 1; in split 2 they change places."""


def write_ucf101(
    root: Path, *, flat: bool = False, num_tests: int = 2, put: Put | None = None
) -> Path:
    """Lists in `ucfTrainTestlist`, videos in class folders or flat, H.264 and MPEG-4 by turns."""
    parts = {"train": VIDEOS["train"], "test": VIDEOS["test"][:num_tests]}
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    lines = [f"{number} {name}" for number, name in enumerate(CLASSES, start=1)]
    (lists / "classInd.txt").write_text("\r\n".join(lines) + "\r\n")
    for split, (first, second) in {1: ("train", "test"), 2: ("test", "train")}.items():
        train = [f"{_entry(name)} {CLASSES.index(_folder(name)) + 1}" for name in parts[first]]
        (lists / f"trainlist0{split}.txt").write_text("\n".join(train) + "\n")
        test = [_entry(name) for name in parts[second]]
        (lists / f"testlist0{split}.txt").write_text("\n".join(test) + "\n")
    for number, name in enumerate([*parts["train"], *parts["test"]]):
        path = root / ("" if flat else _folder(name)) / f"v_{name}.avi"
        path.parent.mkdir(exist_ok=True)
        put(path) if put else write_avi(
            path, "libx264" if number % 2 else "mpeg4", 40 + number, seed=number
        )
    return root


def _annotation(label: int, first: int, end: int, xywh: Sequence[int]) -> dict[str, object]:
    """Return an annotation of UCF101-24: one box in the frames from `first` up to `end`."""
    boxes = np.tile(np.array(xywh, np.uint16), (end - first, 1))
    return {"label": label, "sf": first, "ef": end, "boxes": boxes}


TUBES = {
    "Fencing/v_Fencing_g09_c01": [_annotation(6, 0, 24, (1, 1, 159, 239))],
    "Biking/v_Biking_g01_c02": [
        _annotation(2, 4, 8, (1, 1, 100, 120)),
        _annotation(2, 10, 20, (201, 121, 119, 119)),
    ],
    "Biking/v_Biking_g08_c01": [_annotation(2, 0, 9, (1, 1, 100, 120))],
}
"""Two people in the one video to test on, at different times and places."""
TUBE_FRAMES = 24
TESTED = "Archery/v_Archery_g01_c01.avi\nBiking/v_Biking_g01_c02.avi\n"


def write_ucf101_24(
    root: Path, put: Put = touch, *, tubes: Mapping[str, Sequence[object]] = TUBES,
    tested: str = TESTED, files: Sequence[str] = tuple(f"UCF-101/{name}.avi" for name in TUBES),
) -> Path:  # fmt: skip
    """Write the boxes and the test list of all 101 classes, and videos in class folders."""
    (root / "annotations").mkdir(parents=True)
    videos = {name: {"annotations": of, "numf": TUBE_FRAMES} for name, of in tubes.items()}
    (root / "annotations/pyannot.pkl").write_bytes(pickle.dumps(videos, 2))
    (root / "annotations/testlist01.txt").write_text(tested)
    for file in files:
        put(root / file)
    return root


def write_avi(path: Path, codec: str, num_frames: int, *, seed: int) -> None:
    """A noisy image that wanders, 80 x 60 pixels, 25 frames a second."""
    scene = np.random.default_rng(seed).integers(0, 256, (80, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 60, 80, "yuv420p"
        for number in range(num_frames):
            image = np.ascontiguousarray(scene[10:70, number : number + 80])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def _folder(name: str) -> str:
    """The official lists write the class HandstandPushups, its videos HandStandPushups."""
    return name.split("_")[0].replace("HandStand", "Handstand")


def _entry(name: str) -> str:
    return f"{_folder(name)}/v_{name}.avi"
