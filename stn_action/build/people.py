"""The person boxes of a configuration, and whether they are those of its videos."""

from collections.abc import Sequence
from dataclasses import replace

from stn_action.config.schema import Config
from stn_action.data.listing import Split, Video
from stn_action.errors import InputError
from stn_action.person.select import TubeChoice
from stn_action.person.store.people_file import PeopleFile, open_people
from stn_action.person.video_people import People


def people_of(config: Config) -> People | None:
    """The person boxes, or None where whole frames are used.

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
    """Which persons count."""
    return TubeChoice(**dict(config.data.tubes))


def with_people(split: Split, config: Config) -> Split:
    """The split with its videos without a person counted, or left out, as configured.

    Raises:
        InputError: the boxes are of another data set, or some videos were never looked at.
    """
    people = people_of(config)
    if people is None:
        return split
    train = _spans(people, split.train)
    test = _spans(people, split.test)
    _require_known([*split.train, *split.test], [*train, *test], people)
    smallest = config.data.tubes.min_span
    alone = [not span or span < smallest for span in test]
    if config.data.tubes.nobody == "frame":
        return replace(split, whole_frame=sum(alone))
    return replace(
        split,
        train=_with_a_person(split.train, [not s or s < smallest for s in train], people),
        test=_with_a_person(split.test, alone, people),
        skipped=sum(alone),
    )


def whole_frame_note(videos: Sequence[Video], config: Config) -> str | None:
    """Return a note on videos without person boxes, of a network that was trained on crops."""
    people = people_of(config)
    missing = [video.name for video in videos if people and people.find(video.name) is None]
    if not missing:
        return None
    return (
        f"note: {len(missing)} of {len(videos)} videos have no person boxes in "
        f"{config.data.people}, so their whole frames are used: {missing[0]}"
        + (", ..." if missing[1:] else "")
    )


def _spans(people: People, videos: Sequence[Video]) -> list[int | None]:
    return people.longest_spans([video.name for video in videos])


def _require_known(videos: Sequence[Video], spans: Sequence[int | None], people: People) -> None:
    """A folder may lack the videos without a person; a people file tells them."""
    unknown = [video.name for video, span in zip(videos, spans, strict=True) if span is None]
    if len(unknown) == len(videos):
        raise InputError(
            f"data.people: none of the {len(videos)} videos has boxes in {people.source}; the "
            f"first is called {unknown[0]}{_known_name(people)}. Are they of another data set?"
        )
    if unknown and isinstance(people, PeopleFile):
        raise InputError(
            f"data.people: {len(unknown)} of {len(videos)} videos are not in {people.source} "
            f"({', '.join(unknown[:3])}{', ...' if unknown[3:] else ''}); run "
            "`python tools/detect_people.py` again, it adds what is missing"
        )


def _known_name(people: People) -> str:
    names = people.names() if isinstance(people, PeopleFile) else []
    return f", the first in there {names[0]}" if names else ""


def _with_a_person(
    videos: Sequence[Video], alone: Sequence[bool], people: People
) -> tuple[Video, ...]:
    kept = tuple(video for video, skip in zip(videos, alone, strict=True) if not skip)
    if not kept:
        raise InputError(
            f"data.tubes.nobody=skip: {people.source} has a person in none of {len(videos)} "
            "videos; lower data.tubes.min_span, or use data.tubes.nobody=frame"
        )
    return kept
