"""Sweeps of checkpoints: values tested as they would be alone, none twice, wrong ones refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from stn_action.config.schema import load_config
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.errors import InputError
from stn_action.runs.checkpoint_test import evaluate_checkpoint
from stn_action.runs.folds import train_folds
from stn_action.runs.sweep_plan import parse_sweep
from stn_action.runs.test_sweep import SweepRow, draw_sweep, sweep_checkpoints
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint, save_checkpoint
from tests.tiny import rows_of, tiny_config, tiny_settings
from tests.ucf101_tree import write_ucf101

QUIET = Console(quiet=True)
FAST = ["eval.num_clips=1", "eval.shuffled_theta=false"]
LOOSE = "data.crop.looseness"


@pytest.fixture
def checkpoint(tiny_run) -> Path:
    return tiny_run.folder / "last.pt"


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}


def test_each_value_is_tested_as_it_would_be_alone(checkpoint, tmp_path):
    overrides = ["eval.num_clips=1"]
    rows = sweep_checkpoints([checkpoint], f"{LOOSE}=0,1", None, overrides, tmp_path, console=QUIET)
    assert [(row.checkpoint, row.value, row.found) for row in rows] == [
        ("run", "0", False), ("run", "1", False),
    ]  # fmt: skip
    evaluate_checkpoint(checkpoint, None, [*overrides, f"{LOOSE}=1"], tmp_path / "alone")
    alone = json.loads((tmp_path / "alone/test.json").read_text())
    assert rows[1].numbers == alone
    assert "looseness 1," in alone["protocol"]
    predictions = (tmp_path / "alone/test_predictions.csv").read_bytes()
    assert (tmp_path / "run/1/test_predictions.csv").read_bytes() == predictions
    assert (tmp_path / "run/0/test_predictions.csv").read_bytes() != predictions


def test_table_protocols_and_curve_are_written(checkpoint, tmp_path):
    rows = sweep_checkpoints([checkpoint], f"{LOOSE}=0,1", None, FAST, tmp_path, console=QUIET)
    table = rows_of(tmp_path / "sweep.csv")
    assert list(table[0]) == ["checkpoint", LOOSE, "top1", "top5", "mean_class", "protocol"]
    assert [float(line["top1"]) for line in table] == [
        pytest.approx(row.numbers["top1"], abs=1e-6) for row in rows
    ]
    written = json.loads((tmp_path / "sweep.json").read_text())
    assert written["key"] == LOOSE
    assert [row["value"] for row in written["rows"]] == ["0", "1"]
    assert "looseness 0," in written["rows"][0]["protocol"]
    assert (tmp_path / "sweep.png").stat().st_size > 1000
    assert (tmp_path / "sweep.svg").stat().st_size > 1000


def test_what_was_tested_under_the_same_settings_is_not_tested_again(checkpoint, tmp_path):
    def sweep(values: str, *more: str) -> list[bool]:
        rows = sweep_checkpoints(
            [checkpoint], f"{LOOSE}={values}", None, [*FAST, *more], tmp_path, console=QUIET
        )
        return [row.found for row in rows]

    assert sweep("0,1") == [False, False]
    before = times(tmp_path / "run")
    assert sweep("0,0.5,1", "data.num_workers=0") == [True, False, True]
    assert {
        path: time for path, time in times(tmp_path / "run").items() if path in before
    } == before
    assert sweep("0", "data.crop.motion=follow") == [False]  # another experiment
    assert sweep("0,1") == [False, True]
    (tmp_path / "run/1/fingerprint.json").unlink()  # as if interrupted
    assert sweep("1") == [False]


def test_another_checkpoint_in_the_same_place_is_tested_anew(checkpoint, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(checkpoint, run / "last.pt")
    assert not sweep_checkpoints([run], f"{LOOSE}=0", None, FAST, console=QUIET)[0].found
    assert sweep_checkpoints([run], f"{LOOSE}=0", None, FAST, console=QUIET)[0].found
    assert (run / f"sweep_{LOOSE}/sweep.csv").is_file()
    content = load_checkpoint(checkpoint)
    save_checkpoint(run / "last.pt", {**content, "epoch": content["epoch"] + 1})
    assert not sweep_checkpoints([run], f"{LOOSE}=0", None, FAST, console=QUIET)[0].found


def test_several_checkpoints_give_a_curve_each(checkpoint, tmp_path):
    for name in ("heads", "no_heads"):
        (tmp_path / name).mkdir()
        shutil.copy(checkpoint, tmp_path / name / "last.pt")
    shutil.copy(checkpoint, tmp_path / "best.pt")
    given = [tmp_path / "heads/last.pt", tmp_path / "no_heads", tmp_path / "best.pt"]
    rows = sweep_checkpoints(
        given, "data.tubes.select=longest,union", None, FAST, tmp_path / "out", console=QUIET
    )
    names = ["heads", "no_heads", "best"]
    assert [row.checkpoint for row in rows] == [name for name in names for _ in range(2)]
    assert [row.value for row in rows] == ["longest", "union"] * 3
    with pytest.raises(InputError, match=r"--out: several checkpoints are swept; give the"):
        sweep_checkpoints(given, f"{LOOSE}=0", None, FAST, console=QUIET)


def test_a_run_on_cached_features_is_swept_on_its_videos(tiny_data, tmp_path):
    config = tiny_config(
        tiny_data, "model.freeze_until=stage2", "train.cache_features=true", "train.epochs=1",
        "optim.warmup_epochs=0", "train.cache_views=1", *FAST,
        f"train.cache_folder={tmp_path / 'cache'}", f"train.output_dir={tmp_path / 'run'}",
    )  # fmt: skip
    train(config, console=QUIET)
    run = tmp_path / "run"
    rows = sweep_checkpoints(
        [run], "data.tubes.select=longest,all", None, [f"{LOOSE}=0.5"], console=QUIET
    )
    assert [row.found for row in rows] == [False, False]
    assert "looseness 0.5" in rows[0].numbers["protocol"]
    assert "all, " in rows[1].numbers["protocol"]


@pytest.fixture
def folds(tmp_path, monkeypatch) -> Path:
    """A run over two splits: what one trains on, the other is tested on."""
    monkeypatch.setitem(DATASETS, "ucf101", replace(DATASETS["ucf101"], folds=(1, 2)))
    root = write_ucf101(tmp_path / "ucf101")
    config = load_config(None, [
        *tiny_settings(root), "data.name=ucf101", "data.official=false", "data.fold=all",
        "data.people=null", "data.regions=null", "train.epochs=1", "optim.warmup_epochs=0", *FAST,
        f"train.output_dir={tmp_path / 'run'}",
    ])  # fmt: skip
    train_folds(config, console=QUIET)
    return tmp_path / "run"


def test_folds_are_pooled_as_in_their_run(folds):
    rows = sweep_checkpoints([folds], "eval.num_clips=1,3", console=QUIET)
    assert rows[0].numbers == json.loads((folds / "test.json").read_text())
    predictions = (folds / "test_predictions.csv").read_bytes()
    assert (folds / "sweep_eval.num_clips/run/1/test_predictions.csv").read_bytes() == predictions
    assert rows[1].numbers["protocol"].startswith("ucf101, 2 folds pooled: 6 videos, 0 failed; ")
    assert "3 clips x 1 crops" in rows[1].numbers["protocol"]
    again = sweep_checkpoints(
        [folds], "eval.num_clips=3", str(folds / "config.yaml"), console=QUIET
    )
    assert again[0].numbers == rows[1].numbers  # its data.fold is all


def test_missing_folds_and_empty_folders_are_refused(folds, tmp_path):
    shutil.rmtree(folds / "fold_1")
    message = r"run: 1 of 2 folds have no checkpoint, the first is fold_1/last.pt; finish the run"
    with pytest.raises(InputError, match=message):
        sweep_checkpoints([folds], "eval.num_clips=1", console=QUIET)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: there is no last.pt and no fold_\*/last.pt in"):
        sweep_checkpoints([tmp_path / "empty"], "eval.num_clips=1", console=QUIET)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("foo", r"--sweep 'foo': expected key.sub=value,value, as in data.crop.looseness=0,0.25,1"),
        (f"{LOOSE}=", r"expected key.sub=value,value"),
        (f"{LOOSE}=0,,1", r"expected key.sub=value,value"),
        ("=0,1", r"expected key.sub=value,value"),
        (f"{LOOSE}=0,1,0", r"--sweep data.crop.looseness: 0 is given twice"),
        (f"{LOOSE}=1,1.0", r"--sweep data.crop.looseness: 1 and 1.0 are the same"),
        ("data.crop.losseness=0,1", r"unknown key; did you mean data.crop.looseness\?"),
        (f"{LOOSE}=0,-1", r"'data.crop.looseness=-1'.*greater than or equal to 0, got -1"),
        (f"{LOOSE}=0,much", r"data.crop.looseness: expected a number, got 'much'"),
        ("data.tubes.select=longest,uinon", r"did you mean union\?"),
        ("data.crop.box_error=none,milt", r"box_error: expected none, mild, strong or \{"),
        ("data.crop.box_error=none,null", r"box_error: none and null are the same"),
        ("model.focus.heads=1,2", r"model.focus.heads: a checkpoint was trained with one"),
        ("data.fold=1,2", r"data.fold: a checkpoint was trained with one data.fold"),
        ("optim.lr=0.1,0.2", r"optim.lr: nothing would change, the scores of a test do not"),
        ("data.crop.box_jitter=0,0.1", r"data.crop.box_jitter: nothing would change"),
        ("eval.batch_size=1,2", r"eval.batch_size: nothing would change"),
    ],
)
def test_a_wrong_sweep_is_refused_before_anything_is_tested(checkpoint, tmp_path, sweep, message):
    with pytest.raises(InputError, match=message) as caught:
        sweep_checkpoints([checkpoint], sweep, None, FAST, tmp_path / "out", console=QUIET)
    assert str(caught.value).count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_a_sweep_that_changes_nothing_without_people_is_refused(checkpoint, tmp_path):
    message = (
        r"looseness: nothing would change, data.people is null and whole frames are used; give"
    )
    with pytest.raises(InputError, match=message):
        sweep_checkpoints(
            [checkpoint], f"{LOOSE}=0,1", None, ["data.people=null"], tmp_path, console=QUIET
        )
    with pytest.raises(InputError, match=r"is swept and set to one value; leave data.crop.loosene"):
        sweep_checkpoints([checkpoint], f"{LOOSE}=0,1", None, [f"{LOOSE}=2"], console=QUIET)
    with pytest.raises(InputError, match=r"--checkpoint: .*last.pt is given twice"):
        sweep_checkpoints([checkpoint, checkpoint], f"{LOOSE}=0", None, [], tmp_path, console=QUIET)


def test_values_in_brackets_hold_together():
    assert parse_sweep("data.crop.size=96,[96, 128],128") == (
        "data.crop.size", ["96", "[96, 128]", "128"],
    )  # fmt: skip
    assert parse_sweep(" a.b = 1e-4 , x ") == ("a.b", ["1e-4", "x"])


def chart_of(values: list[str]):
    rows = [
        SweepRow(
            "a", value, {"monitor": "top1", "top1": top1, "protocol": "x: 3 videos; y"}, found=False
        )
        for value, top1 in zip(values, [0.5, 0.7, 0.6], strict=True)
    ]
    return draw_sweep("key", rows).axes[0]


def test_numbers_give_a_curve_and_powers_a_logarithmic_axis():
    near, far = chart_of(["1", "2", "4"]), chart_of(["1", "20", "400"])
    assert near.lines[0].get_xydata().tolist() == [[1, 50], [2, 70], [4, 60]]
    assert (near.get_xscale(), far.get_xscale()) == ("linear", "log")
    assert near.get_xlabel() == "key"
    assert near.figure.get_suptitle() == "x: 3 videos"


def test_words_give_bars():
    words = chart_of(["a", "b", "c"])
    assert [bar.get_height() for bar in words.patches] == pytest.approx([50, 70, 60])
    assert [label.get_text() for label in words.get_xticklabels()] == ["a", "b", "c"]
