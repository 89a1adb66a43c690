"""Matching of video names with stored names, from the end, folder by folder."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from stn_action.errors import InputError
from stn_action.video.suffixes import without_video_suffix


class NameIndex:
    """Stored names, found by the names of videos."""

    def __init__(self, names: Iterable[str], source: object) -> None:
        """Index the names.

        Args:
            names: with `/` between folders, without suffix (or with it, as videos are named that
                differ in the suffix alone).
            source: of the names, for messages.
        """
        self.source = source
        self._by_stem: dict[str, list[str]] = {}
        self._names = set(names := list(names))
        for name in names:
            self._by_stem.setdefault(PurePosixPath(name).name, []).append(name)

    def __len__(self) -> int:
        return sum(len(names) for names in self._by_stem.values())

    def find(self, video_name: str) -> str | None:
        """Return the stored name of a video, None if there is none.

        The file names must be equal; if both have folders, these must be equal too, counted from
        the end: `train/wave/001.mp4` may be stored as `001`, `wave/001` or `boxes/train/wave/001`,
        but never as `kick/001`. The longest match wins, the video's name itself first of all.

        Args:
            video_name: the video's name in its list, with or without a suffix, `/` between folders.

        Raises:
            InputError: several names match equally well.
        """
        if video_name in self._names:  # people at key frames of films share a million short names
            return video_name
        for candidate in (video_name, without_video_suffix(video_name)):
            stored = self._longest_match(PurePosixPath(candidate))
            if stored is not None:
                return stored
        return None

    def find_each(self, video_names: Sequence[str]) -> list[str | None]:
        """Return the stored name of each video, as `find`.

        Raises:
            InputError: several names match a video, or two videos share a name.
        """
        found = [self.find(name) for name in video_names]
        owners: dict[str, str] = {}
        for stored, name in zip(found, video_names, strict=True):
            if stored is not None and (other := owners.setdefault(stored, name)) is not name:
                raise InputError(
                    f"{self.source}: the boxes called {stored} fit the video {other} and the video "
                    f"{name}; give them names and folders like those of the videos"
                )
        return found

    def _longest_match(self, name: PurePosixPath) -> str | None:
        matches = {}
        for stored in self._by_stem.get(name.name, []):
            parts = PurePosixPath(stored).parts
            pairs = zip(reversed(parts), reversed(name.parts), strict=False)
            if all(a == b for a, b in pairs):
                matches[stored] = min(len(parts), len(name.parts))
        if not matches:
            return None
        longest = max(matches.values())
        best = [stored for stored, length in matches.items() if length == longest]
        if len(best) > 1:
            raise InputError(
                f"{self.source}: the boxes of {name} may be those called {best[0]} or {best[1]}; "
                "give the videos names of their own, or point to a folder further down"
            )
        return best[0]
