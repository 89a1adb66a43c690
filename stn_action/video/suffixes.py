"""Suffixes of video files and of frames: one definition for data sets, tools and names."""

from pathlib import PurePath, PurePosixPath

VIDEO_SUFFIXES = (
    ".264", ".265", ".3g2", ".3gp", ".amv", ".asf", ".avi", ".dav", ".divx", ".dv", ".f4v", ".flv",
    ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v",
    ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts",
    ".mxf", ".nut", ".obu", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".swf", ".tod", ".ts", ".vob",
    ".webm", ".wmv", ".wtv", ".y4m",
)  # fmt: skip
"""What FFmpeg reads as video by itself; lower case. Not suffixes that are sound or still images as
a rule (`.ogg`, `.apng`), nor raw pixels (`.yuv`), whose size no file tells."""
FRAME_SUFFIXES = (".jpeg", ".jpg", ".png")
"""Of images that are the frames of a video, one each; lower case."""
FRAMES_IN_WORDS = "numbered .jpg, .jpeg or .png images, one for each frame"
SUFFIXES_IN_WORDS = f".mp4, .avi, .mkv, .mov, .webm and {len(VIDEO_SUFFIXES) - 5} others"
"""For messages."""


def has_video_suffix(path: PurePath) -> bool:
    """Return whether a file counts as a video, by its name.

    >>> has_video_suffix(PurePosixPath("clips/wave.MP4"))
    True
    """
    return path.suffix.lower() in VIDEO_SUFFIXES


def without_video_suffix(name: str) -> str:
    """Return a name without the suffix of a video; other endings are part of the name.

    >>> without_video_suffix("wave/take.1.mp4"), without_video_suffix("wave/take.1")
    ('wave/take.1', 'wave/take.1')
    """
    path = PurePosixPath(name)
    return name[: -len(path.suffix)] if has_video_suffix(path) else name
