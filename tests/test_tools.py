"""The tools from their command lines: a checkpoint evaluated, asked and looked into."""

import importlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import pytest

from stn_action.video.backend_table import open_video
from stn_action.visualize.legend import head_color
from tests.person.scene import crossing, write_damaged_scene
from tests.tiny import rows_of, tiny_settings, write_config
from tools.evaluate import main as evaluate
from tools.predict import main as predict
from tools.train import main as train
from tools.visualize import main as visualize

ROOT = Path(__file__).parents[1]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))


@pytest.fixture
def checkpoint(tiny_run) -> str:
    return str(tiny_run.folder / "last.pt")


def color_pixels(path: Path, head: int) -> int:
    image = cv2.imread(str(path))[..., ::-1]
    return int((image == head_color(head)).all(-1).sum())


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_answers_help(name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [f"tools/{name}.py", "--help"])
    with pytest.raises(SystemExit, match=r"^0$"):
        importlib.import_module(f"tools.{name}").main()
    assert capsys.readouterr().out.startswith("usage: ")


def test_a_wrong_command_line_ends_with_status_2(capsys, checkpoint):
    for tool, arguments in {
        train: [],
        evaluate: ["--checkpoint", checkpoint, "a.yaml", "b.yaml"],
        predict: ["--checkpoint", checkpoint],
        visualize: ["--checkpoint", checkpoint, "--out", "x", "--limit", "0", "test"],
    }.items():
        with pytest.raises(SystemExit, match=r"^2$"):
            tool(arguments)
    assert predict(["--checkpoint", checkpoint, "eval.num_clips=1"]) == 2
    assert "error: no video is given; give a video, a folder" in capsys.readouterr().err


def test_print_config_prints_what_can_be_read_again(tiny_data, tmp_path, capsys):
    file = write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data))
    assert train([str(file), "optim.lr=7e-4", "--print-config"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "again.yaml").write_text(printed)
    assert train([str(tmp_path / "again.yaml"), "--print-config"]) == 0
    assert capsys.readouterr().out == printed
    assert "lr: 0.0007" in printed


def test_a_run_from_a_shell_writes_its_command_down(tiny_data, tmp_path):
    file = write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data))
    command = [
        str(file),
        f"train.output_dir={tmp_path / 'run'}",
        "train.max_steps=1",
        "model.focus=null",
    ]
    done = subprocess.run(
        [sys.executable, "tools/train.py", *command],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "written to" in done.stdout
    started = json.loads((tmp_path / "run/run.json").read_text())
    assert started["command"] == " ".join(["python", "tools/train.py", *command])


def test_a_checkpoint_is_evaluated_as_in_its_run(tiny_run, checkpoint, tmp_path, capsys):
    assert evaluate(["--checkpoint", checkpoint, "--out", str(tmp_path / "out")]) == 0
    for name in ("test.json", "test_predictions.csv", "test_confusion.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tiny_run.folder / name).read_bytes()
    text = capsys.readouterr().out
    assert text.splitlines()[0] in tiny_run.printed
    arguments = [
        "--checkpoint",
        checkpoint,
        "eval.num_clips=3",
        "eval.num_crops=2",
        "data.people=null",
    ]
    assert evaluate([*arguments, "--out", str(tmp_path / "other")]) == 0
    assert "3 clips x 2 crops, whole frame" in capsys.readouterr().out


def test_other_classes_than_the_checkpoints_are_refused(checkpoint, tiny_data, tmp_path, capsys):
    data = shutil.copytree(tiny_data, tmp_path / "data")
    for part in ("train", "test"):
        shutil.rmtree(data / part / "right")
    assert evaluate(["--checkpoint", checkpoint, f"data.root={data}"]) == 2
    assert (
        "was trained on 3 classes (down, left, right, ...), folders has 2 classes "
        "(down, left, ...); evaluate on the data set it was trained on"
    ) in capsys.readouterr().err


@pytest.mark.parametrize("tool", [evaluate, predict, visualize])
def test_what_is_no_checkpoint_is_refused(tool, checkpoint, tmp_path, capsys):
    files = {
        "letter.pt": b"Dear reader,\n",
        "cut.pt": Path(checkpoint).read_bytes()[:50_000],
        "empty.pt": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("a.txt", "nothing")
    more = {evaluate: [], predict: ["test"], visualize: ["test", "--out", str(tmp_path / "out")]}
    for name in (*files, "zip.pt", "missing.pt"):
        assert tool(["--checkpoint", str(tmp_path / name), *more[tool]]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {tmp_path / name}: ")
        assert "checkpoint" in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.focus.at=stage9", "the backbone has no stage 'stage9'"),
        ("model.focus.at=stage9", "Stages: stem, stage1, stage2, stage3"),
        ("model.focus.head=2", "did you mean model.focus.heads?"),
        ("optim.lr=fast", "optim.lr: expected a number"),
        ("data.fold=all", "data.fold=all: folders has one fold only"),
        ("model.backbone=resnet", "expected one of torchvision/r3d_18, "),
    ],
)
def test_a_wrong_setting_ends_training_at_once(tiny_data, tmp_path, capsys, setting, message):
    file = write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data))
    assert train([str(file), f"train.output_dir={tmp_path / 'run'}", setting]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.focus.heads=3", "the weights do not fit the configured model: .* Leave model"),
        ("model.focus.at=stage9", "no stage 'stage9'"),
        ("data.fold=all", "data.fold=all: one fold is needed here; give its number"),
        ("data.rot=x", r"last.pt: .*data.rot|override 'data.rot=x'"),
        ("no_such_file.yaml", "no_such_file.yaml"),
    ],
)
def test_a_wrong_setting_ends_an_evaluation(checkpoint, capsys, setting, message):
    assert evaluate(["--checkpoint", checkpoint, setting]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert re.search(message, error)


def test_videos_are_predicted_by_file_folder_and_split(checkpoint, tiny_data, capsys):
    file = str(tiny_data / "test/left/0.mp4")
    assert predict(["--checkpoint", checkpoint, file, "--top", "2"]) == 0
    assert re.fullmatch(rf"{file}: \w+ [\d.]+%  \w+ [\d.]+%\n", capsys.readouterr().out)
    folder = str(tiny_data / "test/left")
    assert predict(["--checkpoint", checkpoint, folder, "--json", "data.people=null"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(answer["video"]).name for answer in answers] == ["0.mp4", "1.mp4"]
    assert sum(value for _, value in answers[0]["top"]) == pytest.approx(1, abs=1e-5)
    assert predict(["--checkpoint", checkpoint, "test", "--json"]) == 0
    told = [json.loads(line)["top"][0][0] for line in capsys.readouterr().out.splitlines()]
    rows = rows_of(Path(checkpoint).parent / "test_predictions.csv")
    assert told == [row["predicted"] for row in rows]


def test_videos_without_person_boxes_are_counted(checkpoint, tiny_data, tmp_path, capsys):
    names = [str(shutil.copy(tiny_data / f"test/left/{i}.mp4", tmp_path)) for i in (0, 1)]
    note = f"note: 2 of 3 videos have no person boxes in {tiny_data / 'people'}, so their whole"
    known = str(tiny_data / "test/left/0.mp4")
    boxes = f"data.people={tiny_data / 'people'}"
    assert predict(["--checkpoint", checkpoint, *names, known, boxes]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(note)
    assert len(captured.out.splitlines()) == 3
    assert predict(["--checkpoint", checkpoint, *names, known, "data.people=null"]) == 0
    assert capsys.readouterr().err == ""
    assert predict(["--checkpoint", checkpoint, known]) == 0
    assert "they are not opened unless you ask for them, so whole" in capsys.readouterr().err
    assert predict(["--checkpoint", checkpoint, "test"]) == 0
    assert capsys.readouterr().err == ""


def test_a_file_with_an_equals_sign_in_its_name_is_a_video(
    checkpoint, tiny_data, tmp_path, capsys, monkeypatch
):
    shutil.copy(tiny_data / "test/left/0.mp4", tmp_path / "a=b.mp4")
    monkeypatch.chdir(tmp_path)
    arguments = ["--checkpoint", checkpoint, "a=b.mp4", "data.people=null", "eval.num_clips=1"]
    assert predict(arguments) == 0
    assert capsys.readouterr().out.startswith("a=b.mp4: ")
    assert predict([*arguments, "b=c.mp4"]) == 2
    assert "error: b=c.mp4: there is no such file, and 'b' is no setting" in capsys.readouterr().err


def test_an_unreadable_video_is_reported_and_the_rest_predicted(
    checkpoint, tiny_data, tmp_path, capsys
):
    (tmp_path / "broken.mp4").write_bytes(b"")
    names = [str(tmp_path / "broken.mp4"), str(tiny_data / "test/left/0.mp4")]
    assert predict(["--checkpoint", checkpoint, *names]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{names[0]}: {names[0]}: the video file is empty")
    assert re.fullmatch(rf"{names[1]}: (\w+ [\d.]+%  ){{2}}\w+ [\d.]+%", second)
    assert predict(["--checkpoint", checkpoint, names[0]]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error: no video can be predicted, 1 failed; the first: " in captured.err


@pytest.mark.parametrize("tool", [predict, visualize])
def test_a_video_that_is_not_there_is_named(tool, checkpoint, tmp_path, capsys):
    more = ["--out", str(tmp_path / "out")] if tool is visualize else []
    (tmp_path / "empty").mkdir()
    assert tool(["--checkpoint", checkpoint, "nowhere.mp4", *more]) == 2
    assert "error: nowhere.mp4: no such file or folder; give a video" in capsys.readouterr().err
    assert tool(["--checkpoint", checkpoint, str(tmp_path / "empty"), *more]) == 2
    assert f"error: {tmp_path / 'empty'}: there is no video below" in capsys.readouterr().err


def test_images_show_each_heads_window_and_videos_all_frames(
    checkpoint, tiny_data, tmp_path, capsys
):
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"not a video")
    names = [str(tiny_data / "test/left/0.mp4"), str(broken), str(tiny_data / "test/right/0.mp4")]
    out = tmp_path / "out"
    assert visualize(["--checkpoint", checkpoint, *names, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert f"{broken}: {broken}: no backend can read this video" in text
    images = sorted(out.glob("*.png"))
    assert len(images) == len(sorted(out.glob("*.mp4"))) == 2  # though both are called 0
    assert all(str(path) in text for path in out.iterdir())
    for image in images:
        assert color_pixels(image, 0) > 50
        assert color_pixels(image, 1) > 50
        assert color_pixels(image, 2) == 0  # there are two heads
    with open_video(sorted(out.glob("*.mp4"))[0]) as drawn, open_video(names[0]) as source:
        assert len(drawn) == len(source) == 12
        assert (drawn.fps, source.fps) == (10, 10)


@pytest.mark.parametrize("kind", ["people", "regions"])
def test_odd_boxes_are_a_failure_of_their_video(checkpoint, tiny_data, tmp_path, kind, capsys):
    """Boxes of people keep a video from being predicted, regions from being drawn."""
    shutil.copytree(tiny_data / kind, tmp_path / kind)
    odd = tmp_path / kind / "test/down/0.csv"
    late = kind == "people"
    odd.write_text(f"frame,x0,y0,x1,y1\n{99 if late else 0},1,2,30,{40 if late else -40}\n")
    arguments = ["--checkpoint", checkpoint, f"data.{kind}={tmp_path / kind}", "test"]
    out = tmp_path / "out"
    assert visualize([*arguments, "--limit", "2", "--no-mp4", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert f"{tiny_data / 'test/down/0.mp4'}: {odd}" in text
    assert [path.name for path in out.glob("*.png")] == ["test_left_1.png"]


def test_a_damaged_video_is_drawn_as_far_as_it_decodes(checkpoint, tmp_path):
    path = write_damaged_scene(tmp_path / "odd.mp4", crossing())
    out = tmp_path / "out"
    assert visualize(["--checkpoint", checkpoint, str(path), "--out", str(out)]) == 0
    with open_video(*out.glob("*.mp4")) as drawn, open_video(path) as source:
        assert len(drawn) == sum(1 for _ in source.stream()) < 60


def test_a_split_is_drawn_up_to_the_limit(checkpoint, tmp_path):
    arguments = ["--checkpoint", checkpoint, "test", "--out", str(tmp_path), "--no-mp4"]
    assert visualize([*arguments, "--limit", "3"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "test_down_0.png", "test_left_0.png", "test_right_0.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "heads"),
    [
        ("model.focus.theta_per=step", 2),
        ("model.focus.glimpse=tail", 2),
        ("model.focus.transform=affine", 2),
        ("model.focus.heads=0", 0),
        ("model.focus=null", 0),
    ],
)
def test_every_kind_of_network_goes_all_the_way(tiny_data, tmp_path, capsys, setting, heads):
    settings = tiny_settings(tiny_data, "train.max_steps=1", setting)
    if "glimpse" in setting:
        settings.append("model.focus.at=stage2")
    run = tmp_path / "run"
    assert train([str(write_config(tmp_path / "a.yaml", settings)), f"train.output_dir={run}"]) == 0
    checkpoint = ["--checkpoint", str(run / "last.pt")]
    assert evaluate(checkpoint) == 0
    assert (run / "evaluation/test.json").read_bytes() == (run / "test.json").read_bytes()
    assert ("regions" in json.loads((run / "test.json").read_text())) == (heads > 0)
    video = str(tiny_data / "test/left/0.mp4")
    assert visualize([*checkpoint, video, "--out", str(tmp_path / "out")]) == 0
    (sheet,) = (tmp_path / "out").glob("*test_left_0.png")
    shown = [color_pixels(sheet, head) > 20 for head in range(3)]
    assert shown == [head < heads for head in range(3)]


def test_the_sample_data_set_is_generated(tmp_path, capsys):
    make_sample = importlib.import_module("tools.make_sample").main
    arguments = ["--out", str(tmp_path / "sample"), "--clips-per-class", "1", "1"]
    assert make_sample([*arguments, "--workers", "0"]) == 0
    assert f"written to {tmp_path / 'sample'}" in capsys.readouterr().out
    assert len(list((tmp_path / "sample").rglob("*.mp4"))) == 12


def test_the_sign_set_is_generated_by_its_dials(tmp_path, capsys):
    make_sample = importlib.import_module("tools.make_sample").main
    arguments = ["--out", str(tmp_path / "signs"), "--clips-per-class", "1", "1", "--workers", "0"]
    assert make_sample([*arguments, "--region-share", "1/100", "--distractors", "3"]) == 0
    settings = json.loads((tmp_path / "signs" / "sample.json").read_text())["settings"]
    assert (settings["region_share"], settings["distractors"]) == (0.01, 3)
    with pytest.raises(SystemExit, match="2"):
        make_sample([*arguments, "--distractors", "1"])
    assert "--distractors belongs to the sign set" in capsys.readouterr().err


def test_a_phase_diagram_is_made_of_generated_sets(tmp_path, capsys):
    phase_diagram = importlib.import_module("tools.phase_diagram").main
    arguments = [
        str(Path("configs/phase.yaml").resolve()), "data.num_workers=0", "data.crop.size=32",
        "model.backbone=small3d", "model.weights=none", "model.freeze_until=stage3",
        "model.focus.at=stage3", "model.features_from=null", "train.max_steps=2",
        "data.clip.num_frames=4", "data.clip.stride=1", "--out", str(tmp_path), "--workers", "0",
        "--regions", "1/9", "--distractors", "1", "--clips", "2", "--test-clips", "1",
        "--readouts", "mean,windows", "--seeds", "0",
    ]  # fmt: skip
    assert phase_diagram(arguments) == 0
    assert "| 1/9 | 1 | 2 |" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cells", "phase.md", "phase.png", "phase.svg",
    ]  # fmt: skip
    (cell,) = (tmp_path / "cells").iterdir()
    arms = json.loads(cell.read_text())["arms"]
    assert set(arms) == {"mean", "windows", "tight box"}
    assert all(len(arm["correct"][0]) == 4 for arm in arms.values())
    assert arms["mean"]["effective_area"] == [1]
    assert arms["windows"]["parameters"] > arms["mean"]["parameters"]
    assert phase_diagram([*arguments, "--distractors", "5"]) == 2
    assert "--distractors: expected different values, 0 to 3: 5" in capsys.readouterr().err
