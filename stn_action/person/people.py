"""Everybody found in one video: the type that detectors, importers and people files exchange."""

from dataclasses import dataclass, field

from stn_action.person.track import Tube


@dataclass(frozen=True, eq=False)
class VideoPeople:
    """The tubes of one video and what is known of the video that they were found in.

    A video in which nobody was found has no tubes; that is not the same as a video that nobody has
    looked at, which has no `VideoPeople`.
    """

    name: str
    """The video's name in its list, with folders, without suffix: `Archery/v_Archery_g01_c01`."""
    tubes: tuple[Tube, ...]
    """One per person."""
    size_hw: tuple[int, int] | None = None
    """Height and width of the picture that the boxes lie in, pixels; None: unknown."""
    num_frames: int | None = None
    """Frames of the video; None: unknown."""
    fps: float | None = None
    """Frames per second on average; None: unknown."""
    checksum: str | None = None
    """`video.checksum.checksum` of the file that was looked at; None: unknown."""
    labels: tuple[str | None, ...] = field(default=())
    """What each tube's person does, where annotations tell; empty: nothing is told."""

    def __post_init__(self) -> None:
        if self.labels and len(self.labels) != len(self.tubes):
            raise ValueError(f"labels must be {len(self.tubes)}, one per tube, got {self.labels}")
