"""The videos of a data set together with what is known of them: people, lengths, checksums.

Letters: V clips of one video, T frames of a clip.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from stn_action.data.footage import Footage, read_footage
from stn_action.data.manifest import Entry, Manifest
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError
from stn_action.person.crop import CropSpec
from stn_action.person.select import TubeChoice
from stn_action.person.tube import Tube
from stn_action.person.video_people import People, VideoPeople
from stn_action.video.reader import VideoError

DrawClips = Callable[[int], Tensor]
"""Number of frames to choose from, to the frames (V, T) int64 of the clips."""


class FootageSource:
    """Opens videos and reads the frames that clips need, with the boxes of the right persons."""

    def __init__(
        self,
        videos: VideoTable,
        crop: CropSpec,
        *,
        people: People | None = None,
        tubes: TubeChoice | None = None,
        manifest: Manifest | None = None,
        backend: str = "auto",
    ) -> None:
        """Find out who has boxes; no video is opened yet.

        Args:
            videos: the list.
            crop: how clips are cut out.
            people: person boxes; None, or none for a video: the whole frame.
            tubes: which persons count; None: the one seen longest in a clip.
            manifest: lengths and checksums; None: they are found out.
            backend: of `open_video`.

        Raises:
            InputError: boxes are malformed, or two videos share them.
        """
        self.videos, self.crop, self.backend = videos, crop, backend
        self.people, self.tubes, self.manifest = people, tubes or TubeChoice(), manifest
        names = [video.name for video in videos] if people is not None else []
        spans = people.longest_spans(names) if people is not None else []
        self.alone = torch.tensor([not span or span < self.tubes.min_span for span in spans])
        """(N,) bool: videos without a person, of which the whole frame is used; empty without
        `people`."""
        self._verified = torch.zeros(len(videos), dtype=torch.uint8).share_memory_()

    @property
    def without_tube(self) -> int:
        """Videos without a person, of which the whole frame is used; 0 without `people`."""
        return int(self.alone.sum())

    def persons_of(self, index: int) -> range:
        """Numbers of the persons of video `index`, each a sample of its own; one if nobody is."""
        if self.tubes.select != "all" or self.people is None:
            return range(1)
        found = self.people.find(self.videos[index].name)
        return range(max(1, len(self.tubes.kept(found.tubes)) if found else 1))

    def read(self, index: int, draw: DrawClips, person: int = 0) -> Footage:
        """Read the clips of one video, or of one person in it.

        Args:
            index: of the video.
            draw: chooses the frames; with `select="all"` among those in which the person is seen.
            person: number of the person; only with `select="all"` there is more than one.

        Raises:
            VideoError: the video cannot be read.
            InputError: the boxes or the manifest do not belong to this video, or it has changed.
        """
        video = self.videos[index]
        entry = self.manifest.find(video.name) if self.manifest is not None else None
        if entry is not None and entry.error:
            raise VideoError(f"{video.path}: {entry.error}")
        found = self.people.find(video.name) if self.people is not None else None
        self._verify(index, entry, found)
        num_frames = entry.frames if entry is not None else None
        with video.open(self.backend, num_frames=num_frames) as reader:
            persons: tuple[Tube, ...] = ()
            if found is not None:
                _require_in_video(found, len(reader))
                persons = self.tubes.kept(found.tubes_in(reader.size_hw))
            if self.tubes.select == "all" and persons:
                persons = persons[person : person + 1]
                clips = draw(persons[0].span) + persons[0].frame_indices[0]
            else:
                clips = draw(len(reader))
            return read_footage(reader, clips, self.crop, persons, self.tubes.select)

    def _verify(self, index: int, entry: Entry | None, found: VideoPeople | None) -> None:
        """Compare a video with what was looked at, once: whole files are read for that."""
        known = [
            ("the manifest was written", "tools/check_videos.py", entry and entry.checksum),
            ("people were detected in it", "tools/detect_people.py", found and found.checksum),
        ]
        if self._verified[index] or not any(digest for *_, digest in known):
            return
        path = self.videos[index].path
        try:
            own = self.videos[index].checksum()
        except OSError as error:
            raise VideoError(f"{path}: cannot be read ({error.strerror})") from None
        for event, tool, digest in known:
            if digest and digest != own:
                raise InputError(
                    f"{path}: the file has changed since {event} (its checksum is another one); "
                    f"run `python {tool}` again, it looks at changed videos anew"
                )
        self._verified[index] = 1


def _require_in_video(found: VideoPeople, num_frames: int) -> None:
    last = max((int(tube.frame_indices[-1]) for tube in found.tubes), default=0)
    if found.num_frames is not None and found.num_frames != num_frames:
        raise InputError(
            f"{found.source}: {found.name} had {found.num_frames} frames when people were "
            f"detected in it, now it has {num_frames}; are they of another video?"
        )
    if last >= num_frames:
        raise InputError(
            f"{found.source}: the boxes of {found.name} reach to frame {last}, the video has "
            f"{num_frames} frames, numbered from 0; are they of another video?"
        )
