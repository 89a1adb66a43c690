"""The videos of a data set with their people, lengths and checksums."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stn_action.data.footage import ClipView, Footage, read_views
from stn_action.data.manifest import Entry, Manifest
from stn_action.data.scene import Scene, Scenes
from stn_action.data.video_table import Video, VideoTable
from stn_action.data.view_choice import ViewChoice
from stn_action.errors import InputError
from stn_action.person.box_error import tubes_with_error
from stn_action.person.crop import CropSpec
from stn_action.person.person_choices import Select
from stn_action.person.select import TubeChoice
from stn_action.person.tube import Tube
from stn_action.person.video_people import People, VideoPeople
from stn_action.video.file_index import FileIndex
from stn_action.video.reader import VideoError, VideoReader
from stn_action.video.source_frame import BLACK, RGB
from stn_action.video.video_choices import MAX_PIXELS, Reader


class ClipSource:
    """A reader of the frames that clips need, with the boxes of the people they show.

    People and manifest are opened once; `select` shares them between the data sets of a run.
    """

    def __init__(
        self,
        videos: VideoTable,
        crop: CropSpec,
        *,
        mean_color: Sequence[float] | None = None,
        people: People | None = None,
        tubes: TubeChoice | None = None,
        manifest: Manifest | None = None,
        scenes: Scenes | None = None,
        backend: Reader = "auto",
        max_pixels: int = MAX_PIXELS,
        spans: Sequence[int | None] | None = None,
    ) -> None:
        """Find out which videos have boxes; no video is opened yet.

        Args:
            videos: what `read` takes indices of.
            crop: how clips are cut out.
            mean_color: the trunk's, see `CropSpec.fill`.
            people: person boxes; None, or none for a video: the full frame.
            tubes: which people count; None: the one seen longest in a clip.
            manifest: lengths and checksums; None: lengths are read from the files.
            scenes: what surrounds each video; needed to read with `beyond="scene"`.
            backend: of `open_video`.
            max_pixels: of `open_video`.
            spans: the longest of each video, of `people`; None: they are asked for.

        Raises:
            InputError: boxes are malformed, two videos share them, or a video has no scene.
        """
        self.videos, self.crop, self.mean_color = videos, crop, mean_color
        self.backend: Reader = backend
        self.max_pixels = max_pixels
        self.people, self.tubes, self.manifest = people, tubes or TubeChoice(), manifest
        if spans is None:
            spans = people.longest_spans(videos.names()) if people is not None else []
        self.without_person = torch.tensor(
            [not span or span < self.tubes.min_span for span in spans], dtype=torch.bool
        )
        """(N,) bool: videos without a person, of which the full frame is used; empty without
        `people`."""
        self.scenes = scenes
        self._scene_rows = None if scenes is None else scenes.rows_of(videos)
        self._verified = torch.zeros(len(videos), dtype=torch.uint8).share_memory_()
        self._selected: dict[int, ClipSource] = {}

    @property
    def without_tube(self) -> int:
        """Number of videos without a person; 0 without `people`."""
        return int(self.without_person.sum())

    def select(self, videos: VideoTable, spans: Sequence[int | None] | None = None) -> "ClipSource":
        """Return the source of other videos, with the same people, manifest and crop.

        One table always gives the same source, so that its videos are verified once. `spans` are
        those of the constructor.
        """
        known = self._selected.get(id(videos))
        if known is None or known.videos is not videos:
            known = self._with(videos, self.scenes, spans)
            self._selected[id(videos)] = known
        return known

    def with_scenes(self, scenes: Scenes) -> "ClipSource":
        """Return the source of the same videos with what surrounds them."""
        return self._with(self.videos, scenes)

    def scene_of(self, index: int) -> Scene | None:
        """Return what surrounds video `index`; None: there are no scenes, or no people to crop.

        Raises:
            ValueError: the crop asks for scenes, and the source was made without.
            VideoError: the people of the other video are damaged.
        """
        if self.crop.beyond != "scene" or self.people is None:
            return None
        if self.scenes is None or self._scene_rows is None:
            raise ValueError("a crop with beyond='scene' needs scenes: open the data by open_data")
        return self.scenes.of(int(self._scene_rows[index]))

    def people_in(self, index: int) -> VideoPeople | None:
        """Return all tubes of video `index`; None without boxes."""
        return self.people.find(self.videos[index].name) if self.people is not None else None

    def persons_of(self, index: int) -> range:
        """Return the numbers of the samples of video `index`: one per person, or a single one."""
        if self.tubes.select != "all" or self.people is None:
            return range(1)
        try:
            found = self.people_in(index)
        except VideoError:  # `read` reports it
            return range(1)
        return range(max(1, len(self.tubes.kept(found.tubes)) if found else 1))

    def read(self, index: int, choice: ViewChoice, person: int = 0) -> list[ClipView]:
        """Read views of one video, or of one person in it.

        Args:
            index: of the video.
            choice: of the views; with `select="all"` of frames that show the person.
            person: number of the person; only with `select="all"` there is more than one.

        Raises:
            VideoError: the video cannot be read, it has changed, or the boxes or the manifest do
                not belong to it.
        """
        found = self.people_in(index)
        num_frames, known = self._known(index, found)
        with self._open(index, num_frames, known) as reader:
            persons: tuple[Tube, ...] = ()
            if found is not None:
                _require_in_video(found, len(reader))
                persons = self.tubes.kept(found.tubes_in(reader.size_hw))
                persons = tubes_with_error(persons, self.crop.box_error, self.videos[index].name)
            return read_person(
                reader, persons, person, choice, self.crop, self.tubes.select,
                fill=self.crop.fill(self.mean_color), scene=self.scene_of(index),
                length_is_exact=num_frames is not None,
            )  # fmt: skip

    def open(self, index: int) -> VideoReader:
        """Open a video, checked against the manifest and its people, with the length they give.

        Raises:
            VideoError: as `read`.
        """
        return self._open(index, *self._known(index, self.people_in(index)))

    def _with(
        self, videos: VideoTable, scenes: Scenes | None, spans: Sequence[int | None] | None = None
    ) -> "ClipSource":
        return ClipSource(
            videos, self.crop, mean_color=self.mean_color, people=self.people, tubes=self.tubes,
            manifest=self.manifest, scenes=scenes, backend=self.backend, max_pixels=self.max_pixels,
            spans=spans,
        )  # fmt: skip

    def _open(self, index: int, num_frames: int | None, known: FileIndex | None) -> VideoReader:
        video = self.videos[index]
        try:
            return video.open(
                self.backend, num_frames=num_frames, max_pixels=self.max_pixels, known=known
            )
        except OSError as error:
            raise VideoError(f"{video.path}: cannot be read ({error.strerror})") from error

    def _known(self, index: int, found: VideoPeople | None) -> tuple[int | None, FileIndex | None]:
        """Return the length that a complete pass over this file has counted, and its index.

        None: there was none. The length is the manifest's, else the people file's. Boxes without a
        checksum come from other tools, whose lengths are only compared.
        """
        video = self.videos[index]
        entry = self._entry(video)
        self._verify(index, entry, found)
        length, known_by = None, "people file"
        if entry is not None:
            length, known_by = entry.frames, "manifest"
        elif found is not None and found.checksum:
            length = found.num_frames
        if length is not None and length < 1:
            raise VideoError(f"{video.path}: has no frame that can be decoded, by the {known_by}")
        return length, self._index_of(video, entry)

    def _index_of(self, video: Video, entry: Entry | None) -> FileIndex | None:
        if self.manifest is None or entry is None:
            return None
        try:
            return self.manifest.index_of(entry)
        except InputError as error:
            raise VideoError(f"{video.path}: its index is damaged: {error}") from None

    def _entry(self, video: Video) -> Entry | None:
        if self.manifest is None:
            return None
        try:
            entry = self.manifest.find(video.name)
        except InputError as error:
            raise VideoError(
                f"{video.path}: its line in the manifest is damaged: {error}"
            ) from None
        if entry is not None and entry.error:
            raise VideoError(f"{video.path}: {entry.error}")
        return entry

    def _verify(self, index: int, entry: Entry | None, found: VideoPeople | None) -> None:
        """Compare a video's checksum with the recorded ones, once: all of the file is read."""
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
                raise VideoError(
                    f"{path}: the file has changed since {event} (its checksum is another one); "
                    f"run `python {tool}` again, it processes changed videos again"
                )
        self._verified[index] = 1


def read_person(
    reader: VideoReader,
    persons: tuple[Tube, ...],
    person: int,
    choice: ViewChoice,
    crop: CropSpec,
    select: Select,
    *,
    fill: RGB = BLACK,
    scene: Scene | None = None,
    length_is_exact: bool = False,
) -> list[ClipView]:
    """Read the views of one person, or of all people together; see `ClipSource.read`.

    Args:
        reader: an open video.
        persons: those that count, in the video's pixels; none: the whole frame.
        person: number of the person; only with `select="all"` there is more than one.
        choice: of the views; with `select="all"` of frames that show the person.
        crop: how clips are cropped.
        select: which people a clip shows.
        fill: color of what a clip shows beyond the frames.
        scene: what it shows there in place of the color.
        length_is_exact: all of the video was decoded to count its frames. Else damage may be found
            where the clips are, which makes it shorter: then they are drawn again.

    Raises:
        VideoError: the frames cannot be read.
    """

    def read(clips: Tensor) -> list[ClipView]:
        footage = Footage(clips, reader.size_hw, persons, select, crop, fill, scene)
        return read_views(
            reader, footage, choice.cuts(footage), keep_images=choice.keep_images,
            keep_source=choice.keep_source,
        )  # fmt: skip

    if select == "all" and persons:
        persons = persons[person : person + 1]
        return read(choice.clips(persons[0].span) + persons[0].frame_indices[0])
    while True:
        length = len(reader)
        try:
            views = read(choice.clips(length))
        except VideoError:
            if length_is_exact or len(reader) == length:
                raise
        else:
            if length_is_exact or len(reader) == length:
                return views


def _require_in_video(found: VideoPeople, num_frames: int) -> None:
    last = max((int(tube.frame_indices[-1]) for tube in found.tubes), default=0)
    if found.num_frames is not None and found.num_frames != num_frames:
        raise VideoError(
            f"{found.source}: {found.name} had {found.num_frames} frames when people were "
            f"detected in it, now it has {num_frames}; are they of another video?"
        )
    if last >= num_frames:
        raise VideoError(
            f"{found.source}: the boxes of {found.name} reach to frame {last}, the video has "
            f"{num_frames} frames, numbered from 0; are they of another video?"
        )
