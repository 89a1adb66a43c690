"""A probe trains as a run does on the same cache; its grid is resumed, refused, drawn, compared."""

import io
import json
import math
from pathlib import Path

import pytest
import torch
from rich.console import Console

from stn_action.config.schema import Config
from stn_action.errors import InputError
from stn_action.runs.folder import command_line
from stn_action.runs.probe import ProbePlan, run_probe
from stn_action.runs.probe_cell import train_probe
from stn_action.runs.probe_file import write_probe
from stn_action.runs.probe_grid import ProbeCell, parse_arms, settings_of
from stn_action.runs.probe_session import open_session
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint
from tests.tiny import tiny_config, tiny_settings, write_config
from tools.make_sample import main as sample_tool
from tools.probe import main as probe_tool

QUIET = Console(quiet=True)
FROZEN = ("model.freeze_until=stage3", "train.cache_features=true", "train.cache_views=2")


@pytest.fixture(scope="module")
def cache(tiny_data, tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("probe") / "cache"


def probe_config(data: Path, cache: Path, *more: str) -> Config:
    return tiny_config(data, *FROZEN, f"train.cache_folder={cache}", *more)


def plan_of(text: str = "mean,windows", **more) -> ProbePlan:
    variants = more.pop("variants", ())
    arms = parse_arms([name for name in text.split(",") if name], variants)
    return ProbePlan(arms, [3e-3], [1e-3], more.pop("seeds", [0, 1]), **more)


EARLIER = ("train.cache_at=stage2", "model.focus.at=stage2")


@pytest.mark.parametrize(
    ("arm", "more"), [("windows", ()), ("windows", EARLIER), ("attention", ()), ("max", ())]
)
def test_a_probe_ends_with_the_weights_of_a_run_on_the_cache(arm, more, tiny_data, cache, tmp_path):
    # three batches an epoch with different views in each, dropout, warm-up, clipping
    more = (*more, "model.dropout=0.3", "optim.label_smoothing=0.1", "optim.weight_decay=0.05")
    cache = tmp_path / "cache" if EARLIER[0] in more else cache
    config = probe_config(tiny_data, cache, *more, "train.epochs=3")
    session = open_session(config, QUIET)
    setting = settings_of(parse_arms([arm]), [3e-3], [1e-3])[0]
    network = session.network(setting, 0)
    start = [parameter.clone() for parameter in network.parameters()]
    number, loss = train_probe(config, session, network, session.listings[1].train)
    own = tiny_config(
        tiny_data, *FROZEN, f"train.cache_folder={cache}", *more, "train.epochs=3",
        f"model.focus.readout={arm}", f"train.output_dir={tmp_path}",
    )  # fmt: skip
    result = train(own, console=QUIET)
    trained = load_checkpoint(tmp_path / "last.pt")["network"]
    found = {name: p for name, p in network.network.named_parameters() if "trunk" not in name}
    assert number == sum(p.numel() for p in found.values())
    for name, parameter in found.items():
        torch.testing.assert_close(parameter.detach(), trained[name], rtol=1e-3, atol=1e-6)
    losses = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert loss == pytest.approx([line for line in losses if "loss" in line][-1]["loss"], rel=1e-4)
    moved = [not torch.equal(a, b) for a, b in zip(start, network.parameters(), strict=True)]
    assert any(moved)
    assert result.monitor == "top1"


@pytest.fixture(scope="module")
def probed(tiny_data, cache, tmp_path_factory) -> Path:
    """A finished grid, made by the tool; not to be changed."""
    out = tmp_path_factory.mktemp("probed") / "out"
    settings = tiny_settings(tiny_data, *FROZEN, f"train.cache_folder={cache}", "train.epochs=1",
                             "optim.warmup_epochs=0")  # fmt: skip
    file = str(write_config(out.parent / "tiny.yaml", settings))
    options = ["--readouts", "tiles,attention,max,mean", "--seeds", "0", "1", "--out", str(out)]
    assert probe_tool([file, *options, "--variant", "one:heads=1,optim.relative_lr=1e-3"]) == 0
    return out


def test_the_table_tells_what_was_found(probed):
    lines = (probed / "table.md").read_text().splitlines()
    assert lines[0].startswith("folders: 6 videos, 0 failed; 4x2 frames of 32x32, 2 clips x 1")
    assert lines[2].startswith("| read-out | lr | relative lr | mean | deviation | per seed | agai")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[4:9]]
    assert [row[0] for row in rows] == ["tiles", "attention", "max", "mean", "one"]
    assert [row[2] for row in rows] == ["0", "–", "–", "–", "1e-3"]
    assert [row[11] for row in rows if row[0] in ("tiles", "mean")] == ["25", "100"]
    assert rows[3][6] == "–"  # against itself
    assert rows[2][13] == "–"  # the places of other maxima mean nothing
    assert (probed / "probe.png").is_file()


def test_results_can_be_paired_with_those_of_another_probe(probed):
    results = json.loads((probed / "results.json").read_text())
    assert len(results["videos"]) == len(results["groups"]) == len(results["targets"]) == 6
    assert results["protocol"].startswith("folders: 6 videos")
    assert results["clips_per_class"] == 4
    assert results["command"] == command_line()
    for row in results["rows"]:
        probabilities = torch.tensor(row["probabilities"])  # (seeds, N, classes)
        assert probabilities.shape == (2, 6, 3)
        targets = torch.tensor(results["targets"])
        assert torch.equal(
            (probabilities.argmax(-1) == targets).int(), torch.tensor(row["correct"])
        )
        assert row["accuracy"] == pytest.approx(
            torch.tensor(row["correct"]).float().mean(1).tolist()
        )
    tiles, attention, *_ = results["rows"]
    assert tiles["shuffled"] == tiles["correct"]  # all have the same windows
    assert attention["parameters"] > tiles["parameters"]


def test_what_is_finished_is_kept_and_a_grid_can_grow(tiny_data, cache, tmp_path):
    config = probe_config(tiny_data, cache, "train.epochs=1", "optim.warmup_epochs=0")
    printed = io.StringIO()
    run_probe(config, plan_of("mean", seeds=[0]), tmp_path, console=QUIET)
    journal = tmp_path / "cells.jsonl"
    first = journal.read_bytes()
    journal.write_bytes(first + b'{"cell": ["mean", 0.0')  # killed while it wrote
    console = Console(file=printed, soft_wrap=True, highlight=False)
    results = run_probe(config, plan_of("mean,saliency"), tmp_path, console=console)
    assert journal.read_bytes().startswith(first)
    assert printed.getvalue().startswith("4 cells, 1 of them finished\n")
    assert len(journal.read_bytes().splitlines()) == 1 + 4
    assert [row.label for row in results.rows] == ["mean", "saliency"]
    assert results.rows[0].correct.shape == (2, 6)
    other = tiny_config(tiny_data, *FROZEN, f"train.cache_folder={cache}", "train.epochs=2")
    with pytest.raises(
        InputError, match=r"holds a probe with other settings: .*warmup.*another --o"
    ):
        run_probe(other, plan_of(), tmp_path, console=QUIET)
    changed = plan_of("", variants=["mean:readout=max"])
    with pytest.raises(InputError, match=r"holds arm 'mean' with other settings: .*another name"):
        run_probe(config, changed, tmp_path, console=QUIET)
    journal.write_bytes(first + b"{}\n")
    with pytest.raises(InputError, match=r"cells\.jsonl: damaged: line 3 is not of a probe"):
        run_probe(config, plan_of("mean"), tmp_path, console=QUIET)


def test_a_cell_does_not_depend_on_those_before(probed, tiny_data, cache, tmp_path):
    config = probe_config(tiny_data, cache, "train.epochs=1", "optim.warmup_epochs=0")
    alone = run_probe(config, plan_of("attention", seeds=[1]), tmp_path, console=QUIET)
    of_grid = json.loads((probed / "results.json").read_text())["rows"][1]
    assert alone.rows[0].results[0][0].probabilities == of_grid["probabilities"][1]


def test_rates_are_chosen_without_the_test_clips(tiny_data, cache, tmp_path):
    config = probe_config(tiny_data, cache, "train.epochs=1", "optim.warmup_epochs=0")
    plan = ProbePlan(parse_arms(["mean"]), [1e-6, 3e-3], [1e-3], [0], select="inner")
    results = run_probe(config, plan, tmp_path, console=QUIET)
    cells = [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text().splitlines()[1:]]
    inner = {cell["cell"][1]: cell for cell in cells if cell["cell"][-1] == "inner"}
    assert inner.keys() == {1e-6, 3e-3}
    best = max(inner, key=lambda lr: sum(inner[lr]["correct"]))  # of equal ones the first
    (tested,) = [cell for cell in cells if cell["cell"][-1] == "test"]
    assert tested["cell"][1] == best
    assert all(name.startswith("train/") for cell in inner.values() for name in cell["videos"])
    text = write_probe(results, tmp_path, command="")
    assert "rates of each fold chosen on groups held out of its training clips" in text
    assert "| mean | chosen | – |" in text


def test_a_cell_is_found_by_all_that_makes_it():
    setting = settings_of(parse_arms(["windows"]), [1e-3], [1e-4])[0]
    assert ProbeCell(setting, 2, 7, "inner").key == ("windows", 1e-3, 1e-4, 2, 7, "inner")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["train.cache_features=false"], r"train\.cache_features is false: a probe is trained on"),
        (["model.focus.glimpse=tail"], r"model\.focus\.glimpse is tail: .*glimpse=pooled"),
        (["model.focus=null"], r"model\.focus: a probe compares read-outs of a stage"),
        (["model.focus.heads=0"], r"model\.focus: a probe compares read-outs of a stage"),
        (["model.focus.random_glimpse_loss=1"], r"random_glimpse_loss: .*set it to 0"),
        (["model.freeze_until=stage2"], r"a probe needs a frozen trunk, but .* \(stage3\."),
        (["train.cache_views=3"], r"train\.cache_folder: .*made from other settings: train\.cache"),
    ],
)
def test_what_cannot_be_probed_is_refused(tiny_data, cache, probed, tmp_path, more, message):
    folder = tmp_path / "cache" if "stage2" in more[0] else cache
    config = probe_config(tiny_data, folder, *more)
    with pytest.raises(InputError, match=message):
        run_probe(config, plan_of(), tmp_path / "out", console=QUIET)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"seeds": []}, r"the grid has no cell: 2 read-outs at their rates, 0 seeds, 1 folds"),
        ({"against": "max"}, r"--against max: expected an arm of the grid: mean, windows"),
        ({"per_class": 0}, r"--per-class must be at least 1, got 0"),
        ({"select": "inner", "part": "inner"}, r"--select inner tests on the test clips"),
        ({"variants": ["x:transform=scale"]}, r"model\.focus\.transform.*expected"),
        ({"variants": ["x:data.crop.size=64"]}, r"arm 'x' needs other stored features: data\.crop"),
    ],
)
def test_a_wrong_plan_is_refused_before_anything_is_trained(
    tiny_data, cache, tmp_path, plan, message
):
    config = probe_config(tiny_data, cache)
    with pytest.raises(InputError, match=message):
        run_probe(config, plan_of(**plan), tmp_path / "out", console=QUIET)
    assert not (tmp_path / "out").exists()


def test_a_wrong_command_line_is_one_message(tiny_data, tmp_path, capsys):
    file = str(write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data, *FROZEN)))
    assert probe_tool([file, "--readouts", "mean,atention", "--out", str(tmp_path / "out")]) == 2
    assert "--readouts: there is no 'atention', expected of mean, " in capsys.readouterr().err
    for wrong in (["--lr", "1e-3,fast"], ["--relative-lr", ""], []):
        with pytest.raises(SystemExit, match=r"^2$"):
            probe_tool([file, *wrong])


@pytest.mark.slow
def test_processes_find_what_one_finds(probed, tiny_data, cache, tmp_path):
    config = probe_config(tiny_data, cache, "train.epochs=1", "optim.warmup_epochs=0")
    results = run_probe(config, plan_of("tiles,attention"), tmp_path, workers=2, console=QUIET)
    for row, one in zip(
        results.rows, json.loads((probed / "results.json").read_text())["rows"], strict=False
    ):
        found = [[video for fold in own for video in fold.probabilities] for own in row.results]
        assert found == one["probabilities"]


@pytest.mark.slow
def test_read_outs_of_an_image_trunk_on_sample_data(shared, tmp_path, capsys):
    data, out = tmp_path / "data", tmp_path / "out"
    assert sample_tool(["--out", str(data), "--clips-per-class", "8", "4"]) == 0
    weights = shared / "models/tf_efficientnet_lite0.imagenet.safetensors"
    settings = [
        f"data.root={data}", f"data.people={data / 'people'}", "data.regions=null",
        "model.backbone=timm/tf_efficientnet_lite0", f"model.weights={weights}",
        "model.freeze_until=image.blocks.6", "model.focus.at=image.blocks.6",
        "model.temporal=difference", "optim.lr=1e-3", "train.cache_features=true",
        f"train.cache_folder={tmp_path / 'cache'}", "train.cache_views=2", "train.epochs=6",
    ]  # fmt: skip
    command = ["configs/sample_st.yaml", *settings, "--seeds", "0", "--out", str(out)]
    assert probe_tool([*command, "--readouts", "mean,attention,windows"]) == 0
    assert probe_tool([*command, "--readouts", "mean,saliency", "--against", "saliency"]) == 0
    printed = capsys.readouterr().out
    assert "2 cells, 1 of them finished" in printed
    results = json.loads((out / "results.json").read_text())
    assert [row["label"] for row in results["rows"]] == ["mean", "saliency"]
    for row in results["rows"]:
        assert len(row["correct"][0]) == 6 * 4
        assert row["loss"] < 2 * math.log(6)  # of all branches and of each, by chance
