"""Who does what when in a long video or a stream: frames are decoded once and dropped soon."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from stn_action.config.schema import Config
from stn_action.errors import InputError
from stn_action.person.detectors.detector_base import Detector
from stn_action.person.detectors.detector_table import build_detector
from stn_action.person.tracker import require_tracker
from stn_action.predictor import Predictor
from stn_action.runs.live_track import LiveTrack
from stn_action.runs.timeline_files import TimelineFiles, TimelineRow
from stn_action.runs.timeline_footage import StreamFootage
from stn_action.runs.timeline_people import StreamPeople, WholeFrames
from stn_action.runs.timeline_scene import TimelineScene
from stn_action.runs.timeline_windows import WindowClassifier
from stn_action.runs.window_layout import WindowLayout
from stn_action.training.stop_request import StopRequest
from stn_action.video.ahead import batches_ahead
from stn_action.video.backend_table import open_video
from stn_action.video.live_stream import FrameStream, TimedImage, is_live, open_live
from stn_action.video.reader import VideoError
from stn_action.video.writer import write_video
from stn_action.visualize.chart_figure import save_figure
from stn_action.visualize.images import Image
from stn_action.visualize.timeline_chart import TimelineBar, draw_timeline

Tell = Callable[[str], object]
BATCH_BYTES = 64_000_000
"""Frames that are decoded ahead, about."""
DETECTOR_BATCH = 8
"""Frames that the detector is given at once, at most."""


@dataclass(frozen=True)
class TimelinePlan:
    """The settings of a timeline."""

    detector: str | None
    """As `build_detector` takes it; None: the whole frame is classified."""
    every_seconds: float | None = None
    """About the time from one window to the next; None: half a window."""
    tracker: str = "bytetrack"
    """A key of `person.tracker.TRACKERS`."""
    detect_every: int = 3
    """Detect in every n-th frame."""
    make_mp4: bool = True
    """Write the annotated video."""

    def __post_init__(self) -> None:
        if self.every_seconds is not None and not 0 < self.every_seconds < math.inf:
            raise InputError(f"--every must be above 0 seconds, got {self.every_seconds:g}")
        if self.detect_every < 1:
            raise InputError(f"--detect-every must be at least 1, got {self.detect_every}")


def write_timeline(
    checkpoint: str | Path,
    names: Sequence[str],
    settings: Sequence[str],
    out: Path,
    plan: TimelinePlan,
    *,
    tell: Tell,
    trust: bool = False,
) -> None:
    """Write the timeline of one video or stream to a folder; see docs/timeline.md for its files.

    What a stream gave before it failed, or before Ctrl-C, is written.

    Args:
        checkpoint: of a run.
        names: one video, folder of frames, number of a camera, URL, or "-" for the standard input.
        settings: in place of the checkpoint's.
        out: the folder; it is created if it does not exist.
        plan: how to go about it.
        tell: called with lines for the user: notes, the segments as they end, a summary.
        trust: run code that the checkpoint names.

    Raises:
        InputError: the checkpoint has no classes for a time, a setting is wrong, or there is not
            one name.
        VideoError: the video cannot be opened, or not read to its end.
        WriteError: the folder cannot be written to.
    """
    predictor = Predictor.load(checkpoint, settings, trust=trust)
    detector = _checked_detector(predictor, names, plan)
    for note in _notes(predictor, whole_frame=detector is None):
        tell(note)
    with opened_stream(names[0], predictor.config) as stream, TimelineFiles(out, tell) as files:
        run = TimelineRun(predictor, stream, plan, detector, files)
        tell(run.layout.describe(stream.fps))
        start = time.monotonic()
        with StopRequest() as stop:
            drawn = run.frames(lambda: stop.signal is not None)
            first = next(drawn, None)  # without the MP4 there is none, and all is done
            if first is not None:
                write_video(out / "timeline.mp4", chain([first], drawn), fps=stream.fps)
        seconds = time.monotonic() - start
    if not run.footage.num_frames:
        raise run.failure or VideoError(f"{stream.name}: gave no frame")
    end = run.footage.seconds_at(run.footage.num_frames)
    bars = [TimelineBar(*row[:4]) for row in files.rows]
    chart = draw_timeline(bars, run.scene.colors, title=stream.name, end_seconds=end)
    save_figure(out / "timeline.png", chart)
    for line in [*run.summary(end, seconds), f"written to {out}"]:
        tell(line)
    if run.failure is not None:
        raise VideoError(f"{run.failure}; what was before is in {out}")


@contextmanager
def opened_stream(name: str, config: Config) -> Iterator[FrameStream]:
    """Open a file, a folder of frames, a camera, a network stream or a pipe.

    Raises:
        VideoError: it cannot be opened.
    """
    data = config.data
    if is_live(name):
        yield open_live(name, max_pixels=data.max_pixels)
        return
    with open_video(
        name, data.reader, max_pixels=data.max_pixels, frames_fps=data.frames_fps
    ) as reader:
        yield FrameStream(name, reader.fps, reader.stream())


class TimelineRun:
    """One pass over a stream."""

    def __init__(
        self, predictor: Predictor, stream: FrameStream, plan: TimelinePlan,
        detector: Detector | None, files: TimelineFiles,
    ) -> None:  # fmt: skip
        self.stream, self.plan, self.files = stream, plan, files
        self.classes = predictor.classes
        self.layout = WindowLayout.of(predictor.config, stream.fps, plan.every_seconds)
        self.footage = StreamFootage(self.layout, stream.fps, drawn=plan.make_mp4)
        self.scene = TimelineScene(predictor.classes, multi_label=predictor.multi_label)
        self.failure: VideoError | None = None
        """Why the stream could not be read to its end."""
        self._classifier = WindowClassifier(predictor, self.layout, stream.name, stream.fps)
        several = predictor.multi_label
        self._people = (
            WholeFrames(self.layout, multi_label=several)
            if detector is None
            else StreamPeople(
                detector, plan.tracker, stream.fps, self.layout, every=plan.detect_every,
                multi_label=several,
            )
        )  # fmt: skip
        self._num_short = self._num_windows = 0

    @property
    def tracks(self) -> Sequence[LiveTrack]:
        """Those that are not finished with."""
        return self._people.tracks

    def frames(self, should_stop: Callable[[], bool]) -> Iterator[Image]:
        """Detect, track and classify; yield the frames that are drawn, as soon as they can be.

        Args:
            should_stop: asked now and then.
        """
        for batch in self._batches():
            for index, image, seconds in batch:
                self.footage.add(index, image, seconds)
            self._people.update([(index, image) for index, image, _ in batch])
            self._classify_due()
            yield from self._finish_before(self._settled_until())
            if should_stop():
                break
        self._people.end_tracks(lost_before=sys.maxsize)
        self._classify_due()
        yield from self._finish_before(self.footage.num_frames)

    def summary(self, video_seconds: float, seconds: float) -> list[str]:
        """Return lines about what was found, and how fast.

        Args:
            video_seconds: length of the video.
            seconds: that the pass took.
        """
        frames, lines = self.footage.num_frames, []
        if self.plan.detector is not None and self._people.num_tracks == 0:
            lines.append("no person was found")
        elif self.plan.detector is not None:
            lines.append(
                f"{self._people.num_tracks} tracks of people, {self._num_short} of them too short "
                f"for a window of {self.layout.span} frames and not classified"
            )
        elif self._num_short:
            lines.append(f"the video is shorter than a window of {self.layout.span} frames")
        lines.append(
            f"{frames} frames, {video_seconds:.1f} s of video, {self._num_windows} windows in "
            f"{seconds:.1f} s: {frames / seconds:.1f} frames/s, {video_seconds / seconds:.2f} "
            "times real time"
        )
        return lines

    def _batches(self) -> Iterator[list[TimedImage]]:
        """Read the stream; note why it fails, which ends it."""
        try:
            first = next(self.stream.frames, None)
            if first is None:
                return
            yield [first]
            one = max(first[1].nbytes, 1)
            per_detection = self.plan.detect_every * one
            detections = min(DETECTOR_BATCH, max(1, BATCH_BYTES // per_detection))
            yield from batches_ahead(self.stream.frames, detections * self.plan.detect_every)
        except VideoError as error:
            self.failure = error

    def _classify_due(self) -> None:
        due = [(track, start) for track in self._people.tracks for start in track.due_starts()]
        self._num_windows += len(due)
        found = self._classifier.classify(due, self.footage.images)
        for (track, _), window in zip(due, found, strict=True):
            track.windows.append(window)
            track.joiner.add(window.start, window.probabilities)

    def _settled_until(self) -> int:
        """Return the first frame that can still change."""
        needed = [track.needed_from for track in self._people.tracks]
        return max(0, min([self._people.known_until, *needed]))

    def _finish_before(self, until: int) -> Iterator[Image]:
        """Write segments that are complete, yield drawn frames before `until`, drop the rest."""
        for track in self._people.tracks:
            closed = track.ended
            rows = track.joiner.close() if closed else track.joiner.settle(track.needed_from)
            for one in rows:
                self.files.add(self._row(track, one.label, one.start, one.end, one.probability))
        to_draw = self.footage.to_draw(until)
        if to_draw:
            yield from self.scene.draw(to_draw, self._people.tracks, self.footage.size_hw)
        self.footage.drop_before(until)
        for track in self._people.tracks:
            track.drop_before(until)
        finished = [track for track in self._people.tracks if track.ended and track.last < until]
        self._num_short += sum(track.num_windows == 0 for track in finished)
        for track in finished:
            self._people.tracks.remove(track)

    def _row(
        self, track: LiveTrack, label: int, start: int, end: int, probability: float
    ) -> TimelineRow:
        at = self.footage.seconds_at
        self.scene.color_of(label)
        return TimelineRow(track.number, at(start), at(end), self.classes[label], probability)


def _checked_detector(
    predictor: Predictor, names: Sequence[str], plan: TimelinePlan
) -> Detector | None:
    """Check all that can be before the video is opened, and build the detector."""
    if len(names) != 1:
        raise InputError(
            f"--out: a timeline is of one video, got {', '.join(names[:3]) or 'none'}; give one, "
            "and others one by one"
        )
    if predictor.positions > 1:
        raise InputError(
            "--out: the checkpoint reads several positions of an image; a timeline needs one of "
            "a video's class"
        )
    if predictor.config.data.crop.box_error is not None:
        raise InputError("data.crop.box_error: is for tests; a timeline takes boxes as they are")
    if plan.detector is None:
        return None
    require_tracker(plan.tracker)
    return build_detector(plan.detector)


def _notes(predictor: Predictor, *, whole_frame: bool) -> list[str]:
    """Return what the user should know about how the network was trained."""
    source = predictor.trained_with or predictor.config.data.people
    notes = []
    if whole_frame and source is not None:
        notes.append("note: the network was trained on crops of people, here it gets whole frames")
    elif not whole_frame and source is None:
        notes.append("note: the network was trained on whole frames, here it gets crops of people")
    elif not whole_frame and predictor.config.data.tubes.select == "union":
        notes.append(
            "note: the network was trained on crops around all people together "
            "(data.tubes.select=union), here each person is cropped alone"
        )
    if predictor.config.model.focus is None:
        notes.append("note: the network has no heads, so no windows are drawn")
    return notes
