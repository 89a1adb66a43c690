"""A configuration for videos of your own: what is chosen, that it works, and what is refused."""

import shlex
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest

from stn_action.config.schema import Config, load_config
from stn_action.data.listing import Listing
from stn_action.data.video_table import Video, VideoTable
from stn_action.jobs.video_survey import PeopleSample, Survey, VideoFacts
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.video_people import VideoPeople
from stn_action.runs.own_config import own_config_text
from stn_action.runs.own_settings import OwnVideos, yaml_value
from tests.person.scene import standing, write_scene
from tools.init import main as init
from tools.preview import main as preview
from tools.train import main as train

PLAIN = ["--weights", "none", "--detector", "none"]
FAST = [
    "data.crop.size=32", "data.clip.num_frames=4", "data.num_workers=0", "train.epochs=1",
    "eval.num_clips=1",
]  # fmt: skip


@pytest.fixture
def working(tmp_path, monkeypatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tools/init.py"])
    return tmp_path


@pytest.fixture
def scenes(working) -> Path:
    """Two classes with two videos each, which show a person."""
    for name in ("kick/a", "kick/b", "wave/a", "wave/b"):
        file = working / "MY_VIDEOS" / f"{name}.mp4"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_scene(file, standing(6))
    return working / "MY_VIDEOS"


def test_the_printed_commands_work_as_they_stand_with_the_one_file(scenes, capsys):
    assert init(["MY_VIDEOS", *PLAIN]) == 0
    printed = capsys.readouterr().out
    assert "MY_VIDEOS: 4 videos of 2 classes, 4 train (no test part): kick 2, wave 2" in printed
    assert "it tests on folders, fold 1 of 2 by group: 2 videos" in printed
    commands = [line.split("python tools/")[1] for line in printed.splitlines() if "tools/" in line]
    assert [command.split(".")[0] for command in commands] == [
        "check_videos", "preview", "train", "evaluate", "visualize", "predict",
    ]  # fmt: skip
    more = {"preview": FAST, "train": FAST, "visualize": ["--no-mp4", "--limit", "1"]}
    for command in commands:
        file, *arguments = shlex.split(command)
        name = file.removesuffix(".py")
        main = import_module(f"tools.{name}").main
        assert main([*arguments, *more.get(name, [])]) == 0, command
    assert Path("runs/MY_VIDEOS/test.json").is_file()
    assert Path("MY_VIDEOS_manifest.tsv").is_file()


def test_people_are_searched_for_and_the_detection_is_printed(scenes, capsys):
    detector = "python:tests.person.scene:ColorDetector"
    arguments = ["MY_VIDEOS", "--weights", "none", "--detector", detector, "--out", "a b/own.yaml"]
    assert init(arguments) == 0
    printed = capsys.readouterr().out
    assert "people: found in frames of 4 of 4 videos" in printed
    detect = f"detect_people.py 'a b/own.yaml' --detector {detector} --out 'a b/own_people.sqlite'"
    assert detect in printed
    assert "MY_VIDEOS/kick/a.mp4 'data.people=a b/own_people.sqlite'\n" in printed
    config = load_config("a b/own.yaml")
    assert (config.data.people, config.data.folds) == (Path("a b/own_people.sqlite"), 2)
    assert config.train.output_dir == Path("runs/own")
    shutil.rmtree(scenes / "wave")
    assert init(arguments) == 2
    assert "error: a b/own.yaml: this file exists; --force replaces it" in capsys.readouterr().err


def test_a_split_and_boxes_that_are_there_are_used(tiny_data, working, capsys):
    (working / "tiny").symlink_to(tiny_data)
    for part in ("train", "test"):  # without the folders beside them
        (working / "MINE").mkdir(exist_ok=True)
        (working / "MINE" / part).symlink_to(tiny_data / part)
    assert init(["MINE", "--weights", "none", "--people", "tiny/people"]) == 0
    assert "people: tiny/people has boxes in 17 of 18 videos" in capsys.readouterr().out
    config = load_config("MINE.yaml")
    assert (config.data.folds, config.data.people) == (None, Path("tiny/people"))


def test_a_list_with_several_labels_is_tested_by_its_metric(scenes, capsys):
    rows = ["a/1,kick;wave,ann", "a/2,kick,ann", "b/1,kick;wave,bob", "b/2,wave,bob"]
    files = dict(zip(["a/1", "a/2", "b/1", "b/2"], sorted(scenes.rglob("*.mp4")), strict=True))
    cells = [row.split(",", 1) for row in rows]
    Path("list.csv").write_text(
        "path,label,group\n" + "".join(f"{files[name]},{rest}\n" for name, rest in cells)
    )
    assert init(["list.csv", *PLAIN]) == 0
    config = load_config("list.yaml")
    assert (config.data.name, config.data.root) == ("csv", Path("list.csv"))
    assert (config.train.monitor, config.data.folds) == ("mean_ap", 2)


def test_a_preview_takes_the_folder_itself_and_training_names_the_remedy(scenes, capsys):
    assert preview(["MY_VIDEOS", *FAST[:3], "--out", "out", "--limit", "1", "--draws", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == ["out/01_kick_b.png", "out/overview.png"]
    assert train(["MY_VIDEOS"]) == 2
    assert "`stn-action init MY_VIDEOS` writes one" in capsys.readouterr().err


def remove_a_class(root: Path) -> None:
    shutil.rmtree(root / "wave")


def leave_one_video(root: Path) -> None:
    (root / "wave/a.mp4").unlink()


def add_a_copy(root: Path) -> None:
    shutil.copy(root / "wave/a.mp4", root / "wave/a.avi")


def empty_all(root: Path) -> None:
    for file in root.rglob("*.mp4"):
        file.write_bytes(b"")


def remove_all(root: Path) -> None:
    for file in root.rglob("*.mp4"):
        file.unlink()


def put_a_file_in_the_way(root: Path) -> None:
    (root.parent / "out").touch()


def do_nothing(root: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "more", "message"),
    [
        (remove_a_class, [], "kick is the only class"),
        (leave_one_video, [], "MY_VIDEOS: wave has one video; each class needs one to train on"),
        (add_a_copy, [], "2 videos differ in the suffix alone, MY_VIDEOS/wave/a.avi, MY_VID"),
        (remove_all, [], "there is no video of the class kick, wave; put videos"),
        (empty_all, [], "none of the 4 videos can be read; the first is kick/a: "),
        (put_a_file_in_the_way, ["--out", "out/own.yaml"], "out/own.yaml: cannot be written"),
        (do_nothing, ["--weights", "nowhere.pt"], "model.weights: no file nowhere.pt"),
        (do_nothing, ["--detector", "onnx:nowhere.onnx"], "nowhere.onnx"),
        (do_nothing, ["--people", "nowhere"], "--people: nowhere does not exist"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_with_one_message(
    scenes, capsys, spoil, more, message
):
    spoil(scenes)
    assert init(["MY_VIDEOS", *PLAIN, *more]) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert message in error
    assert not list(Path().glob("*.yaml"))


def test_other_things_than_videos_are_refused(scenes, capsys):
    Path("notes.txt").touch()
    for given, message in {
        "notes.txt": "expected a folder of class",
        "x": "no such folder",
    }.items():
        assert init([given, *PLAIN]) == 2
        assert message in capsys.readouterr().err


def test_without_any_person_the_remedy_is_named(scenes, capsys):
    detector = "python:tests.runs.test_own_config:Blind"
    assert init(["MY_VIDEOS", "--weights", "none", "--detector", detector]) == 2
    assert "no person was found in frames of 4 of the videos" in capsys.readouterr().err
    people = PeopleFile.create("people.sqlite", "hand")
    for name in ("kick/a", "kick/b", "wave/a", "wave/b"):
        people.add(VideoPeople(name, ()))
    assert init(["MY_VIDEOS", "--weights", "none", "--people", "people.sqlite"]) == 2
    assert "has a person in none of the 4 videos" in capsys.readouterr().err


class Blind:
    """A detector that finds no person."""

    name = "blind"

    def detect(self, frames):
        from stn_action.person.detectors.detector_base import Detections

        return [Detections(frames.new_zeros(0, 4), frames.new_zeros(0)) for _ in frames]


def own(classes: dict[str, int], facts: list[VideoFacts], **given) -> OwnVideos:
    videos = [
        Video(f"{name}/{number}", Path(f"{name}/{number}.mp4"), label, f"{name}/{number}")
        for label, (name, count) in enumerate(classes.items())
        for number in range(count)
    ]
    listing = Listing("folders", tuple(classes), VideoTable(videos), VideoTable(), VideoTable())
    settings = {
        "people": "boxes.sqlite", "people_reason": "", "sample": None, "weights": "imagenet",
        "weights_reason": "", "manifest": "m.tsv", "output_dir": "runs/own", **given,
    }  # fmt: skip
    return OwnVideos("folders", "mine", listing, Survey(facts=facts), **settings)


def chosen(videos: OwnVideos, working: Path) -> Config:
    (working / "own.yaml").write_text(own_config_text(videos))
    return load_config(working / "own.yaml")


SHORT = VideoFacts(60, 30.0, (120, 160))
LONG = VideoFacts(900, 30.0, (720, 1280))


def test_many_short_videos(working):
    sample = PeopleSample(6, [], 1, 130)
    config = chosen(own({"kick": 100, "wave": 50}, [SHORT], sample=sample), working)
    assert (config.data.folds, config.data.val_share) == (5, 0.2)
    assert (config.data.clip.sampling, config.data.clip.num_frames) == ("segment", 8)
    assert config.data.crop.size == (224, 224)  # 1.5 x 130 = 195
    assert (config.train.batch_size, config.train.epochs) == (16, 60)  # 96 clips: 6 steps
    assert (config.train.eval_interval, config.train.cache_features) == (5, True)
    assert config.data.augment.hflip == 0.5


def test_clips_of_long_videos_span_two_seconds_and_fit_nine_of_ten(working):
    config = chosen(own({"kick": 3, "wave": 9}, [LONG] * 20), working)
    assert (config.data.clip.sampling, config.data.clip.stride) == ("dense", 8)  # 60 / 8 frames
    assert (config.data.folds, config.data.val_share) == (3, 0.0)
    few = [VideoFacts(30, 30.0, (720, 1280))] * 3 + [LONG] * 17
    config = chosen(own({"kick": 3, "wave": 9}, few), working)
    assert config.data.clip.stride == (30 - 1) // 7
    assert config.data.crop.size == (224, 224)  # at most


def test_few_frames_and_small_ones(working):
    config = chosen(own({"kick": 3, "wave": 3}, [VideoFacts(5, 10.0, (90, 120))]), working)
    assert config.data.clip.num_frames == 5
    assert config.data.crop.size == (160, 160)  # at least


def test_directions_are_not_mirrored_and_a_small_trunk_learns_from_scratch(working):
    videos = own({"turn_left": 3, "turn_Right": 3}, [SHORT], weights=None, people=None)
    config = chosen(videos, working)
    assert config.data.augment.hflip == 0
    assert (config.model.backbone, config.model.weights) == ("small3d", None)
    assert (config.data.clip.sampling, config.data.people) == ("dense", None)
    assert chosen(own({"bright": 3, "leftover": 3}, [SHORT]), working).data.augment.hflip == 0.5


@pytest.mark.parametrize("text", ["null", "12", "a: b", "#x", "x" * 60 + " " + "y" * 60, 'a"b'])
def test_odd_paths_are_quoted_on_one_line(text, working):
    assert "\n" not in yaml_value(text)
    config = chosen(own({"kick": 3, "wave": 3}, [SHORT], output_dir=text), working)
    assert config.train.output_dir == Path(text)
