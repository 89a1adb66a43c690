"""Drawn frames of a timeline, with the people in them."""

from collections.abc import Iterator, Sequence

import torch

from stn_action.evaluation.segments import PROBABLE
from stn_action.geometry.outlines import nearest_clip_frames
from stn_action.runs.live_track import LiveTrack
from stn_action.runs.timeline_footage import DRAWN_HEIGHTS
from stn_action.visualize.images import Color, Image
from stn_action.visualize.people_overlay import UNKNOWN, ShownPerson, class_color, draw_people


class TimelineScene:
    """The colors of classes, in the order in which they appear, and frames drawn with them."""

    def __init__(self, classes: Sequence[str], *, multi_label: bool = False) -> None:
        """Start without colors.

        Args:
            classes: their names.
            multi_label: several may hold at once.
        """
        self.classes, self.multi_label = classes, multi_label
        self.colors: dict[str, Color] = {}
        """By class, those that appeared."""

    def color_of(self, label: int) -> Color:
        """Return the color of a class, the next one if the class is new."""
        name = self.classes[label]
        return self.colors.setdefault(name, class_color(len(self.colors)))

    def draw(
        self,
        frames: Sequence[tuple[int, Image]],
        tracks: Sequence[LiveTrack],
        size_hw: tuple[int, int],
    ) -> Iterator[Image]:
        """Draw consecutive frames.

        Args:
            frames: numbers and images, at least one.
            tracks: of which all that these frames show is settled.
            size_hw: of the source.
        """
        numbers = torch.tensor([index for index, _ in frames])
        boxes = {}
        for track in tracks:
            tube = track.tube()
            if tube is not None:
                smooth = tube.smoothed(2 * track.layout.reach + 1)
                boxes[track.number] = smooth.boxes_at(numbers)
        height = min(max(size_hw[0], DRAWN_HEIGHTS[0]), DRAWN_HEIGHTS[1])
        scale = height / size_hw[0]
        drawn_hw = height, max(1, round(size_hw[1] * scale))
        for place, (index, image) in enumerate(frames):
            people = []
            for track in tracks:
                if track.first <= index <= track.last:
                    rows = boxes.get(track.number)
                    people.append(self._person(track, index, None if rows is None else rows[place]))
            yield draw_people(image, people, scale, drawn_hw)

    def _person(self, track: LiveTrack, frame: int, box: torch.Tensor | None) -> ShownPerson:
        moment, window = track.moment_at(frame), track.window_at(frame)
        name = f"{track.number} " if track.number else ""
        text, color = name.strip() or "not classified", UNKNOWN
        if moment is not None:
            best = int(moment.probabilities.argmax())
            labels = [best]
            if self.multi_label:
                labels = (moment.probabilities >= PROBABLE).nonzero().flatten().tolist()
            words = [
                f"{self.classes[label]} {float(moment.probabilities[label]):.2f}"
                for label in labels
            ]
            text = name + ", ".join(words)
            color = self.color_of(best) if labels else UNKNOWN
        if window is None:
            return ShownPerson(text, color, box)
        nearest = int(nearest_clip_frames(window.frame_indices, torch.tensor([frame]))[0])
        heat = [one[nearest] for one in window.heat]
        return ShownPerson(text, color, box, window.outlines[nearest], heat)
