"""The `data` section of a configuration: the videos, and how clips are made from them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from stn_action.config.types import (
    Count,
    NotNegative,
    Number,
    Probability,
    Section,
    Share,
    SizeHW,
    Switch,
    Whole,
)
from stn_action.data.data_choices import DatasetName, FrameSampling
from stn_action.person.person_choices import Aspect, Motion, Select, WithoutPerson
from stn_action.video.video_choices import Reader


class CropConfig(Section):
    """How a clip is cut out of the frames around a person."""

    looseness: NotNegative = 0.25
    """Added to each side of the person's box, as a share of the box's side."""
    box_jitter: Annotated[Number, Field(ge=0, lt=0.5)] = 0.0
    """Training: each side moves by up to this share of the box's side, as bad detections do."""
    aspect: Aspect = "square"
    """square: the box is enlarged to a square; free: the box is stretched to the clip's size."""
    motion: Motion = "fixed"
    """fixed: one box for a clip; follow: the box moves with the person."""
    smooth_window: Count = 9
    """Frames of the video over which boxes are averaged, odd; 1: boxes as they are."""
    size: SizeHW = (112, 112)
    """Clip height and width in pixels: one number for a square, or [height, width]."""
    view_share: Share = 0.875
    """Evaluation: side of a view, as a share of the region's shorter side."""

    @field_validator("smooth_window")
    @classmethod
    def _odd(cls, window: int) -> int:
        if window % 2 == 0:
            raise ValueError("expected an odd number")
        return window


class TubesConfig(Section):
    """Which of the persons in a video its clips are about."""

    select: Select = "longest"
    """In the clip's time: longest (seen in most frames), largest, score (best detections), union
    (everybody, for interactions), all (every person a sample of their own)."""
    min_span: Count = 1
    """Tubes of fewer frames, from first to last box, are passed over."""
    nobody: WithoutPerson = "frame"
    """Videos without a person: frame (use the whole frame) or skip (leave them out); counted."""


class ClipConfig(Section):
    """Which frames make a clip."""

    num_frames: Count = 16
    """Frames in a clip. A shorter video repeats its last frame."""
    stride: Count = 4
    """Dense sampling: frames from one frame of the clip to the next."""
    sampling: FrameSampling = "dense"
    """dense: `num_frames` x `stride` neighbours; segment: one from each of equal parts (TSN)."""


class AugmentConfig(Section):
    """Random changes to training clips."""

    hflip: Probability = 0.5
    """Probability of mirroring a clip; 0 where left and right are different classes."""
    scale: tuple[Share, Share] = (0.8, 1.0)
    """Smallest and largest side of a training view, as a share of the region's shorter side."""
    color_jitter: Annotated[Number, Field(ge=0, le=1)] = 0.0
    """Strength of random brightness, contrast and saturation, the same for a whole clip."""

    @field_validator("scale")
    @classmethod
    def _in_order(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError("expected [smallest, largest]")
        return scale


class DataConfig(Section):
    """The labelled videos and how clips are made from them."""

    name: DatasetName
    """The data set, or folders: one's own videos as <root>/{train,test}/<class>/*."""
    root: Path
    """The data set's folder, relative to the working directory."""
    fold: Annotated[Whole, Field(ge=1)] | Literal["all"] = 1
    """Number of the official split or the sequence held out; all: every one, pooled."""
    val_share: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """Share of the training videos that is held out to choose a checkpoint, in whole groups by
    train.seed, where the data set has no validation part; 0: none is."""
    people: Path | None = None
    """People file of tools/detect_people.py, or a folder with one CSV per video; null: whole
    frames."""
    tubes: TubesConfig = TubesConfig()
    """Which of the persons in a video its clips are about."""
    manifest: Path | None = None
    """Manifest of tools/check_videos.py: lengths, checksums, what is broken; null: none."""
    regions: Path | None = None
    """Folder of the deciding regions' boxes, to score attention with; null: not scored."""
    official: Switch = True
    """Refuse lists that are not the official ones (class and video counts)."""
    crop: CropConfig = CropConfig()
    """How a clip is cut out of the frames."""
    clip: ClipConfig = ClipConfig()
    """Which frames make a clip."""
    augment: AugmentConfig = AugmentConfig()
    """Random changes to training clips."""
    reader: Reader = "auto"
    """What decodes the videos; auto: PyAV, else the next that can open the file."""
    num_workers: Annotated[Whole, Field(ge=0)] = 2
    """Processes that load clips; 0: the training process itself."""
    max_unreadable: Annotated[Whole, Field(ge=0)] = 10
    """Training ends when more videos than this cannot be read; until then others replace them."""
