"""A checkpoint as a function from a video to a prediction."""

import copy
import os
import shutil
import threading

import numpy as np
import pytest
import torch

from stn_action import Predictor
from stn_action.build.video_sets import videos_named
from stn_action.errors import InputError
from stn_action.evaluation.video_prediction import FailedPrediction
from stn_action.geometry.outlines import focus_outlines
from stn_action.person.store.tube_folder import read_tube_csv
from stn_action.training.checkpoint import load_checkpoint, save_checkpoint
from stn_action.video.backend_table import open_video
from stn_action.video.reader import VideoError
from tests.tiny import CLASSES, rows_of
from tests.video.frame_folders import write_frames

TEST = "test/left/0"


@pytest.fixture(scope="module")
def predictor(tiny_run) -> Predictor:
    return Predictor.load(tiny_run.folder / "last.pt", own_files=True)


def test_a_file_is_predicted_as_the_test_of_the_run_predicted_it(predictor, tiny_data, tiny_run):
    found = predictor.predict(tiny_data / f"{TEST}.mp4")
    rows = {row["video"]: row for row in rows_of(tiny_run.folder / "test_predictions.csv")}
    tested = torch.tensor([float(rows[TEST][name]) for name in sorted(CLASSES)])
    torch.testing.assert_close(found.probabilities, tested, atol=1e-5, rtol=0)
    assert found.classes == ("down", "left", "right")
    assert found.label == rows[TEST]["predicted"]
    assert found.top(2)[0] == (found.label, float(found.probabilities.max()))
    assert [name for name, _ in found.top(9)] == [
        found.classes[place] for place in found.probabilities.argsort(descending=True)
    ]
    assert found.person_found


def test_a_prediction_holds_where_the_heads_looked_and_the_boxes_used(predictor, tiny_data):
    found = predictor.predict(tiny_data / f"{TEST}.mp4")
    views, frames, heads = 2, 4, 2
    assert found.view_probabilities.shape == (views, 3)
    assert found.frame_indices.shape == (views, frames)
    assert found.boxes.shape == (views, frames, 4)
    assert found.focus[0].theta.shape == (views, heads, 1, 2, 3)
    outlines = found.outlines()
    assert outlines.shape == (views, frames, heads, 4, 2)
    focus = found.focus[0]
    wanted = focus_outlines(focus.theta[1], focus.cells, found.boxes[1])
    torch.testing.assert_close(outlines[1], wanted)
    tube = read_tube_csv(tiny_data / f"people/{TEST}.csv")
    inside = tube.boxes_at(found.frame_indices[0])
    crop = found.boxes[0]
    assert bool((crop[:, :2] <= inside[:, :2]).all() and (crop[:, 2:] >= inside[:, 2:]).all())


@pytest.fixture
def enlarging(tiny_run, tiny_data) -> Predictor:
    """Crops that grow are cut out of RGB frames, whatever a video stores: to the last bit alike."""
    overrides = ["data.crop.size=64"]
    return Predictor.load(tiny_run.folder / "last.pt", overrides, people=tiny_data / "people")


@pytest.mark.parametrize("as_array", [np.asarray, torch.as_tensor])
def test_frames_and_tubes_give_what_their_file_gives(enlarging, tiny_data, as_array):
    with open_video(tiny_data / f"{TEST}.mp4") as reader:
        frames = reader.read(range(len(reader))).data.numpy()
    tube = read_tube_csv(tiny_data / f"people/{TEST}.csv")
    found = enlarging.predict(as_array(frames), tubes=[tube], fps=10)
    wanted = enlarging.predict(tiny_data / f"{TEST}.mp4")
    torch.testing.assert_close(found.view_probabilities, wanted.view_probabilities)
    torch.testing.assert_close(found.boxes, wanted.boxes)


def test_box_errors_of_the_training_count_only_if_they_are_asked_for(tiny_run, tiny_data, tmp_path):
    content = load_checkpoint(tiny_run.folder / "last.pt")
    crop = {**content["config"]["data"]["crop"], "box_error": "strong"}
    content["config"]["data"]["crop"] = crop
    save_checkpoint(tmp_path / "last.pt", content)
    people, video = tiny_data / "people", tiny_data / f"{TEST}.mp4"
    plain = Predictor.load(tiny_run.folder / "last.pt", people=people).predict(video)
    found = Predictor.load(tmp_path / "last.pt", people=people).predict(video)
    assert torch.equal(found.boxes, plain.boxes)
    asked = Predictor.load(tmp_path / "last.pt", ["data.crop.box_error=strong"], people=people)
    assert not torch.equal(asked.predict(video).boxes, plain.boxes)
    tubes = [read_tube_csv(people / f"{TEST}.csv")]
    assert not torch.equal(asked.predict(video, tubes=tubes).boxes, plain.boxes)


def test_frames_without_tubes_are_used_whole(predictor):
    found = predictor.predict(np.zeros((12, 40, 60, 3), np.uint8))
    assert not found.person_found
    assert bool((found.boxes[..., 3] - found.boxes[..., 1] <= 40).all())


def test_many_videos_come_in_order_and_one_that_cannot_be_read_is_said(
    predictor, tiny_data, tmp_path
):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    from stn_action.build.video_sets import unlabeled_video

    paths = [tiny_data / f"{TEST}.mp4", tmp_path / "broken.mp4", tiny_data / "test/down/1.mp4"]
    found = list(predictor.predict_all([unlabeled_video(path) for path in paths]))
    assert isinstance(found[1], FailedPrediction)
    assert "broken.mp4" in found[1].failure
    for prediction, path in ((found[0], paths[0]), (found[2], paths[2])):
        own = predictor.predict(path)
        torch.testing.assert_close(prediction.view_probabilities, own.view_probabilities)
        assert prediction.name == own.name


def test_a_file_that_cannot_be_read_is_an_error(predictor, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"broken.mp4"):
        predictor.predict(tmp_path / "broken.mp4")
    with pytest.raises(InputError, match=r"nowhere.mp4"):
        predictor.predict(tmp_path / "nowhere.mp4")


def test_threads_share_a_predictor(predictor, tiny_data):
    paths = [tiny_data / f"test/{name}/0.mp4" for name in sorted(CLASSES)] * 2
    results = [torch.empty(0)] * len(paths)

    def work(place: int) -> None:
        results[place] = predictor.predict(paths[place]).probabilities

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for path, result in zip(paths, results, strict=True):
        torch.testing.assert_close(result, predictor.predict(path).probabilities)


def test_a_checkpoint_works_where_its_boxes_are_not(tiny_run, tiny_data, tmp_path):
    content = load_checkpoint(tiny_run.folder / "last.pt")
    content["config"]["data"]["people"] = str(tmp_path / "gone")
    save_checkpoint(tmp_path / "last.pt", content)
    alone = Predictor.load(tmp_path / "last.pt", own_files=True)
    assert not alone.predict(tiny_data / f"{TEST}.mp4").person_found
    note = alone.whole_frame_note([])
    assert note is not None
    assert "gone" in note
    people = shutil.copytree(tiny_data / "people", tmp_path / "people")
    again = Predictor.load(tmp_path / "last.pt", people=people)
    assert again.predict(tiny_data / f"{TEST}.mp4").person_found
    assert again.whole_frame_note([]) is None


def test_files_that_a_checkpoint_names_are_opened_only_if_asked_for(tiny_run, tiny_data, tmp_path):
    content = load_checkpoint(tiny_run.folder / "last.pt")
    for key in ("people", "regions", "manifest"):
        os.mkfifo(tmp_path / key)  # opened, it would block
        content["config"]["data"][key] = str(tmp_path / key)
    save_checkpoint(tmp_path / "last.pt", content)
    predictor = Predictor.load(tmp_path / "last.pt")
    data = predictor.config.data
    assert data.people is data.regions is data.manifest is predictor.people is None
    assert not predictor.predict(tiny_data / f"{TEST}.mp4").person_found
    note = predictor.whole_frame_note([])
    assert note is not None
    assert f"trained with person boxes, {tmp_path / 'people'}; they are not opened unless" in note
    asked = Predictor.load(tmp_path / "last.pt", [f"data.people={tiny_data / 'people'}"])
    assert asked.predict(tiny_data / f"{TEST}.mp4").person_found
    assert asked.config.data.regions is None
    whole = Predictor.load(tmp_path / "last.pt", ["data.people=null"])
    assert whole.whole_frame_note([]) is None
    with pytest.raises(InputError, match=r"people: no people file|it is a pipe"):
        Predictor.load(tmp_path / "last.pt", own_files=True)


def broken_content(content, key, value):
    """A checkpoint's content with another value at a dotted key; None: without it."""
    changed = {name: copy.copy(part) for name, part in content.items()}
    *sections, last = key.split("/")
    tree = changed
    for section in sections:
        tree = tree[section]
    if value is None:
        del tree[last]
    else:
        tree[last] = value
    return changed


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("config", None, "the checkpoint has no 'config', expected the settings of its run"),
        ("classes", None, "the checkpoint has no 'classes', expected the names of its classes"),
        ("network", None, "the checkpoint has no 'network', expected the weights by name"),
        ("config", [1], "'config' in the checkpoint must be the settings of its run, got a list"),
        ("config", {"data": 3}, r"last\.pt: data: expected a section of .*, got 3"),
        ("config/model", None, r"last\.pt: model: missing, it has no default"),
        ("config/data", {"a": {"b": [torch.zeros(2)]}}, r"data\.name: missing"),
        ("classes", "down", "'classes' in the checkpoint must be the names .*, got a str"),
        ("classes", [], "'classes' in the checkpoint must be the names .*, got a list of 0"),
        ("classes", ["a", "a", "b"], "'classes' in the checkpoint must be .* different texts"),
        ("classes", ["a", 2, "b"], "'classes' in the checkpoint must be"),
        ("classes", ["a", "b", "c", "d"], "the weights do not fit the configured model.*size mis"),
        ("network", {"a": 3}, r"'network' in .* plain tensors, got a dict of int"),
        ("network", {"a": torch.zeros(2)}, "the weights do not fit the configured model.*Missing"),
        ("network", {3: torch.zeros(2)}, "'network' in the checkpoint must be the weights by name"),
        ("network/trunk.stage1.0.weight", torch.zeros(2, dtype=torch.complex64), "plain tensors"),
    ],
)
def test_a_checkpoint_with_anything_else_in_it_is_one_message(
    tiny_run, tmp_path, key, value, message
):
    content = load_checkpoint(tiny_run.folder / "last.pt")
    save_checkpoint(tmp_path / "last.pt", broken_content(content, key, value))
    with pytest.raises(InputError, match=message) as caught:
        Predictor.load(tmp_path / "last.pt")
    assert "last.pt" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_weights_that_are_not_finite_are_named(tiny_run, tmp_path):
    content = load_checkpoint(tiny_run.folder / "last.pt")
    name, weight = next(item for item in content["network"].items() if item[1].ndim > 1)
    weight.view(-1)[-1] = float("nan")
    save_checkpoint(tmp_path / "last.pt", content)
    with pytest.raises(InputError, match=rf"the weights {name} hold NaN or infinity: the training"):
        Predictor.load(tmp_path / "last.pt")


def test_a_folder_of_frames_is_predicted_as_the_file_it_was_written_from(
    enlarging, tiny_data, tmp_path
):
    with open_video(tiny_data / f"{TEST}.mp4") as reader:
        frames = [image for _, image, _ in reader.stream()]
    folder = write_frames(tmp_path / TEST, frames)
    found, wanted = enlarging.predict(folder), enlarging.predict(tiny_data / f"{TEST}.mp4")
    assert found.name == wanted.name
    assert found.person_found
    torch.testing.assert_close(found.view_probabilities, wanted.view_probabilities)
    torch.testing.assert_close(found.boxes, wanted.boxes)
    (named,) = videos_named([str(folder)], enlarging.config)
    (same,) = enlarging.predict_all([named])
    torch.testing.assert_close(same.probabilities, wanted.probabilities)
