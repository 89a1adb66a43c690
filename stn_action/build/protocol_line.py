"""The protocol line of a result: its videos, clips and crops."""

from stn_action.build.crop_settings import describe_boxes
from stn_action.config.schema import Config
from stn_action.data.data_choices import DIGIT_SETS
from stn_action.data.listing import Listing


def protocol(config: Config, listing: Listing, num_failed: int) -> str:
    """Return one line about the videos and the protocol of a result."""
    data = config.data
    height, width = data.crop.size
    count = f"{listing.name}: {len(listing.test)} {listing.unit}"
    if data.name in DIGIT_SETS:
        distorted = "as they are" if data.distortion is None else f"distorted by {data.distortion}"
        return f"{count}, {distorted}, on {width}x{height}"
    missing = f", {listing.missing} missing" if listing.missing else ""
    skipped = f", {listing.skipped} without a {listing.subject} left out" if listing.skipped else ""
    number = listing.left_out.get("test", 0)
    left_out = f", {number} left out ({listing.left_out_kind})" if number else ""
    return (
        f"{count}, {num_failed} failed{missing}{skipped}{left_out}; "
        f"{_view_words(config, listing, f'{width}x{height}{_zoom_words(config)}')}, "
        f"{_crop_words(config, listing)}"
    )


def _view_words(config: Config, listing: Listing, size: str) -> str:
    clip, crops = config.data.clip, config.eval.num_crops
    if listing.unit == "images":
        return f"{size}, {crops} {'crop' if crops == 1 else 'crops'}"
    frames = f"{clip.num_frames}x{clip.stride} frames" if clip.num_frames > 1 else "1 frame"
    if clip.sampling == "segment":
        frames = f"{clip.num_frames} segments"
    return f"{frames} of {size}, {config.eval.num_clips} clips x {crops} crops"


def _zoom_words(config: Config) -> str:
    """Return the sizes of a second look, if there is one."""
    focus = config.model.focus
    if focus is None or focus.look_size is None or focus.glimpse_size is None:
        return ""
    look, glimpse = (f"{width}x{height}" for height, width in (focus.look_size, focus.glimpse_size))
    return f" (seen at {look}, glimpses of {glimpse} cut out of the {config.eval.zoom_from})"


def _crop_words(config: Config, listing: Listing) -> str:
    data = config.data
    if data.people is None:
        return listing.whole
    tubes = "" if data.tubes.select == "longest" else f"{data.tubes.select}, "
    alone = ""
    if listing.whole_frame:
        alone = f"; {listing.whole} of {listing.whole_frame} without a {listing.subject}"
    return f"{listing.subject} crop ({tubes}{describe_boxes(config)}{alone})"
