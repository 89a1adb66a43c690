"""The lines about the videos of a run: parts, people, and what crops show."""

from collections.abc import Iterator

from stn_action.build.crop_settings import crop_of
from stn_action.build.video_sets import pick_evenly
from stn_action.config.schema import Config
from stn_action.data.data_choices import DIGIT_SETS
from stn_action.data.footage import Footage
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.listing import NAMES_SHOWN, Listing
from stn_action.data.source import ClipSource
from stn_action.data.video_files import passed_over_line
from stn_action.distributed import Strategy
from stn_action.geometry.boxes import box_sizes, clip_boxes
from stn_action.person.box_error import tubes_with_error
from stn_action.person.crop import view_boxes
from stn_action.video.reader import VideoError

SAMPLED = 32
"""Training videos of which the crops are computed; nothing is decoded."""
SMALLEST_SHARE = 0.01
"""Of the crops' pixels: less padding is not mentioned."""


def describe_data(
    config: Config, listing: Listing, source: ClipSource, strategy: Strategy
) -> Iterator[str]:
    """Yield lines about the videos of a run, its people and its crops.

    Args:
        config: the experiment.
        listing: the videos that are used.
        source: of `open_data`.
        strategy: of the run.
    """
    without = source.select(listing.train).without_tube if config.data.people else 0
    boxes = f", {without} without {listing.subject} boxes ({listing.whole})"
    boxes = boxes if config.data.people else ""
    validation = f"{len(listing.val)} validation {listing.unit}, " if listing.val else ""
    processes = strategy.num_processes
    yield (
        f"{listing.name}: {len(listing.train)} training {listing.unit}{boxes}, "
        f"{validation}{len(listing.test)} test {listing.unit}, {len(listing.classes)} classes; "
        f"{config.model.backbone} on {strategy.device}, {strategy.precision}"
        + (f", {processes} processes" if processes > 1 else "")
        + (", compiled" if config.train.compile else "")
    )
    if listing.passed_over:
        yield passed_over_line(listing.passed_over, config.data.root)
    if any(listing.left_out.values()):
        numbers = " and ".join(f"{count} of {part}" for part, count in listing.left_out.items())
        yield f"left out: {listing.left_out_kind}, {numbers}"
    if config.data.people and config.data.name not in DIGIT_SETS:
        yield from _missing_people(config, listing, source)
        yield from _padding(config, listing, source)


def share_beyond(config: Config, listing: Listing, source: ClipSource) -> float:
    """Return the share of the pixels of crops that are beyond the frames.

    It is the mean over the middle test view of some training videos that have boxes; 0 without any.
    """
    crop, sampling = crop_of(config), ClipSampling(**dict(config.data.clip))
    videos = source.select(listing.train)
    shares = []
    for row in pick_evenly(range(len(listing.train)), SAMPLED):
        try:
            found = videos.people_in(row)
            if found is None or not found.tubes:
                continue
            size_hw = found.size_hw
            if size_hw is None:
                with videos.open(row) as reader:
                    size_hw = reader.size_hw
            tubes = videos.tubes.kept(found.tubes_in(size_hw))
        except VideoError:  # the run names it when it reads it
            continue
        if not tubes:
            continue
        tubes = tubes_with_error(tubes, crop.box_error, found.name)
        tubes = tubes[:1] if videos.tubes.select == "all" else tubes
        last = max(int(tube.frame_indices[-1]) for tube in tubes)
        clips = sampling.evenly(found.num_frames or last + 1, 1)
        (cut,) = Footage(clips, size_hw, tubes, videos.tubes.select, crop).test_cuts(1)
        inside_hw = size_hw if crop.moves_inside else None
        views = view_boxes(cut.region, cut.view, crop.aspect, inside_hw=inside_hw)
        inside = box_sizes(clip_boxes(views, size_hw)).clamp(min=0).prod(dim=1)
        shares.append(1 - float((inside / box_sizes(views).prod(dim=1)).mean()))
    return sum(shares) / len(shares) if shares else 0.0


def _missing_people(config: Config, listing: Listing, source: ClipSource) -> Iterator[str]:
    """Yield a line about the videos without a person, by name."""
    missing: list[str] = []
    for videos in (listing.train, listing.val, listing.test):
        rows = source.select(videos).without_person.nonzero().flatten().tolist()
        missing += [videos[row].name for row in rows]
    number = len(listing.train) + len(listing.val) + len(listing.test)
    line = f"{config.data.people}: a {listing.subject} in {number - len(missing)} of {number} "
    if not missing:
        yield line + listing.unit
        return
    shown = ", ".join(missing[:NAMES_SHOWN])
    more = f" and {len(missing) - NAMES_SHOWN} more" if missing[NAMES_SHOWN:] else ""
    yield (
        f"{line}{listing.unit}, none in {shown}{more}: the {listing.whole} is used; "
        "data.tubes.no_person=skip leaves them out"
    )


def _padding(config: Config, listing: Listing, source: ClipSource) -> Iterator[str]:
    """Yield a line about crops that show much beyond the frames, and the remedy."""
    beyond = config.data.crop.beyond
    if beyond not in ("pad", "shift"):
        return
    share = share_beyond(config, listing, source)
    if share >= SMALLEST_SHARE:
        yield (
            f"{share:.0%} of the pixels of crops are beyond the frames, and padded: "
            f"data.crop.beyond=fit keeps crops inside (now {beyond})"
        )
