"""Test views of frames and people that are given, not found in a data set."""

from collections.abc import Sequence

import torch

from stn_action.batch import Sample
from stn_action.build.crop_settings import crop_of, mean_color_of
from stn_action.config.schema import Config
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.source import read_person
from stn_action.data.view_choice import fixed_views
from stn_action.person.tube import Tube
from stn_action.video.reader import VideoReader


def given_views(config: Config, reader: VideoReader, tubes: Sequence[Tube]) -> list[Sample]:
    """Return all views of an open video, by the test protocol of a configuration.

    Args:
        config: how clips are made and how many views a video has.
        reader: the video.
        tubes: the people that count, in the pixels of the video; none: the whole frame.

    Raises:
        VideoError: the frames cannot be read.
    """
    data, evaluation = config.data, config.eval
    crop, select, people = crop_of(config), data.tubes.select, tuple(tubes)
    choice = fixed_views(
        ClipSampling(**dict(data.clip)), evaluation.num_clips, evaluation.num_crops,
        keep_source=evaluation.zoom_from == "source",
    )  # fmt: skip
    fill = crop.fill(mean_color_of(config))
    views = [
        view
        for person in range(max(1, len(people)) if select == "all" else 1)
        for view in read_person(reader, people, person, choice, crop, select, fill=fill)
    ]
    return [view.sample(torch.tensor(0), 0, number) for number, view in enumerate(views)]
