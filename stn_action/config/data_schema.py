"""The `data` section of a configuration: videos and how clips are made from them."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from stn_action.config.augment_schema import AugmentConfig, allow_list
from stn_action.config.box_error_schema import BoxErrorConfig, allow_names
from stn_action.config.types import (
    Count,
    Frames,
    FramesPerSecond,
    Looseness,
    Number,
    OddCount,
    PathText,
    Section,
    Share,
    SizeHW,
    Switch,
    Whole,
    Workers,
)
from stn_action.data.data_choices import DatasetName, DistortionName, FrameSampling
from stn_action.person.person_choices import (
    Aspect,
    Beyond,
    Motion,
    PaddingColor,
    Select,
    WithoutPerson,
)
from stn_action.video.video_choices import DEFAULT_FPS, MAX_PIXELS, Reader


class CropConfig(Section):
    """The crop around the person."""

    looseness: Looseness = 0.25
    """What is added on each side of the person box, as a share of the box's side."""
    box_error: Annotated[BoxErrorConfig | None, Field(json_schema_extra=allow_names)] = None
    """Errors of the person boxes as detectors make them, drawn once for each video."""
    box_jitter: Annotated[Number, Field(ge=0, lt=0.5)] = 0.0
    """Training: each side of the box moves at random by up to this share of the box, which imitates
    inaccurate detections."""
    beyond: Beyond = "pad"
    """Crops that reach beyond the frame: pad (padded there), shift (moved back inside; only a crop
    that is larger than the frame is padded, evenly on both sides), fit (the same, but a crop that
    is larger is made as small as the frame: never padded) or scene (another clip is there, of the
    same part of the data set, as high as the frame, its people beside it)."""
    scene_seed: Whole = 0
    """Random seed of which clip surrounds which; train.seed does not change it."""
    padding: PaddingColor = "mean"
    """Color of padding: mean (the mean color of the trunk's training images, which is zero after
    normalization) or black (a hard edge that every trunk sees; configurations and checkpoints from
    before this setting mean black)."""
    aspect: Aspect = "square"
    """square: enlarge the box to a square; free: stretch the box to `size`."""
    motion: Motion = "fixed"
    """fixed: one box for the clip; follow: one box for each frame."""
    smooth_window: OddCount = 9
    """Number of video frames over which boxes are averaged, odd; 1: no smoothing."""
    size: SizeHW = (112, 112)
    """Height and width of the clip in pixels: one number for a square, or [height, width]."""
    view_share: Share = 0.875
    """Evaluation: side of the crop, as a share of the padded box's shorter side."""

    @field_validator("box_error", mode="before")
    @classmethod
    def _named(cls, error: Any) -> Any:
        if not isinstance(error, str):
            return error
        if error not in BoxErrorConfig.NAMED:
            names = ", ".join(BoxErrorConfig.NAMED)
            raise ValueError(f"expected {names} or {{looseness: [0, 1], shift: 0.2, cut: 0.1}}")
        return BoxErrorConfig.NAMED[error]


class TubesConfig(Section):
    """The person that a clip shows."""

    select: Select = "longest"
    """Within the clip: longest (visible in most frames), largest (mean box area), score (mean
    detection score), union (one box around all persons, for interactions), all (a sample for each
    person)."""
    min_span: Count = 1
    """Ignore tubes with fewer frames from first to last box."""
    no_person: WithoutPerson = "frame"
    """Videos without a person: frame (use the whole frame) or skip (leave them out)."""


class ClipConfig(Section):
    """The frames of a clip."""

    num_frames: Frames = 16
    """Number of frames. A shorter video repeats its last frame."""
    stride: Count = 4
    """Dense sampling: distance between neighboring frames of the clip, in video frames."""
    sampling: FrameSampling = "dense"
    """dense: every `stride`-th frame of a run; segment: one frame from each of `num_frames` equal
    parts of the video (TSN)."""

    def numbers(self, size_hw: tuple[int, int]) -> int:
        """Return how many numbers a clip of this height and width has."""
        return 3 * self.num_frames * size_hw[0] * size_hw[1]


class DataConfig(Section):
    """The labeled videos and how clips are made from them."""

    name: DatasetName
    """The data set; your own videos: folders (<root>/{train,test}/<class>/** or <root>/<class>/**)
    or csv (a file with a row for each)."""
    root: PathText
    """Folder of the data set, of csv the file, relative to the working directory."""
    fold: Count | Literal["all"] = 1
    """Official split, held-out group or one of `folds`, by number; all: train on each and pool
    predictions."""
    folds: Annotated[Count, Field(ge=2)] | Literal["groups"] | None = None
    """Own videos without a test part: number of folds into which their groups are split, each class
    as evenly as they allow; groups: a fold for each group. null: the lists tell what to test on."""
    fold_seed: Whole = 0
    """Random seed of the folds; train.seed does not change them."""
    val_share: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """Share of the training videos held out to choose the best checkpoint, in whole groups drawn by
    train.seed, if the data set has no validation part; 0: none."""
    distortion: DistortionName | None = None
    """mnist, mnist_addition: distortion of the digits, as the spatial transformer paper names it: R
    (rotated), RTS (rotated, scaled, translated), P (projected), E (bent elastically) or TC
    (translated, between parts of other digits); null: none. `crop.size` is the canvas."""
    people: PathText | None = None
    """People file of tools/detect_people.py, or a folder with one CSV of boxes per video; null:
    whole frames."""
    tubes: TubesConfig = TubesConfig()
    """The person that a clip shows."""
    manifest: PathText | None = None
    """Manifest of tools/check_videos.py: lengths, checksums and broken videos; null: none."""
    regions: PathText | None = None
    """Folder with boxes of the target regions, to score attention against; null: no scores."""
    official: Switch = True
    """Refuse lists whose numbers of classes and videos are not the official ones."""
    crop: CropConfig = CropConfig()
    """The crop around the person."""
    clip: ClipConfig = ClipConfig()
    """The frames of a clip."""
    augment: Annotated[AugmentConfig, Field(json_schema_extra=allow_list)] = AugmentConfig()
    """Random augmentation of training clips: the settings of this section, or a list of steps."""
    reader: Reader = "auto"
    """Library that decodes the videos; auto: PyAV, or the next one that can open the file."""
    max_pixels: Count = MAX_PIXELS
    """Largest number of pixels of a frame; videos with larger ones count as unreadable. It bounds
    the memory that a single frame can take."""
    frames_fps: FramesPerSecond = DEFAULT_FPS
    """Frames per second of videos that are folders of frames, which do not tell it. It counts where
    seconds do: slices, tracking, drawn and re-encoded videos."""
    num_workers: Workers = 2
    """Number of processes that load clips; 0: load in the training process."""
    max_unreadable: Whole = 10
    """Number of unreadable training videos that are replaced by others; one more ends the run."""
