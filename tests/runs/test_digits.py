"""Digits through training, test, drawing and preview."""

import json

import cv2
import pytest

from stn_action.config.schema import load_config
from stn_action.errors import InputError
from tests.digit_tree import write_digits
from tools.benchmark import main as benchmark_tool
from tools.evaluate import main as evaluate_tool
from tools.predict import main as predict_tool
from tools.preview import main as preview_tool
from tools.train import main as train_tool
from tools.visualize import main as visualize_tool

CONFIG = "configs/paper/mnist_st_cnn.yaml"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits"), train=300, test=40)


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train_tool([
        CONFIG, f"data.root={root}", "data.official=false", "train.batch_size=50",
        "train.max_steps=30", "train.epochs=5", "optim.momentum=0.9", "optim.lr=0.05",
        "train.eval_interval=5", f"train.output_dir={folder / 'out'}", "data.distortion=R",
    ])  # fmt: skip
    return folder / "out"


def test_training_learns_and_the_line_says_what(run):
    result = json.loads((run / "test.json").read_text())
    assert result["protocol"] == (
        "mnist (subset: 300 train, 40 test digits): 40 digits, distorted by R, on 28x28"
    )
    assert result["top1"] > 0.2  # of ten classes


def test_a_test_of_the_checkpoint_gives_the_same(run, capsys):
    evaluate_tool(["--checkpoint", str(run / "last.pt")])
    top1 = json.loads((run / "test.json").read_text())["top1"]
    assert f"top-1 {100 * top1:.1f}%" in capsys.readouterr().out


def test_digits_are_drawn_on_one_sheet(run, tmp_path, capsys):
    visualize_tool([
        "--checkpoint", str(run / "last.pt"), "test", "--out", str(tmp_path), "--limit", "5"
    ])  # fmt: skip
    assert capsys.readouterr().out.split() == [str(tmp_path / "digits.png")]
    sheet = cv2.imread(str(tmp_path / "digits.png"))
    assert sheet is not None
    assert sheet.shape[0] > 2 * 112  # two rows
    assert len({tuple(color) for color in sheet.reshape(-1, 3).tolist()}) > 50
    more = ["test", "--out", str(tmp_path), "--figure"]
    assert visualize_tool(["--checkpoint", str(run / "last.pt"), *more]) == 2
    assert "digits have one sheet, digits.png" in capsys.readouterr().err


def test_an_image_of_the_user_is_predicted(run, root, tmp_path, capsys):
    image = tmp_path / "seven.png"
    cv2.imwrite(str(image), 255 * (cv2.getGaussianKernel(40, 5) > 0.01).astype("uint8"))
    predict_tool(["--checkpoint", str(run / "last.pt"), str(image)])
    assert "seven" in capsys.readouterr().out


def test_the_sum_of_two_digits_is_learned_behind_two_transformers(root, tmp_path):
    train_tool([
        "configs/paper/mnist_addition_2st_fcn.yaml", f"data.root={root}", "data.official=false",
        "train.batch_size=50", "train.max_steps=4", f"train.output_dir={tmp_path / 'out'}",
    ])  # fmt: skip
    result = json.loads((tmp_path / "out/test.json").read_text())
    assert result["protocol"].endswith("40 pairs of digits, distorted by RTS, on 42x42")
    visualize_tool([
        "--checkpoint", str(tmp_path / "out/last.pt"), "test", "--out", str(tmp_path),
        "--limit", "1",
    ])  # fmt: skip
    sheet = cv2.imread(str(tmp_path / "digits.png"))
    assert sheet is not None
    # of two heads the grid at the start, that after training and what it gives
    assert sheet.shape[1] == 2 * 3 * (126 + 24)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_preview_shows_several_epochs(root, tmp_path, part):
    preview_tool([
        CONFIG, f"data.root={root}", "data.official=false", "data.distortion=RTS",
        "data.crop.size=42", "--part", part, "--limit", "2", "--draws", "3", "--out", str(tmp_path),
    ])  # fmt: skip
    sheet = cv2.imread(str(tmp_path / "digits.png"))
    assert sheet is not None
    columns = 3 if part == "train" else 1  # those of a test are fixed
    assert sheet.shape[1] == columns * (126 + 9)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.clip.num_frames=8", "data.clip.num_frames: expected 1 .* got 8"),
        ("data.people=x", "data.people: expected null with data.name mnist"),
        ("eval.num_clips=10", "eval.num_clips: expected 1"),
        ("data.name=ucf101", "data.distortion R: expected null with data.name ucf101"),
        ("data.distortion=X", "expected 'R', 'RTS', 'P', 'E' or 'TC', got 'X'"),
    ],
)
def test_settings_of_videos_are_refused(setting, message):
    with pytest.raises(InputError, match=message):
        load_config(CONFIG, [setting])


def test_the_table_of_the_paper_names_a_cell_once_and_counts_finished_ones(tmp_path, capsys):
    benchmark_tool(["paper_mnist", "--list", "--out", str(tmp_path)])
    commands = capsys.readouterr().out.splitlines()
    assert len(commands) == len(set(commands)) == 5 * 8 + 2 * 5 * 2 + 4
    for command in commands:
        words = command.split()[2:]
        config = load_config(words[0], words[1:])
        size = config.data.crop.size[0]
        assert config.model.backbone.removesuffix("_half").endswith(f"_{size}")
    (tmp_path / "TC/fcn_seed0").mkdir(parents=True)
    (tmp_path / "TC/fcn_seed0/last.pt").touch()
    benchmark_tool([
        "paper_mnist", "--networks", "fcn", "--distortions", "TC", "--list", "--out", str(tmp_path)
    ])  # fmt: skip
    assert capsys.readouterr().out.strip().endswith(f"{tmp_path}/TC/fcn_seed0 --resume")
    for seed, accuracy in enumerate((0.98, 0.99)):
        folder = tmp_path / "R" / f"cnn_seed{seed}"
        folder.mkdir(parents=True)
        (folder / "test.json").write_text(json.dumps({"top1": accuracy}))
    benchmark_tool([
        "paper_mnist", "--networks", "cnn", "--distortions", "TC", "--list", "--out", str(tmp_path)
    ])  # fmt: skip
    assert len(capsys.readouterr().out.splitlines()) == 3
    from benchmarks.paper_mnist import table

    assert next(line for line in table(tmp_path) if "| cnn" in line).split(" | ")[1] == (
        "1.50 ± 0.71 (1.2)"
    )
