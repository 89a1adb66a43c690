"""Person boxes of a configuration, checked against its videos."""

from collections.abc import Sequence
from dataclasses import replace

from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.data.source import ClipSource
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError
from stn_action.person.select import TubeChoice
from stn_action.person.store.people_file import PeopleFile, open_people
from stn_action.person.video_people import People


def people_of(config: Config) -> People | None:
    """Return the person boxes, or None if full frames are used.

    Raises:
        InputError: there is no such file or folder, or it holds no boxes.
    """
    path = config.data.people
    if path is None:
        return None
    if not path.exists():
        raise InputError(
            f"data.people: {path} does not exist; `python tools/detect_people.py CONFIG --out "
            f"{path}` writes it. A folder with one CSV of boxes per video will do too, and "
            "data.people=null uses whole frames"
        )
    return open_people(path)


def tubes_of(config: Config) -> TubeChoice:
    """Return the configured choice of tubes."""
    return TubeChoice(**dict(config.data.tubes))


def with_people(listing: Listing, config: Config, source: ClipSource) -> Listing:
    """Count or skip the videos without a person, as configured.

    The source gets to know the people of each part, so that its data sets need not ask again.

    Raises:
        InputError: the boxes are of another data set, or some videos were never processed.
    """
    people = source.people
    if people is None:
        return listing
    parts = {"train": listing.train, "val": listing.val, "test": listing.test}
    spans = {part: people.longest_spans(videos.names()) for part, videos in parts.items()}
    names = [name for videos in parts.values() for name in videos.names()]
    _require_known(names, [span for part in parts for span in spans[part]], people)
    smallest = config.data.tubes.min_span
    alone = {part: [not s or s < smallest for s in spans[part]] for part in parts}
    count = sum(alone["test"])
    if config.data.tubes.no_person == "frame":
        for part, videos in parts.items():
            source.select(videos, spans[part])
        return replace(listing, whole_frame=count)
    kept = {part: _with_a_person(parts[part], alone[part], people) for part in parts}
    return replace(listing, **kept, skipped=count)


def _require_known(names: Sequence[str], spans: Sequence[int | None], people: People) -> None:
    """Check for missing videos; a folder may lack those without a person, a people file none."""
    unknown = [name for name, span in zip(names, spans, strict=True) if span is None]
    if len(unknown) == len(names):
        raise InputError(
            f"data.people: none of the {len(names)} videos has boxes in {people.source}; the "
            f"first is called {unknown[0]}{_known_name(people)}. Are they of another data set?"
        )
    if unknown and isinstance(people, PeopleFile):
        raise InputError(
            f"data.people: {len(unknown)} of {len(names)} videos are not in {people.source} "
            f"({', '.join(unknown[:3])}{', ...' if unknown[3:] else ''}); run "
            "`python tools/detect_people.py` again, it adds what is missing"
        )
    if not any(spans):
        raise InputError(
            f"data.people: {people.source} has a person in none of the {len(names)} videos; detect "
            "again into a new file with another --detector or a lower --min-score, or set "
            "data.people=null for whole frames"
        )


def _known_name(people: People) -> str:
    names = people.names() if isinstance(people, PeopleFile) else []
    return f", the first in that file {names[0]}" if names else ""


def _with_a_person(videos: VideoTable, alone: Sequence[bool], people: People) -> VideoTable:
    kept = videos.select(index for index, skip in enumerate(alone) if not skip)
    if videos and not kept:
        raise InputError(
            f"data.tubes.no_person=skip: {people.source} has a person in none of {len(videos)} "
            "videos; lower data.tubes.min_span, or use data.tubes.no_person=frame"
        )
    return kept
