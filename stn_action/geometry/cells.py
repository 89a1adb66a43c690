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

    def resized(self, clip_hw: tuple[int, int]) -> "Cells":
        """Return the same cells' positions in a clip of another height and width."""
        ratio = [new / old for new, old in zip(clip_hw, self.clip_thw[1:], strict=True)]
        first = [(self.first_thw[1 + i] + 0.5) * ratio[i] - 0.5 for i in range(2)]
        step = [self.step_thw[1 + i] * ratio[i] for i in range(2)]
        return Cells(
            self.size_thw, (self.clip_thw[0], *clip_hw), (self.first_thw[0], first[0], first[1]),
            (self.step_thw[0], step[0], step[1]),
        )  # fmt: skip
