"""Weights of a read-out in the results of a run, and drawn on its videos."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from stn_action.build.video_sets import videos_named
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.evaluation.video_prediction import VideoPrediction
from stn_action.predictor import Predictor
from stn_action.runs.attention_images import clips_apart, true_labels, visualize
from stn_action.runs.attention_lines import attention_lines
from stn_action.video.backend_table import open_video
from stn_action.visualize.legend import head_color


def test_regions_are_scored_for_weights(attention_run):
    numbers = json.loads((attention_run / "test.json").read_text())
    assert list(numbers["regions"]) == ["head 1", "head 2", "any head"]
    for row in numbers["regions"].values():
        assert 0 < row["area"] <= 1
        assert row["area"] / 2 < row["effective_area"] <= 1
        assert row["random"] == pytest.approx(row["area"], abs=0.35)
    assert "top1_shuffled_theta" in numbers


def test_weights_are_drawn_in_images_and_videos(attention_run, tiny_data, tmp_path):
    predictor = Predictor.load(attention_run / "last.pt")
    video = Video("left/0", tiny_data / "test/left/0.mp4", 1, "0")
    ((prediction, files),) = visualize(predictor, [video], tmp_path)
    assert isinstance(prediction, VideoPrediction)
    (maps,) = prediction.heat_maps()
    assert maps.weights.shape[:3] == (2, 4, 2)
    torch.testing.assert_close(maps.weights.sum((-2, -1)), torch.ones(2, 4, 2))
    assert [path.suffix for path in files] == [".png", ".mp4"]
    with open_video(files[0]) as image:
        sheet = image.read([0]).data[0].permute(1, 2, 0).numpy()
    for head in (0, 1):
        assert (sheet == np.array(head_color(head))).all(-1).sum() > 500
    with open_video(files[1]) as drawn:
        assert len(drawn) == 12


def test_clips_that_overlap_in_time_are_not_mixed():
    interleaved = torch.tensor([[0, 4, 8], [2, 6, 10]])
    assert clips_apart(interleaved) == [0]
    assert clips_apart(torch.tensor([[6, 7], [0, 1], [3, 4]])) == [1, 2, 0]
    assert clips_apart(torch.tensor([[0, 5], [0, 5], [5, 9], [6, 9]])) == [0, 3]


def test_true_classes_are_known_of_a_data_set_with_the_classes_of_the_network(
    attention_run, tiny_data
):
    predictor = Predictor.load(attention_run / "last.pt", own_files=True)
    listed = videos_named(["test"], predictor.config, classes=predictor.classes)[0]
    (prediction,) = predictor.predict_all([listed])
    assert isinstance(prediction, VideoPrediction)
    assert true_labels(prediction, listed) == (listed.name.split("/")[-2],)
    for other in (
        videos_named([str(listed.path)], predictor.config)[0],
        videos_named(["test"], predictor.config, classes=["a", "b"])[0],
    ):
        assert true_labels(prediction, other) == ()


def test_a_figure_of_chosen_videos_is_written(attention_run, tmp_path):
    names = ["test/right/0", "test/left/0"]
    lines = attention_lines(
        attention_run / "last.pt", ["test"], [], tmp_path, print, limit=9, only=names,
        make_mp4=False, figure_frames=2,
    )  # fmt: skip
    files = [Path(line).name for line in lines]
    assert files == ["test_right_0.png", "test_left_0.png", "figure.png", "figure.svg"]
    svg = (tmp_path / "figure.svg").read_text()
    assert svg.index("true: right") < svg.index("true: left")
    with pytest.raises(InputError, match=r"--only lef/0: none of .*; the nearest is test/left/0"):
        list(attention_lines(attention_run / "last.pt", ["test"], [], tmp_path, print, limit=9,
                             only=["lef/0"]))  # fmt: skip
