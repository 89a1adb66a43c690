"""Run the experiments of docs/evidence.md, "Look twice": one probe for every set and looseness.

Each grid is a call of tools/probe.py, which continues where it was interrupted. `look` and `full`
have one look, at the reduced and at the full size; `twice` has both looks.

    python tools/benchmark.py look_twice --people weizmann=FILE --root weizmann=PATH --weights FILE
"""

from collections.abc import Iterator, Sequence

from benchmarks.evidence import Grid, run_grids

SIZES = {
    "weizmann": ("224", "96"),
    "ut_interaction": ("[288, 384]", "[128, 160]"),
    "jhmdb": ("224", "96"),
    "sample": ("[352, 464]", "[128, 160]"),
}
"""Of the clip, and of the first look and of a glimpse."""
LOOSENESSES = ("1", "0.25")
ONE_LOOK = ("--readouts", "mean,attention")
WINDOWS = "readout=windows,heads=1"
TWO_LOOKS = (
    "--readouts", "",
    "--variant", f"zoom:{WINDOWS},window_gradient=map,optim.relative_lr=1e-3",
    "--variant", "zoom_saliency:readout=saliency,heads=1",
    "--variant", f"zoom_center:{WINDOWS},optim.relative_lr=0",
    "--variant", "zoom_tiles:readout=windows,heads=4,optim.relative_lr=0",
    "--against", "zoom",
)  # fmt: skip
BY_PIXELS = (
    "--readouts", "", "--against", "zoom_pixels",
    "--variant", f"zoom_pixels:{WINDOWS},window_gradient=pixels,optim.relative_lr=1e-3",
)  # fmt: skip
SMALL = (
    "--readouts", "", "--against", "zoom_small",
    "--variant",
    f"zoom_small:{WINDOWS},window_gradient=map,start_scale=0.4,max_scale=0.5,optim.relative_lr=1e-3",
    "--variant", f"zoom_center:{WINDOWS},optim.relative_lr=0",
)  # fmt: skip
"""Windows that are at most as large as the fixed one in the middle: only their place can pay.

The one in the middle runs beside it, so that they are paired by video."""
PRECISION = "train.cache_precision=bf16"
"""Of the frozen trunk, in all grids: float32 takes more than twice the time."""
SMALL_FIGURES = ("data.people=null", "data.crop.aspect=free")
SEEDS = 3


def grids() -> Iterator[Grid]:
    """Yield all grids in the order of the plan."""
    for looseness in LOOSENESSES:
        for name in ("weizmann", "ut_interaction", "jhmdb"):
            yield from _looks(name, f"loose_{looseness}", _boxes(name, looseness))
    yield from _looks("sample", "small_figures", SMALL_FIGURES)
    loose = *_boxes("jhmdb", "1"), *_twice("jhmdb")
    yield Grid("jhmdb", "loose_1_pixels", loose, BY_PIXELS, SEEDS)
    small = *SMALL_FIGURES, *_twice("sample")
    yield Grid("sample", "small_figures_pixels", small, BY_PIXELS, SEEDS)
    for name in ("weizmann", "ut_interaction", "jhmdb"):
        yield Grid(name, "loose_1_small", (*_boxes(name, "1"), *_twice(name)), SMALL, SEEDS)
    yield Grid("sample", "small_figures_small", small, SMALL, SEEDS)


def _boxes(data_set: str, looseness: str) -> tuple[str, ...]:
    beyond = "scene" if data_set == "ut_interaction" else "fit"
    return f"data.crop.looseness={looseness}", f"data.crop.beyond={beyond}"


def _looks(data_set: str, name: str, overrides: tuple[str, ...]) -> Iterator[Grid]:
    """Yield the three grids of a data set and its boxes."""
    for which, size in zip(("full", "look"), SIZES[data_set], strict=True):
        sized = *overrides, PRECISION, f"data.crop.size={size}"
        yield Grid(data_set, f"{name}_{which}", sized, ONE_LOOK, SEEDS)
    yield Grid(data_set, f"{name}_twice", (*overrides, *_twice(data_set)), TWO_LOOKS, SEEDS)


def _twice(data_set: str) -> tuple[str, ...]:
    """Return the settings of both looks; a look of 96 x 96 pixels has a map of 6 x 6 cells."""
    full, look = SIZES[data_set]
    return (
        PRECISION, f"data.crop.size={full}",
        "model.focus.glimpse=zoom", f"model.focus.look_size={look}",
        f"model.focus.glimpse_size={look}", "model.focus.at=image.blocks.4",
        "train.cache_at=image.blocks.4",
    )  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    """Parse arguments, then run every grid that is not finished."""
    run_grids(grids(), arguments, prog="benchmark.py look_twice", description=__doc__)
