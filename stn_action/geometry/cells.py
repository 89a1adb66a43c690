"""The positions of a feature map's cells in the clip."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cells:
    """The positions of a stage's cells in the clip that the network was given.

    Strided convolutions shift a map against its input by parts of a cell; drawing undoes it.
    """

    size_thw: tuple[int, int, int]
    """Time steps, rows and columns of the map."""

    clip_thw: tuple[int, int, int]
    """Frames, rows and columns of the clip."""

    first_thw: tuple[float, float, float]
    """Frame, row and column of the clip at the center of the map's first cell; whole numbers are
    the centers of frames and pixels."""

    step_thw: tuple[float, float, float]
    """Frames, rows and columns of the clip from one cell to the next."""

    @classmethod
    def centered(cls, size_thw: tuple[int, int, int], clip_thw: tuple[int, int, int]) -> "Cells":
        """Return cells that divide the clip evenly, as if nothing had shifted them."""
        step = [clip / size for clip, size in zip(clip_thw, size_thw, strict=True)]
        return cls(
            size_thw, clip_thw, ((step[0] - 1) / 2, (step[1] - 1) / 2, (step[2] - 1) / 2),
            (step[0], step[1], step[2]),
        )  # fmt: skip
