"""The table of a faithfulness measurement: means with intervals over groups of videos.

Letters: N videos, M masks.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stn_action.evaluation.bootstrap import PairedDifference, paired_bootstrap, resampled_units

BOOTSTRAP_SEED = 0
COLUMNS = {
    "drop": "lost when masked",
    "kept": "kept when all else is",
    "drop_gain": "{} lose more",
    "kept_gain": "{} keep more",
}
"""Key and header of each column; the last two compare the first mask with the row's."""


@dataclass(frozen=True, eq=False)
class FaithfulnessTable:
    """Values of N videos for M masks; see `evaluation.faithfulness`."""

    masks: tuple[str, ...]
    """Names of the masks; the first is compared with each other."""
    probability: Tensor
    """(N,) of the explained class, with nothing masked."""
    drop: Tensor
    """(N, M): what the probability loses when the mask is replaced."""
    kept: Tensor
    """(N, M): the probability when all but the mask is replaced."""
    area: Tensor
    """(N,) share of the clip's pixels in each of the masks."""
    groups: Tensor
    """(N,) int64: videos that may resemble each other have one number."""

    def rows(self) -> list[dict[str, PairedDifference]]:
        """Return for each mask the means and their intervals, by keys of `COLUMNS`."""
        rows = []
        nothing = torch.zeros_like(self.probability)
        for place in range(len(self.masks)):
            drop, kept = self.drop[:, place], self.kept[:, place]
            row = {"drop": self._between(nothing, drop), "kept": self._between(nothing, kept)}
            if place:
                row["drop_gain"] = self._between(drop, self.drop[:, 0])
                row["kept_gain"] = self._between(kept, self.kept[:, 0])
            rows.append(row)
        return rows

    def numbers(self) -> dict[str, Any]:
        """Return plain types, for a file."""
        rows = zip(self.masks, self.rows(), strict=True)
        return {
            "probability": float(self.probability.mean()),
            "area": float(self.area.mean()),
            "num_videos": len(self.probability),
            "num_groups": len(self.groups.unique()),
            "masks": {
                name: {key: found._asdict() for key, found in row.items()} for name, row in rows
            },
        }

    def lines(self) -> list[str]:
        """Return the table in Markdown, and a line above and below it."""
        header = ["mask", *(name.format(self.masks[0]) for name in COLUMNS.values())]
        lines = [
            f"probability with nothing masked {100 * self.probability.mean():.1f}; each mask "
            f"covers {self.area.mean():.1%} of the frames",
            "",
            "| " + " | ".join(header) + " |",
            "|" + " --- |" * len(header),
        ]
        for name, row in zip(self.masks, self.rows(), strict=True):
            cells = [_words(row[key], signed="gain" in key) if key in row else "–"
                     for key in COLUMNS]  # fmt: skip
            lines.append("| " + " | ".join([name, *cells]) + " |")
        units = resampled_units(self.groups)
        return [*lines, "", f"percent; in brackets 95 % intervals of a bootstrap over {units}"]

    def _between(self, one: Tensor, other: Tensor) -> PairedDifference:
        generator = torch.Generator().manual_seed(BOOTSTRAP_SEED)
        return paired_bootstrap(one, other, self.groups, generator=generator)


def _words(found: PairedDifference, *, signed: bool) -> str:
    mean, low, high = (100 * value for value in (found.difference, found.low, found.high))
    plus = "+" if signed else ""
    return f"{mean:{plus}.1f} ({low:{plus}.1f} to {high:{plus}.1f})"
