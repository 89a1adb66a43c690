"""Which stored name belongs to a video: names agree from their end, folder by folder."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from stn_action.errors import InputError


class NameIndex:
    """Stored names, found by the names of videos."""

    def __init__(self, names: Iterable[str], source: object) -> None:
        """Take in the names.

        Args:
            names: with `/` between folders, without suffix.
            source: where they are stored, for messages.
        """
        self.source = source
        self._by_stem: dict[str, list[str]] = {}
        for name in names:
            self._by_stem.setdefault(PurePosixPath(name).name, []).append(name)

    def __len__(self) -> int:
        return sum(len(names) for names in self._by_stem.values())

    def find(self, video_name: str) -> str | None:
        """Return the stored name of a video, None where there is none.

        It is called like the video; where both carry folders, those must agree, counted from the
        end: `train/wave/001.mp4` may be stored as `001`, `wave/001` or `boxes/train/wave/001`, but
        never as `kick/001`. The longest agreement wins.

        Args:
            video_name: the video's name in its list, with or without a suffix, `/` between folders.

        Raises:
            InputError: several names fit equally well.
        """
        name = PurePosixPath(video_name)
        for candidate in (name, name.with_suffix("")):
            stored = self._longest_agreement(candidate)
            if stored is not None:
                return stored
        return None

    def find_each(self, video_names: Sequence[str]) -> list[str | None]:
        """Return `find` of each video.

        Raises:
            InputError: several names fit a video, or two videos share a name.
        """
        found = [self.find(name) for name in video_names]
        owners: dict[str, str] = {}
        for stored, name in zip(found, video_names, strict=True):
            if stored is not None and (other := owners.setdefault(stored, name)) is not name:
                raise InputError(
                    f"{self.source}: the boxes called {stored} fit the video {other} and the video "
                    f"{name}; give them folders like those of the videos"
                )
        return found

    def _longest_agreement(self, name: PurePosixPath) -> str | None:
        agreements = {}
        for stored in self._by_stem.get(name.name, []):
            parts = PurePosixPath(stored).parts
            pairs = zip(reversed(parts), reversed(name.parts), strict=False)
            if all(a == b for a, b in pairs):
                agreements[stored] = min(len(parts), len(name.parts))
        if not agreements:
            return None
        longest = max(agreements.values())
        best = [stored for stored, length in agreements.items() if length == longest]
        if len(best) > 1:
            raise InputError(
                f"{self.source}: the boxes of {name} may be those called {best[0]} or {best[1]}; "
                "give the videos names of their own, or point to a folder further down"
            )
        return best[0]
