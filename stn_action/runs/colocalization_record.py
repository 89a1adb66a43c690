"""Results of co-localization: a file for each finished class, all in one file, and the table."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stn_action.config.fingerprint import Fingerprint
from stn_action.disk.atomic_file import write_file
from stn_action.disk.json_file import read_json
from stn_action.errors import InputError

RESULTS_FILE = "results.json"
SETS = "start", "trained_on", "held_out"
"""Fields of a record that are `Overlaps`."""
PAPER = {"T": "100", "TC": "75 to 93"}
"""The paper's percentages of correct images (appendix A.2), of the images trained on."""


@dataclass(frozen=True)
class Overlaps:
    """How well windows fit the true boxes of a set of images."""

    images: int
    correct: float
    """Share of images whose intersection over union is above 0.5."""
    mean_iou: float


@dataclass(frozen=True)
class ColocalizationRecord:
    """What came of one class."""

    placement: str
    digit: int
    loss: float
    """The mean over the last tenth of the steps."""
    losses: list[float]
    """The same of every random start; the lowest was kept."""
    start: Overlaps
    """On the images trained on, before the first step."""
    trained_on: Overlaps
    """On the images trained on, as the paper has it."""
    held_out: Overlaps
    """On digits of the class from the test files."""
    seconds: float

    @property
    def name(self) -> str:
        """Name of its files."""
        return record_name(self.placement, self.digit)


def record_name(placement: str, digit: int) -> str:
    """Return the name of the files of a class."""
    return f"{placement}_{digit}"


def write_record(folder: Path, record: ColocalizationRecord, own: Fingerprint) -> None:
    """Write the file of a finished class."""
    content = {**asdict(record), "fingerprint": own.to_dict()}
    write_file(folder / f"{record.name}.json", json.dumps(content, indent=1) + "\n")


def read_record(path: Path) -> ColocalizationRecord:
    """Read the file of a finished class.

    Raises:
        InputError: it is damaged.
    """
    content = _content(path)
    del content["fingerprint"]
    for name in SETS:
        content[name] = Overlaps(**content[name])
    return ColocalizationRecord(**content)


def require_same(folder: Path, own: Fingerprint) -> None:
    """Check that all finished classes of a folder were made with the same settings.

    Raises:
        InputError: one was not, or is damaged.
    """
    for path in sorted(folder.glob("*.json")):
        if changed := Fingerprint.from_dict(_content(path)["fingerprint"]).compare(own):
            raise InputError(
                f"{path} was made with other settings: {changed}; give another --out, or delete "
                f"{folder}"
            )


def write_results(
    records: Sequence[ColocalizationRecord], own: Fingerprint, out: Path, command: str
) -> None:
    """Write all results with what they depend on."""
    content = {
        "command": command,
        "classes": [asdict(record) for record in records],
        "fingerprint": own.to_dict(),
    }
    write_file(out / RESULTS_FILE, json.dumps(content, indent=1) + "\n")


def describe_colocalization(records: Iterable[ColocalizationRecord]) -> Iterator[str]:
    """Yield the lines of the table, in percent; the paper's are of the images trained on."""
    yield "| set | class | trained on: correct | mean IoU | held out: correct | mean IoU | paper |"
    yield "|" + " --- |" * 7
    for one in records:
        cells = [one.placement, one.digit]
        for overlaps in (one.trained_on, one.held_out):
            cells += [f"{100 * overlaps.correct:.1f}", f"{100 * overlaps.mean_iou:.1f}"]
        yield f"| {' | '.join(map(str, cells))} | {PAPER[one.placement]} |"


def _content(path: Path) -> dict[str, Any]:
    remedy = "delete it, and the class is trained again"
    content = read_json(path, remedy=remedy)
    if not isinstance(content, dict) or not {*SETS, "fingerprint"} <= content.keys():
        raise InputError(f"{path}: not the results of a class; {remedy}")
    return content
