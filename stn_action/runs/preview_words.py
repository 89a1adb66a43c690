"""What previews say about clips, in words that need no knowledge of the settings' names."""

from stn_action.config.schema import Config
from stn_action.data.source import ClipSource
from stn_action.person.video_people import VideoPeople

_CHOSEN = {
    "longest": "the one seen longest is shown",
    "largest": "the largest one is shown",
    "score": "the one detected with the highest score is shown",
    "union": "all are shown in one crop",
    "all": "each is shown in clips of its own",
}
_SHAPES = {"square": "made square", "free": "stretched to the shape of the clip"}
_MOTIONS = {
    "fixed": "The crop stays in place during a clip.",
    "follow": "The crop follows the person from frame to frame.",
}
_PADDING = {"black": "black", "mean": "in the mean color of images"}


def count_people(found: VideoPeople | None) -> str:
    """Return "1 person", "2 people" or "no people"."""
    count = 0 if found is None else len(found.tubes)
    return "1 person" if count == 1 else f"{count or 'no'} people"


def describe_people(config: Config, found: VideoPeople | None) -> str:
    """Return which people of a video are shown."""
    data = config.data
    if data.people is None:
        return "No person boxes are used: clips show whole frames."
    kept = sum(tube.span >= data.tubes.min_span for tube in found.tubes) if found else 0
    text = f"{count_people(found)} found"
    if found and kept < len(found.tubes):
        text += f", {kept} of them for {data.tubes.min_span} frames or more"
    if not kept:
        return f"{text}: clips show whole frames."
    return f"{text}; {_CHOSEN[data.tubes.select]}." if kept > 1 else f"{text}."


def describe_crops(config: Config, part: str) -> str:
    """Return how crops of a part are made of the boxes of people; empty: of whole frames."""
    data, crop = config.data, config.data.crop
    if data.people is None:
        return ""
    size = "the person box as it is"
    if crop.looseness:
        size = f"the person box with {percent(crop.looseness)} of its size added on each side"
    sentences = [f"Crop: {size}, {_SHAPES[crop.aspect]}."]
    if crop.box_error is not None:
        sentences.append(f"Person boxes are changed at random ({crop.box_error.describe()}).")
    if crop.box_jitter and part == "train":
        moved = percent(crop.box_jitter)
        sentences.append(f"Each side of the box moves at random by up to {moved} of it.")
    padding = f"what lies beyond the frame is {_PADDING[crop.padding]}"
    sentences.append(
        {
            "pad": f"{padding.capitalize()}.",
            "shift": f"The crop is moved inside the frame; where it is larger, {padding}.",
            "fit": "The crop is moved inside the frame, and made smaller where it is larger.",
            "scene": "Beyond the frame another video is shown.",
        }[crop.beyond]
    )
    return " ".join([*sentences, _MOTIONS[crop.motion]])


def describe_clips(config: Config, part: str) -> str:
    """Return the frames and the cut of the clips of a part."""
    clip, test = config.data.clip, config.eval
    frames = f"{clip.num_frames} frames of a video, one in every {clip.stride}"
    if clip.num_frames == 1:
        frames = "1 frame of a video"
    elif clip.sampling == "segment":
        frames = f"{clip.num_frames} frames, one from each of {clip.num_frames} equal parts"
    elif clip.stride == 1:
        frames = f"{clip.num_frames} frames of a video in a row"
    if part == "train":
        return f"Training clips: {frames}; {config.data.augment.describe()}."
    clips = f"{test.num_clips} clip{'s' if test.num_clips > 1 else ''} of each video"
    if test.num_crops > 1:
        clips += f", each cut {test.num_crops} times"
    if config.data.crop.view_share < 1:
        clips += f", {percent(config.data.crop.view_share)} of the crop's shorter side"
    name = {"val": "Validation", "test": "Test"}[part]
    return f"{name} clips: {frames}; {clips}."


def describe_scene(source: ClipSource, index: int) -> list[str]:
    """Return what is shown beyond the frame, if that is another video."""
    scene = source.scene_of(index)
    if scene is None:
        return []
    side = "right" if scene.on_right else "left"
    return [f"Beyond the frame: {scene.name}, with its people on the {side}."]


def percent(share: float) -> str:
    """Return a share as a percentage.

    >>> percent(0.35)
    '35 %'
    """
    return f"{100 * share:.3g} %"
