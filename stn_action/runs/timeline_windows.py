"""Classification of windows of tracks, cut as training and `Predictor` cut clips."""

from collections.abc import Mapping, Sequence

import numpy as np

from stn_action.batch import Sample
from stn_action.build.given_views import given_views
from stn_action.geometry.heat_maps import HeatMaps
from stn_action.person.tube import Tube
from stn_action.predictor import Predictor
from stn_action.runs.live_track import ClassifiedWindow, LiveTrack
from stn_action.runs.window_layout import WindowLayout
from stn_action.video.frame_window import FrameWindow


class WindowClassifier:
    """A predictor of windows: each is a video of one clip, and of one person."""

    def __init__(self, predictor: Predictor, layout: WindowLayout, name: str, fps: float) -> None:
        """Take the settings of the predictor, with one clip for each window.

        Args:
            predictor: a loaded checkpoint.
            layout: of the windows.
            name: of the stream, for messages.
            fps: of the stream.
        """
        self.predictor, self.layout, self.name, self.fps = predictor, layout, name, fps
        config = predictor.config
        tubes = config.data.tubes.model_copy(update={"select": "longest"})  # there is one
        data = config.data.model_copy(update={"tubes": tubes})
        test = config.eval.model_copy(update={"num_clips": 1})
        self.config = config.model_copy(update={"data": data, "eval": test})

    def classify(
        self, due: Sequence[tuple[LiveTrack, int]], images: Mapping[int, np.ndarray]
    ) -> list[ClassifiedWindow]:
        """Classify windows of tracks, all in one pass through the network.

        Args:
            due: tracks, and the starts of their windows.
            images: frames of the stream by number; those that windows take must be there.
        """
        if not due:
            return []
        samples = [
            sample
            for track, start in due
            for sample in self.views(track.tube(start), start, images)
        ]
        found = self.predictor.predict_samples(samples, self.name)
        per_window = len(samples) // len(due)
        outlines, heat = found.outlines(), found.heat_maps()
        windows = []
        for number, (_, start) in enumerate(due):
            first = number * per_window
            middle = first + per_window // 2
            probabilities = found.view_probabilities[first : first + per_window].mean(0)
            maps = tuple(HeatMaps(one.weights[middle], one.edges[middle]) for one in heat)
            indices = start + found.frame_indices[middle]
            windows.append(ClassifiedWindow(start, indices, probabilities, outlines[middle], maps))
        return windows

    def views(
        self, tube: Tube | None, start: int, images: Mapping[int, np.ndarray]
    ) -> list[Sample]:
        """Cut the views of a window.

        Args:
            tube: frames counted from `start`; None: the whole frame.
            start: first frame of the window.
            images: as for `classify`.
        """
        reader = FrameWindow(images, start, self.layout.span, fps=self.fps, name=self.name)
        return given_views(self.config, reader, () if tube is None else (tube,))
