"""A configuration for videos of your own: the file, and the commands that follow."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from rich.console import Console

from stn_action.build.data import read_listing
from stn_action.config.schema import Config, config_from_dict, load_config
from stn_action.config.yaml_text import parse_yaml
from stn_action.data.listing import NAMES_SHOWN, Listing
from stn_action.data.video_files import passed_over_line
from stn_action.data.video_table import VideoTable
from stn_action.disk.atomic_file import write_file
from stn_action.errors import InputError
from stn_action.jobs.video_survey import PeopleSample, Survey, sample_people, survey_videos
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.person.detectors.detector_table import DEFAULT, build_detector
from stn_action.person.store.people_file import open_people
from stn_action.person.tracker import require_tracker
from stn_action.runs.folder import COMMAND, command_line
from stn_action.runs.own_listing import list_own_videos, number_of_own_folds, videos_of_classes
from stn_action.runs.own_settings import PRETRAINED, OwnVideos, Setting, choose_settings

NONE = "none"
"""In place of a detector or of weights."""
WIDTH = 100
"""Characters of a line of comments."""


@dataclass(frozen=True)
class InitPlan:
    """What a user gives besides the videos."""

    out: Path | None = None
    """The file to write; None: named like the videos, in the working folder."""
    force: bool = False
    """Whether to replace a file that is there."""
    weights: str | None = None
    """A file of weights of `PRETRAINED`, or `NONE`; None: the published ones, if they can be
    had."""
    detector: str | None = None
    """As `build_detector` takes it, or `NONE`; None: the default one, if it can be had."""
    people: Path | None = None
    """A people file, or folder of boxes, that is there already."""


def write_own_config(
    root: Path, plan: InitPlan, *, console: Console | None = None
) -> Iterator[str]:
    """Look at a folder or a CSV file of videos and write a configuration for them.

    Args:
        root: class folders, alone or in `train` and `test`, or a CSV file.
        plan: what else is given.
        console: where progress is shown; None: the standard error.

    Yields:
        Lines to print: what was found, and the commands that follow.

    Raises:
        InputError: the videos are not enough to train and test on, or cannot be read; a file that
            is given does not fit; or the file to write is there.
    """
    out = plan.out or Path(f"{root.resolve().stem if root.is_file() else root.resolve().name}.yaml")
    if out.exists() and not plan.force:
        raise InputError(f"{out}: this file exists; --force replaces it, --out FILE writes another")
    listing = list_own_videos(root)
    yield from _describe(root, listing)
    survey = survey_videos(listing.all_videos, console=console)
    yield f"they have {survey.line()}"
    for name, reason in list(survey.unreadable.items())[:NAMES_SHOWN]:
        yield f"cannot be read: {name}: {reason}"
    if plan.weights is None:
        yield f"asking for the published weights of {PRETRAINED} (--weights FILE: not asked)"
    weights, weights_reason = _weights(plan.weights, console)
    yield f"weights: {weights_reason}"
    sample, people, people_reason = _people(plan, listing, survey, out, console)
    yield f"people: {people_reason}"
    own = OwnVideos(
        name="csv" if root.is_file() else "folders",
        root=str(root),
        listing=listing,
        survey=survey,
        people=None if people is None else str(people),
        people_reason=people_reason,
        sample=sample,
        weights=weights,
        weights_reason=weights_reason,
        manifest=str(out.with_name(f"{out.stem}_manifest.tsv")),
        output_dir=str(Path("runs") / out.stem),
    )
    text = own_config_text(own)
    used = read_listing(_checked(text, out))
    write_file(out, text, remedy="give another file: --out FILE")
    yield f"written: {out}"
    yield from next_commands(own, out, used, _detector_of(plan, own))


def config_or_own_videos(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Load a configuration, or that of `configs/own_videos.yaml` for a folder of class folders.

    Args:
        path: a file, the name of a shipped configuration, or the folder.
        overrides: `key.sub=value`; of a folder whole frames are shown unless they give people.

    Raises:
        InputError: as `load_config` and `list_own_videos`.
    """
    root = Path(path)
    if not root.is_dir():
        return load_config(path, overrides)
    folds = number_of_own_folds(list_own_videos(root))
    own = [f"data.root={root}", "data.people=null", f"data.folds={folds or 'null'}"]
    return load_config("own_videos", [*own, "data.val_share=0", *overrides])


def own_config_text(own: OwnVideos) -> str:
    """Return the text of the file: each setting below the reason for it."""
    listing, survey = own.listing, own.survey
    head = [
        f"own videos: {own.root}; written by",
        f"  {command_line()}",
        f"{len(listing.all_videos)} {listing.unit} of {len(listing.classes)} classes: "
        f"{_counted_classes(listing)}",
        f"{len(survey.facts)} were opened: {survey.line()}",
        "paths are relative to the folder in which commands are given; all settings: "
        "docs/configuration.md",
    ]
    lines = [f"# {part}" for line in head for part in _wrapped(line, WIDTH - 2)]
    section = ""
    for setting in choose_settings(own):
        if not setting.key:
            lines.append(f"{setting.section}: {setting.value}")
            continue
        if setting.section != section:
            lines.append(f"{setting.section}:")
        section = setting.section
        lines += _setting_lines(setting)
    return "\n".join(lines) + "\n"


def next_commands(own: OwnVideos, out: Path, used: Listing, detector: str | None) -> Iterator[str]:
    """Yield the commands that follow, as they can be given.

    Args:
        own: the videos.
        out: the configuration.
        used: the parts that it makes of the videos.
        detector: with which people are to be searched for; None: they are not.
    """
    run = Path(own.output_dir)
    checkpoint = str(run / "last.pt")
    yield f"then, in this folder (it tests on {used.name}: {len(used.test)} {used.unit}):"
    yield _command("check", "check_videos", out, "--out", own.manifest)
    if detector is not None and own.people is not None:
        given = [] if detector == DEFAULT else ["--detector", detector]
        yield _command("detect", "detect_people", out, *given, "--out", own.people)
    yield _command("preview", "preview", out, "--out", f"{run}_preview")
    yield _command("train", "train", out)
    yield "and after training:"
    yield _command("evaluate", "evaluate", "--checkpoint", checkpoint)
    images = str(run / "images")
    yield _command("visualize", "visualize", "--checkpoint", checkpoint, "test", "--out", images)
    boxes = [] if own.people is None else [f"data.people={own.people}"]
    video = used.test.paths()[0]
    yield _command("predict", "predict", "--checkpoint", checkpoint, video, *boxes)


def _describe(root: Path, listing: Listing) -> Iterator[str]:
    parts = {"train": listing.train, "val": listing.val, "test": listing.test}
    split = ", ".join(f"{len(videos)} {part}" for part, videos in parts.items() if videos)
    one_pool = "" if listing.test else " (no test part)"
    yield (
        f"{root}: {len(listing.all_videos)} {listing.unit} of {len(listing.classes)} classes, "
        f"{split}{one_pool}: {_counted_classes(listing)}"
    )
    if listing.passed_over:
        yield passed_over_line(listing.passed_over, root)


def _counted_classes(listing: Listing, most: int = 20) -> str:
    videos: VideoTable = listing.all_videos
    counts = videos_of_classes(videos, len(listing.classes))
    shown = [f"{name} {count}" for name, count in zip(listing.classes, counts, strict=True)]
    more = f", ... (smallest {min(counts)}, largest {max(counts)})" if shown[most:] else ""
    return ", ".join(shown[:most]) + more


def _weights(given: str | None, console: Console | None) -> tuple[str | None, str]:
    """Return `model.weights` of the trunk with weights, or None, and why.

    Raises:
        InputError: a file that is given does not fit.
    """
    if given == NONE:
        return None, "none, as --weights none asks: the small trunk small3d learns from scratch"
    if given is not None:
        build_backbone(PRETRAINED, weights=given, temporal="difference")
        return given, f"{given} fits {PRETRAINED}"
    try:
        build_backbone(PRETRAINED, weights="imagenet", temporal="difference")
    except InputError as error:
        _explain(error, console)
        return None, (
            f"the published ones of {PRETRAINED} cannot be had here: small3d learns from scratch "
            "unless --weights FILE gives them"
        )
    return "imagenet", f"those that are published for {PRETRAINED}"


def _people(
    plan: InitPlan, listing: Listing, survey: Survey, out: Path, console: Console | None
) -> tuple[PeopleSample | None, Path | None, str]:
    """Return the people of a few frames, the people file (None: whole frames), and why.

    Raises:
        InputError: what is given does not fit, or no person is found.
    """
    if plan.people is not None:
        if not plan.people.exists():
            raise InputError(f"--people: {plan.people} does not exist; leave it out to detect them")
        spans = open_people(plan.people).longest_spans(listing.all_videos.names())
        shown = sum(bool(span) for span in spans)
        if not shown:
            raise InputError(
                f"--people: {plan.people} has a person in none of the {len(spans)} videos; is it "
                f"of other videos? the first one here is called {listing.all_videos[0].name}"
            )
        return None, plan.people, f"{plan.people} has boxes in {shown} of {len(spans)} videos"
    if plan.detector == NONE:
        return None, None, "whole frames, as --detector none asks"
    try:
        require_tracker()
        detector = build_detector(plan.detector or DEFAULT)
    except (InputError, ModuleNotFoundError) as error:
        if plan.detector is not None:
            raise
        _explain(error, console)
        return None, None, (
            "whole frames, as torchvision's detector cannot be had here: --detector onnx:FILE "
            "gives another, --people FILE boxes"
        )  # fmt: skip
    sample = sample_people(survey, detector, console=console)
    if not sample.people_per_frame:
        raise InputError(
            f"no person was found in frames of {sample.num_videos} of the videos "
            f"({', '.join(sample.without[:NAMES_SHOWN])}) by {detector.name}; give another "
            "--detector, boxes by --people FILE, or --detector none to use whole frames"
        )
    found = sample.num_videos - len(sample.without)
    missing = f", none in {', '.join(sample.without)}" if sample.without else ""
    reason = (
        f"found in frames of {found} of {sample.num_videos} videos{missing}; the detection writes "
        "the file, null: whole frames"
    )
    return sample, out.with_name(f"{out.stem}_people.sqlite"), reason


def _explain(error: Exception, console: Console | None) -> None:
    """Print why something cannot be had, which is no mistake."""
    console = console or Console(stderr=True)
    console.print(str(error), markup=False, highlight=False, soft_wrap=True)


def _detector_of(plan: InitPlan, own: OwnVideos) -> str | None:
    if plan.people is not None or own.people is None:
        return None
    return plan.detector or DEFAULT


def _checked(text: str, out: Path) -> Config:
    return config_from_dict(parse_yaml(text, str(out)), str(out))


def _setting_lines(setting: Setting) -> list[str]:
    line = f"  {setting.key}: {setting.value}"
    if setting.reason and len(f"{line}  # {setting.reason}") <= WIDTH:
        return [f"{line}  # {setting.reason}"]
    return [*(f"  # {part}" for part in _wrapped(setting.reason, WIDTH - 4)), line]


def _wrapped(text: str, width: int) -> Sequence[str]:
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _command(verb: str, tool: str, *arguments: object) -> str:
    program = sys.argv[0]
    started = [COMMAND, verb]
    if not program.startswith(f"{COMMAND} "):
        started = ["python", str(Path(program).with_name(f"{tool}.py"))]
    return "  " + shlex.join([*started, *map(str, arguments)])
