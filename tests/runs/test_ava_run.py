"""People at key frames of films through boxes, training, test, prediction and preview."""

import json

import pytest
import torch

from stn_action import Predictor
from stn_action.build.data import evaluation_dataset, load_listing
from stn_action.config.schema import load_config
from stn_action.person.store.people_file import PeopleFile
from tests.ava_tree import ACTIONS, SIZE_HW, write_ava, write_detections, write_film
from tests.tiny import rows_of, write_config
from tools.convert_people import main as convert_tool
from tools.evaluate import main as evaluate_tool
from tools.predict import main as predict_tool
from tools.preview import main as preview_tool
from tools.train import main as train_tool

SMALL = (
    "data.name=ava", "data.official=false", "data.num_workers=0", "data.crop.size=16",
    "data.crop.looseness=0", "data.crop.aspect=free", "data.crop.view_share=1",
    "data.clip={num_frames: 2, stride: 4}", "model.backbone=small3d", "model.focus=null",
    "eval={num_clips: 1, num_crops: 1}", "train={epochs: 1, batch_size: 4, monitor: mean_ap}",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_ava(tmp_path_factory.mktemp("ava") / "ava")


@pytest.fixture(scope="module")
def config_file(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    settings = [f"data.root={root}", f"data.people={folder / 'people.sqlite'}", *SMALL]
    config = str(write_config(folder / "ava.yaml", settings))
    out = ["--out", str(folder / "people.sqlite")]
    assert convert_tool([str(root), "--from", "ava_samples", "--videos", config, *out]) == 0
    return config


@pytest.fixture(scope="module")
def run(config_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "out"
    train_tool([config_file, f"train.output_dir={folder}"])
    return folder


def test_the_people_file_has_a_box_in_pixels_at_the_key_frame_of_each_sample(config_file):
    people = PeopleFile(load_config(config_file).data.people)
    assert len(people) == 7  # not those of the missing film, nor that at an excluded timestamp
    found = people.find("1j20qq1JyX4/0903/2")
    assert (found.size_hw, found.fps) == (SIZE_HW, 8)
    assert found.tubes[0].frame_indices.tolist() == [12]  # of the 24 from 1.5 s to 4.5 s
    expected = torch.tensor([[0.020, 0.069, 0.985, 0.985]]) * torch.tensor([64, 48, 64, 48])
    torch.testing.assert_close(found.tubes[0].boxes, expected)


def test_a_clip_shows_the_person_of_its_sample(config_file):
    config = load_config(config_file)
    videos = load_listing(config).test
    ((sample,), failures) = evaluation_dataset(config, videos)[0]
    assert (videos[0].name, failures) == ("1j20qq1JyX4/0902/0", [])
    expected = torch.tensor([0.744 * 64, 0.054 * 48, 0.992 * 64, 0.990 * 48])
    torch.testing.assert_close(sample.boxes, expected.expand(2, 4), atol=0.55, rtol=0)
    assert sample.target.tolist() == [0, 1, 0]


def test_a_run_ends_with_the_frame_map_beside_the_map(run):
    result = json.loads((run / "test.json").read_text())
    assert set(result) == {
        "protocol", "monitor", "mean_ap", "frame_map", "random_map", "worst_classes",
        "most_confused",
    }  # fmt: skip
    assert result["most_confused"] is None  # there are several labels
    assert result["protocol"].startswith(
        "ava v2.2 val (subset: 4 train, 4 test ground truth boxes): 3 ground truth boxes, 0 failed,"
        " 1 missing; 2x4 frames of 16x16, 1 clips x 1 crops, person crop ("
    )
    rows = rows_of(run / "test_classes.csv")
    assert [row["class"] for row in rows] == list(ACTIONS.values())
    assert [row["videos"] for row in rows] == ["1", "2", "1"]
    precisions = [float(row["frame_average_precision"]) for row in rows]
    assert result["frame_map"] == pytest.approx(sum(precisions) / 3, abs=1e-5)
    assert (
        rows_of(run / "test_predictions.csv")[1]["true"] == "stand; talk to (e.g., self, a person)"
    )


def test_a_test_of_the_checkpoint_prints_the_frame_map_and_what_it_is_of(run, capsys):
    assert evaluate_tool(["--checkpoint", str(run / "last.pt")]) == 0
    frame_map = json.loads((run / "test.json").read_text())["frame_map"]
    line = (
        f"frame mAP {frame_map:.1%} (IoU 0.5, ground truth boxes, 2 frames; 1 frames of 1 missing"
    )
    assert line in capsys.readouterr().out


def test_a_checkpoint_is_tested_on_detected_boxes(run, root, tmp_path, capsys):
    write_detections(root)
    people = tmp_path / "detected.sqlite"
    settings = ["data.name=ava_detected80", f"data.people={people}"]
    config = str(write_config(tmp_path / "ava.yaml", [*SMALL, f"data.root={root}", *settings]))
    out = ["--videos", config, "--out", str(people)]
    assert convert_tool([str(root), "--from", "ava_samples", *out]) == 0
    box = PeopleFile(people).find("1j20qq1JyX4/0902/d0").tubes[0].boxes
    torch.testing.assert_close(box, torch.tensor([[0, 0.1 * 48, 0.7 * 64, 0.95 * 48]]))
    folder = tmp_path / "test"
    checkpoint = ["--checkpoint", str(run / "last.pt"), "--out", str(folder)]
    assert evaluate_tool([*checkpoint, *settings]) == 0
    printed = capsys.readouterr().out
    assert (
        "detected boxes (score 0.8) (subset: 4 train, 4 test boxes): 3 boxes, 0 failed" in printed
    )
    assert "(IoU 0.5, detected boxes of score 0.8 or more, 2 frames; 1 frames of 1 miss" in printed
    names = [row["video"] for row in rows_of(folder / "test_predictions.csv")]
    assert names == ["1j20qq1JyX4/0902/d0", "1j20qq1JyX4/0902/d2", "1j20qq1JyX4/0903/d0"]


def test_a_predictor_gives_each_class_a_probability_of_its_own(run, root, config_file):
    predictor = Predictor.load(run / "last.pt", people=load_config(config_file).data.people)
    listing = load_listing(load_config(config_file))
    (found,) = predictor.predict_all([listing.test[0]])
    row = rows_of(run / "test_predictions.csv")[0]
    expected = torch.tensor([float(row[name]) for name in listing.classes])
    torch.testing.assert_close(found.probabilities, expected, atol=1e-4, rtol=0)


def test_samples_of_one_film_are_predicted_under_their_own_names(run, capsys):
    assert predict_tool(["--checkpoint", str(run / "last.pt"), "test", "--top", "1"]) == 0
    names = [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["1j20qq1JyX4/0902/0", "1j20qq1JyX4/0902/1", "1j20qq1JyX4/0903/2"]


def test_a_sample_without_a_label_is_previewed(config_file, tmp_path):
    options = ["--part", "train", "--limit", "1", "--out", str(tmp_path)]
    assert preview_tool([config_file, *options]) == 0
    assert (tmp_path / "01_-5KQ66BBWC4_0902_0.png").is_file()


def test_a_film_that_ends_early_leaves_its_samples_without_a_box(tmp_path, capsys):
    root = write_ava(tmp_path / "ava", films=["-5KQ66BBWC4"])
    write_film(root / "videos_15min/1j20qq1JyX4.mp4", 0, seconds=1)
    (root / "videos_15min/053oq2xB3oU.mp4").write_text("no video")
    config = str(write_config(tmp_path / "ava.yaml", [f"data.root={root}", *SMALL]))
    out = ["--videos", config, "--out", str(tmp_path / "people.sqlite")]
    assert convert_tool([str(root / "annotations"), "--from", "ava_samples", *out]) == 0
    printed = capsys.readouterr().out
    assert "key frame at 2 s is outside of the film, whose 8 frames end at 0.875 s" in printed
    assert "left without boxes: 053oq2xB3oU/0902/5: " in printed
    spans = PeopleFile(tmp_path / "people.sqlite").longest_spans(
        ["-5KQ66BBWC4/0902/1", "053oq2xB3oU/0902/5", "1j20qq1JyX4/0902/1"]
    )
    assert spans == [1, 0, 0]


def test_samples_need_their_films(tmp_path, capsys):
    root = write_ava(tmp_path / "ava", films=())
    config = str(write_config(tmp_path / "ava.yaml", [f"data.root={root}", *SMALL]))
    start = [str(root), "--from", "ava_samples", "--out", str(tmp_path / "people.sqlite")]
    assert convert_tool(start) == 2
    assert (
        "boxes in pixels need the films; give the data set with --videos" in capsys.readouterr().err
    )
    assert convert_tool([*start, "--videos", config]) == 2
    assert "the films of all 8 videos are missing, the first is" in capsys.readouterr().err
