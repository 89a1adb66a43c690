"""Phase diagrams: grid, journal, ranking."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from rich.console import Console

from stn_action.config.schema import load_config
from stn_action.errors import InputError
from stn_action.runs.phase import PhaseRun, run_phase, write_phase
from stn_action.runs.phase_grid import PhaseCell, PhaseGrid, config_of_clips, config_of_set
from stn_action.runs.phase_results import TIGHT, ArmRecord, CellRecord, describe_phase, rank

CONFIG = Path(__file__).parents[2] / "configs/phase.yaml"
GRID = PhaseGrid((Fraction(1, 4), Fraction(1, 100)), (1,), (1,), test_clips=1)


def arm(*correct: str) -> ArmRecord:
    """Return an arm; a string a seed, a character a test clip."""
    rows = [[clip == "1" for clip in seed] for seed in correct]
    return ArmRecord(rows, [None] * len(rows), [0.5] * len(rows), 10, [1.0] * len(rows))


def record(cell: PhaseCell, **arms: ArmRecord) -> CellRecord:
    count = len(next(iter(arms.values())).correct[0])
    return CellRecord(cell, [f"clip{number}" for number in range(count)], arms)


def test_cells_are_ordered_by_set_and_named():
    grid = PhaseGrid((Fraction(1, 100), Fraction(1, 4)), (3, 0), (40, 10), 5)
    cells = [cell for own in grid.sets() for cell in own]
    assert cells[0] == (Fraction(1, 4), 0, 10)
    assert [cell.name for cell in cells[:2]] == [
        "region_1-4_others_0_clips_10", "region_1-4_others_0_clips_40",
    ]  # fmt: skip
    assert cells[-1] == (Fraction(1, 100), 3, 40)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": (Fraction(1, 2),)}, "--regions: expected different values, 1/100 to 1/4: 1/2"),
        ({"regions": ()}, "--regions.*none"),
        ({"distractors": (0, 4)}, "--distractors: expected different values, 0 to 3: 0, 4"),
        ({"clips": (10, 10)}, "--clips: expected different values"),
        ({"test_clips": 0}, "--test-clips"),
    ],
)
def test_grids_without_cells_or_with_values_out_of_range_are_refused(changes, message):
    settings = {"regions": (Fraction(1, 4),), "distractors": (0,), "clips": (10,), "test_clips": 3}
    with pytest.raises(InputError, match=message):
        PhaseGrid(**{**settings, **changes}).check()


def test_all_numbers_of_clips_are_trained_for_as_many_steps():
    config = load_config(CONFIG, ["train.max_steps=400"])
    few, many = config_of_clips(config, 10), config_of_clips(config, 200)
    # 40 clips are 3 batches of 16: 134 epochs; a warm-up of 2 of 40 epochs is 20 of 400 steps
    assert few.train.epochs == 134
    assert few.optim.warmup_epochs == pytest.approx(20 / 3)
    assert many.train.epochs == 8
    assert many.optim.warmup_epochs == pytest.approx(20 / 50)
    without = load_config(CONFIG, ["train.max_steps=null"])
    assert config_of_clips(without, 10) == without


def test_the_tight_box_shows_the_region_and_nothing_else_changes(tmp_path):
    config = load_config(CONFIG)
    whole, tight = (config_of_set(config, tmp_path / "set", tight=own) for own in (False, True))
    assert whole.data.people is None
    assert tight.data.people == tmp_path / "set" / "people"
    assert tight.data.crop.looseness == 0
    assert whole.train.cache_folder != tight.train.cache_folder
    assert whole.model == tight.model


def test_the_winner_is_ranked_by_the_mean_and_compared_with_its_rivals():
    cell = PhaseCell(Fraction(1, 4), 0, 10)
    ranking = rank([
        record(
            cell,
            mean=arm("1000", "1000"),
            attention=arm("1100", "1000"),
            windows=arm("1110", "1110"),
            **{TIGHT: arm("1111", "1111")},
        )
    ])  # fmt: skip
    assert (ranking.winner, ranking.runner_up) == ("windows", "attention")
    assert ranking.over_runner_up == ranking.over_reference == ranking.questioned
    assert ranking.questioned is not None
    assert ranking.questioned.difference == pytest.approx(0.75 - 0.375)
    # variances 0 and 0.03125 / 2 of 0.5 and 0.25: sqrt(0.03125 / 2)
    assert ranking.questioned.deviation == pytest.approx((0.03125 / 2) ** 0.5)
    torch.testing.assert_close(ranking.accuracies[TIGHT], torch.ones(2).double())


def test_cells_that_are_averaged_pool_their_clips():
    first = record(PhaseCell(Fraction(1, 4), 0, 10), mean=arm("11", "11"), windows=arm("10", "10"))
    second = record(PhaseCell(Fraction(1, 9), 0, 10), mean=arm("00", "00"), windows=arm("11", "11"))
    ranking = rank([first, second])
    assert ranking.winner == "windows"
    assert ranking.over_runner_up is not None
    assert ranking.over_runner_up.difference == pytest.approx(0.25)
    assert ranking.over_reference is None
    # two groups of clips, one in both cells: mean has (1, 0), (1, 0), windows (1, 1), (0, 1)
    assert (ranking.over_runner_up.low, ranking.over_runner_up.high) == (0, 0.5)


def test_the_table_has_a_row_for_each_cell():
    cell = PhaseCell(Fraction(1, 25), 3, 40)
    lines = describe_phase([record(cell, mean=arm("10", "10"), attention=arm("11", "11"))])
    assert lines[0].startswith("| region | distractors | clips a class | mean | attention |")
    assert lines[2].startswith("| 1/25 | 3 | 40 | 50.0 ± 0.0 | 100.0 ± 0.0 | attention | +50.0")


def test_a_diagram_is_written_cell_by_cell_and_resumed(tmp_path):
    config = load_config(CONFIG, ["data.num_workers=0"])
    calls = []

    def train(config, readouts, seeds, clips, console):
        calls.append((Path(config.data.root).name, clips, len(readouts)))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return {
            name: arm("1111", "1110") if name == "windows" else arm("1000", "1000")
            for name in readouts
        }

    def run(config=config):
        own = PhaseRun(config, GRID, ["mean", "windows"], [0, 1], tmp_path, train)
        return run_phase(own, console=Console(quiet=True))

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        run()
    (done,) = (tmp_path / "cells").iterdir()
    assert done.name == "region_1-4_others_1_clips_1.json"
    assert (tmp_path / "sets" / "region_1-100_others_1").is_dir()
    records = run()
    assert [call[0] for call in calls[2:]] == ["region_1-100_others_1"] * 4
    assert not (tmp_path / "sets").exists()
    assert [record.cell.region for record in records] == [Fraction(1, 4), Fraction(1, 100)]
    assert records[0].videos[0] == "test_bars_000"
    assert set(records[0].arms) == {"mean", "windows", TIGHT}
    assert run() == records
    assert len(calls) == 6
    lines = write_phase(records, tmp_path)
    assert "| 1/4 | 1 | 1 |" in lines[2]
    assert (tmp_path / "phase.png").stat().st_size > 1000
    other = load_config(CONFIG, ["data.num_workers=0", "optim.lr=0.5"])
    with pytest.raises(InputError, match=r"other settings: optim\.lr was 0\.001, is 0\.5"):
        run(other)
    content = json.loads(done.read_text())
    done.write_text(json.dumps({key: content[key] for key in ("arms", "videos")}))
    with pytest.raises(InputError, match="not the results of a cell; delete it"):
        run()
