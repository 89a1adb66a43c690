"""What is wrong with the way in which tools treat damaged videos."""

import csv
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from stn_action.data.manifest import Entry, Manifest
from stn_action.person.store.people_file import PeopleFile
from stn_action.video.backend_table import open_video
from stress.damaged_batch import DamagedBatch
from stress.reader_agreement import Agreement, Decoded
from stress.sample import DETECTOR
from stress.tool_process import Ended, run_tool

SECONDS = 300.0
"""For a tool and a batch; it takes a few."""


def reader_faults(batch: DamagedBatch, folder: Path) -> list[str]:
    """Return where readers crash, hang, or contradict a sequential decode."""
    faults = []
    for name, found in batch.compared().items():
        if isinstance(found, Agreement):
            faults += [f"{name}: {fault}" for fault in found.faults]
        else:
            faults.append(f"{name}: {found}")
    return faults


def fresh_faults(batch: DamagedBatch, folder: Path) -> list[str]:
    """Return where readers that do not know a file's length contradict a sequential decode."""
    return [
        f"{name}: {fault}"
        for name, found in batch.compared().items()
        if isinstance(found, Agreement)
        for fault in found.fresh_faults
    ]


def check_faults(batch: DamagedBatch, folder: Path) -> list[str]:
    """Return which videos check_videos does not name, or describes wrongly."""
    ended = _check(batch, folder)
    if faults := ended.faults(0):
        return faults
    entries = {_stem(entry.name): entry for entry in Manifest.open(batch.folder / "manifest.tsv")}
    faults = []
    for name, decoded in batch.decoded().items():
        entry = entries.get(name)
        if entry is not None:
            faults += [f"{name}: {fault}" for fault in _entry_faults(entry, decoded)]
        elif name in batch.unreadable() and name not in ended.output:
            faults.append(f"{name}: not in the manifest, not in what is printed")
    return faults


def _entry_faults(entry: Entry, decoded: Decoded) -> list[str]:
    odd = decoded.oddities[:1]
    if not decoded.readable:
        return [] if entry.error else [f"no error, though {odd}"]
    if entry.error:
        return [] if odd else [f"error {entry.error!r}, though it decodes"]
    if entry.frames != decoded.frames:
        return [f"{entry.frames} frames, sequentially {decoded.frames}"]
    return [f"no note, though {odd}"] if odd and not entry.note else []


def detect_faults(batch: DamagedBatch, folder: Path) -> list[str]:
    """Return which videos detect_people does not name, or gives another length."""
    ended = _detect(batch, folder)
    if faults := ended.faults(0):
        return faults
    people = PeopleFile(batch.folder / "people.sqlite")
    named = {_stem(name) for name in people.errors()}
    faults = _naming_faults(batch, named | _named_in(batch, ended.output), "detect_people")
    lengths = {_stem(one.name): one.num_frames for one in people if one.num_frames}
    decoded = batch.decoded()
    return faults + [
        f"{name}: {length} frames, sequentially {decoded[name].frames}"
        for name, length in lengths.items()
        if name in decoded and decoded[name].readable and length != decoded[name].frames
    ]


def train_faults(batch: DamagedBatch, folder: Path) -> list[str]:
    """Return which videos end a training with its test, or are not named by it."""
    more = []
    if not (batch.folder / "people.sqlite").exists():
        _detect(batch, folder)
    more.append(f"data.people={batch.folder / 'people.sqlite'}")
    if batch.odd_number:
        if not (batch.folder / "manifest.tsv").exists():
            _check(batch, folder)
        more.append(f"data.manifest={batch.folder / 'manifest.tsv'}")
    ended = run_tool("train", [batch.config(folder, *more)], folder, seconds=SECONDS)
    if faults := ended.faults(0):
        return faults
    trained, _, tested = _without_mistakes(ended.output).partition("counted as wrong: ")
    missing = batch.missing()
    faults = _naming_faults(batch, _named_in(batch, trained) | missing, "train", clips=True)
    named = _named_in(batch, tested) | missing
    return faults + _naming_faults(batch, named, "the test of train", clips=True)


def _without_mistakes(output: str) -> str:
    """Return what a tool printed without the line that names videos for another reason."""
    lines = output.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("surest mistakes: "))


def evaluate_faults(batch: DamagedBatch, folder: Path) -> list[str]:
    """Return which videos end an evaluation, or are not counted as wrong by it."""
    checkpoint = batch.setup.checkpoint()
    settings = [f"data.root={batch.folder / 'videos'}", "data.people=null"]
    words = ["--checkpoint", checkpoint, "--out", folder / "test", *settings]
    words.append(f"data.num_workers={batch.workers}")
    ended = run_tool("evaluate", words, folder, seconds=SECONDS)
    if faults := ended.faults(0):
        return faults
    with (folder / "test/test_predictions.csv").open(newline="", encoding="utf-8") as file:
        failed = {
            _stem(row["video"]) for row in csv.DictReader(file) if row["predicted"] == "failed"
        }
    named = _named_in(batch, _without_mistakes(ended.output))
    unlike = [f"{name}: named but not counted as wrong, or not named" for name in failed ^ named]
    return unlike + _naming_faults(batch, failed | batch.missing(), "evaluate", clips=True)


def predict_faults(batch: DamagedBatch, folder: Path) -> list[str]:
    """Return which videos end a prediction, or have one though they cannot be read."""
    checkpoint = batch.setup.checkpoint()
    folder_of_videos = batch.folder / "videos/test"
    words = ["--checkpoint", checkpoint, "--json", "data.people=null", folder_of_videos]
    ended = run_tool(
        "predict", [*words, f"data.num_workers={batch.workers}"], folder, seconds=SECONDS
    )
    if faults := ended.faults(0):
        return faults
    lines = [json.loads(line) for line in ended.output.splitlines() if line.startswith("{")]
    failed = {_stem(line["video"]) for line in lines if line["failure"]}
    return _naming_faults(batch, failed | batch.missing(), "predict", clips=True)


def reencode_faults(batch: DamagedBatch, folder: Path) -> list[str]:
    """Return which videos are not re-encoded frame for frame, or not named."""
    words = [batch.folder / "videos", "--out", folder / "copy", "--short-side", "32"]
    ended = run_tool(
        "reencode_videos", [*words, "--workers", batch.workers], folder, seconds=SECONDS
    )
    if faults := ended.faults(0):
        return faults
    copies = {_stem(path.name): path for path in (folder / "copy").rglob("*.mp4")}
    reports = "".join(path.read_text() for path in (folder / "copy").glob("*.tsv"))
    failed = {name for name in batch.files if name in reports + ended.output}
    faults = _naming_faults(batch, failed, "reencode_videos")
    for name, decoded in batch.decoded().items():
        if decoded.readable and name in copies:
            with open_video(copies[name]) as reader:
                if len(reader) != decoded.frames:
                    faults.append(f"{name}: {len(reader)} frames of {decoded.frames} in the copy")
    return faults


def _check(batch: DamagedBatch, folder: Path) -> Ended:
    out = batch.folder / "manifest.tsv"
    out.unlink(missing_ok=True)
    words = [batch.folder / "videos", "--out", out, "--workers", batch.workers]
    return run_tool("check_videos", words, folder, seconds=SECONDS)


def _detect(batch: DamagedBatch, folder: Path) -> Ended:
    out = batch.folder / "people.sqlite"
    for path in batch.folder.glob("people.sqlite*"):
        path.unlink()
    words = [batch.folder / "videos", "--detector", DETECTOR, "--out", out, "--every", 2]
    return run_tool("detect_people", [*words, "--workers", batch.workers], folder, seconds=SECONDS)


def _naming_faults(
    batch: DamagedBatch, named: Iterable[str], tool: str, *, clips: bool = False
) -> list[str]:
    """Return faults if unreadable videos are not named, or videos are with which nothing is wrong.

    A video that can be read in part may be refused or not; if only clips are read, one whose
    frames change their size too.
    """
    named = set(named)
    decoded = batch.decoded()
    unreadable = batch.without_frames() if clips else batch.unreadable()
    missed = [f"{name}: not named by {tool}" for name in sorted(unreadable - named)]
    blamed = sorted(named & batch.intact())
    return missed + [f"{name}: named by {tool}, {decoded[name].frames} frames" for name in blamed]


def _named_in(batch: DamagedBatch, output: str) -> set[str]:
    return set(re.findall(r"v\d{4}_\w+", output)) & batch.files.keys()


def _stem(name: str) -> str:
    return Path(name).name.split(".")[0]


FAULTS_OF: dict[str, tuple[str, Callable[[DamagedBatch, Path], list[str]]]] = {
    "readers": ("pyav, opencv and decord that are given the length", reader_faults),
    "fresh": ("pyav, opencv and decord that are not", fresh_faults),
    "check": ("check_videos", check_faults),
    "detect": ("detect_people", detect_faults),
    "train": ("train, with its test", train_faults),
    "evaluate": ("evaluate", evaluate_faults),
    "predict": ("predict", predict_faults),
    "reencode": ("reencode_videos", reencode_faults),
}
"""The key of a trial, what the videos go through, and the function that looks for faults."""
