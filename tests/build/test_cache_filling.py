"""Filling a feature cache: the same bytes however it is done, shared where nothing differs."""

import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console

from stn_action.build.cache_filling import joint_views
from stn_action.build.cache_fingerprint import cache_fingerprint, stored_precision
from stn_action.build.data import load_listing, open_data
from stn_action.build.feature_cache import FeatureCache, UsedVideos
from stn_action.build.model import build_network
from stn_action.config.schema import Config
from stn_action.data.source import ClipSource
from stn_action.data.view_arrays import ViewArrays
from stn_action.errors import InputError
from stn_action.runs.train_sweep import run_arm_sweep
from tests.tiny import tiny_config

FROZEN = ("model.freeze_until=stage2", "train.cache_features=true", "train.cache_views=2")


def config_of(data: Path, folder: Path | None, *more: str) -> Config:
    own = [] if folder is None else [f"train.cache_folder={folder}"]
    return tiny_config(data, *FROZEN, *own, *more)


def fill(
    config: Config, *, source: type[ClipSource] = ClipSource, every: bool = True
) -> tuple[FeatureCache, str]:
    """Fill the cache of a configuration, with all views or as a run; return what was printed."""
    listing, opened = open_data(config)
    opened.__class__ = source
    torch.manual_seed(config.train.seed)
    network = build_network(config, len(listing.classes))
    used = None if every else UsedVideos(listing.train, listing.test)
    cache = FeatureCache(config, listing.all_videos, used)
    text = io.StringIO()
    cache.fill(network, opened, Console(file=text, soft_wrap=True, highlight=False))
    return cache, text.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def filled(tiny_data, tmp_path_factory) -> FeatureCache:
    return fill(config_of(tiny_data, tmp_path_factory.mktemp("filled") / "cache"))[0]


def test_the_files_do_not_depend_on_the_number_of_workers(filled, tiny_data, tmp_path):
    cache, _ = fill(config_of(tiny_data, tmp_path / "cache", "data.num_workers=2"))
    assert contents(cache.folder) == contents(filled.folder)


class Interrupted(ClipSource):
    """A source that is interrupted at its eighth video."""

    num_reads = 0

    def read(self, *arguments, **keywords):
        Interrupted.num_reads += 1
        if Interrupted.num_reads == 8:
            raise KeyboardInterrupt("Ctrl-C")
        return super().read(*arguments, **keywords)

    def select(self, videos):
        selected = super().select(videos)
        selected.__class__ = type(self)
        return selected


def test_an_interrupted_filling_goes_on_where_it_was(filled, tiny_data, tmp_path):
    config = config_of(tiny_data, tmp_path / "cache")
    Interrupted.num_reads = 0
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        fill(config, source=Interrupted)
    assert not FeatureCache(config, load_listing(config).all_videos).complete
    Interrupted.num_reads = 20
    cache, text = fill(config, source=Interrupted)
    assert Interrupted.num_reads == 20 + 18 - 7
    assert "7 videos were cached before, 11 are left" in text
    assert contents(cache.folder) == contents(filled.folder)


def test_a_cache_grows_by_the_views_that_are_used(filled, tiny_data, tmp_path):
    config = config_of(tiny_data, tmp_path / "cache")
    Interrupted.num_reads = 20
    part, text = fill(config, source=Interrupted, every=False)
    assert "18 videos" in text
    assert "float32: 2 random views of 12, 2 test views of 6" in text
    listing = load_listing(config)
    assert not FeatureCache(config, listing.all_videos).complete
    before = {path.name: path.stat().st_size for path in part.folder.glob("*.npy")}
    assert before == {path.name: path.stat().st_size for path in filled.folder.glob("*.npy")}
    views = part.train(listing.train, seed=0)
    Interrupted.num_reads = 0
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        fill(config, source=Interrupted)
    assert FeatureCache(
        config, listing.all_videos, UsedVideos(listing.train, listing.test)
    ).complete
    assert len(views[0][0]) == 1  # read while the files are extended
    _, text = fill(config, source=Interrupted)
    assert "7 videos were cached before, 11 are left" in text
    assert Interrupted.num_reads == 8 + 11
    assert contents(part.folder) == contents(filled.folder)


def test_what_is_to_be_extended_must_be_as_it_was(tiny_data, tmp_path):
    config = config_of(tiny_data, tmp_path / "cache")
    cache, _ = fill(config, every=False)
    path = cache.folder / "test_boxes.npy"
    path.write_bytes(path.read_bytes()[:-1])
    before = contents(cache.folder)
    with pytest.raises(
        InputError, match=r"test_boxes\.npy: damaged \(not as it was written\); del"
    ):
        fill(config)
    assert contents(cache.folder) == before


def test_what_another_experiment_has_left_is_not_taken_over(filled, tiny_data, tmp_path):
    Interrupted.num_reads = 0
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        fill(config_of(tiny_data, tmp_path / "cache", "data.crop.looseness=1"), source=Interrupted)
    cache, text = fill(config_of(tiny_data, tmp_path / "cache"))
    assert "cached before" not in text
    assert contents(cache.folder) == contents(filled.folder)


def test_files_of_another_cache_are_refused(filled, tiny_data, tmp_path):
    other, _ = fill(config_of(tiny_data, tmp_path / "cache", "data.crop.looseness=1"))
    shutil.copy(filled.folder / "test_features.npy", other.folder)
    shutil.copy(filled.folder / "test_checksums.npy", other.folder)
    with pytest.raises(InputError, match=r"test_features\.npy: damaged \(view 0 of video"):
        other.test(load_listing(other.config).test)[0]


def test_stored_views_are_those_of_the_data_sets_through_the_network(filled):
    """The first video's maps, view for view, from the network as it is."""
    config = filled.config
    listing, source = open_data(config)
    torch.manual_seed(config.train.seed)
    network = build_network(config, len(listing.classes)).eval()
    samples, _ = joint_views(config, filled.videos, source)[0]
    with torch.no_grad():
        maps = network.stage_features(torch.stack([s.clip for s in samples]), filled.stage)
    stored = [
        ViewArrays.open(filled.folder, part, filled.fingerprint.digest).view(0, view)
        for part in ("test", "train")
        for view in (0, 1)
    ]
    for found, wanted, sample in zip(stored, maps, samples, strict=True):
        torch.testing.assert_close(found[0], wanted, rtol=2e-3, atol=1e-3 * float(wanted.std()))
        assert torch.equal(found[1], sample.frame_indices)
        assert torch.equal(found[2], sample.boxes)
        assert torch.equal(found[3], sample.extents)


def test_bf16_changes_features_by_a_few_percent_and_is_another_cache(filled, tiny_data, tmp_path):
    cache, text = fill(config_of(tiny_data, tmp_path / "cache", "train.cache_precision=bf16"))
    assert f"18 videos in {cache.folder}, bf16" in text
    assert "precision was 'float32', is 'bf16'" in str(
        filled.fingerprint.compare(cache.fingerprint)
    )
    exact, rounded = (
        torch.from_numpy(
            ViewArrays.open(one.folder, "test", one.fingerprint.digest).features[:].astype("f4")
        )
        for one in (filled, cache)
    )
    error = (rounded - exact).square().mean().sqrt() / exact.square().mean().sqrt()
    assert 1e-3 < error < 5e-2
    auto = config_of(tiny_data, None, "train.cache_precision=auto")
    assert stored_precision(auto) in ("float32", "bf16")


def digests(data: Path, settings: list[str], *base: str) -> list[str]:
    """Return the name of the cache with each setting."""
    configs = [config_of(data, None, *base, setting) for setting in ["train.seed=0", *settings]]
    videos = load_listing(configs[0]).all_videos
    return [cache_fingerprint(config, videos).digest for config in configs]


def test_settings_that_change_no_stored_map_share_a_cache(tiny_data, tmp_path):
    weights = tmp_path / "weights.pt"
    weights.touch()
    same = [
        "optim.lr=1", "optim.relative_lr=0", "model.focus.heads=7", "model.focus=null",
        "model.focus.transform=affine", "model.focus.theta_per=step", "model.dropout=0",
        "model.temporal=difference", "train.epochs=9", "train.batch_size=1", "train.seed=5",
        "train.precision=float32", "eval.batch_size=3", "eval.shuffled_theta=false",
        "data.num_workers=3", "data.regions=null", "data.max_unreadable=0", "data.val_share=0.2",
        "data.tubes.no_person=skip", "train.cache_folder=elsewhere", "data.official=false",
        "train.grad_accum_steps=2", "train.batch_norm=frozen",
    ]  # fmt: skip
    first, *others = digests(tiny_data, same, f"model.weights={weights}")
    assert dict(zip(same, others, strict=True)) == dict.fromkeys(same, first)


def test_settings_that_change_stored_maps_have_caches_of_their_own(tiny_data):
    settings = [
        "data.crop.looseness=0.5", "data.crop.size=40", "data.clip.stride=1", "data.max_pixels=9",
        "data.augment.hflip=0", "data.augment.blur={}", "data.tubes.select=union",
        "data.people=null", "train.seed=1",
        "train.cache_views=3", "train.cache_precision=bf16", "eval.num_clips=3",
        "eval.num_crops=3", "model.freeze_until=stage1", "data.reader=pyav",
    ]  # fmt: skip
    found = digests(tiny_data, settings)
    assert len(set(found)) == len(found)


def test_without_boxes_settings_of_crops_around_people_change_nothing(tiny_data):
    same = ["data.crop.looseness=2", "data.crop.box_jitter=0.2", "data.tubes.select=union"]
    assert len(set(digests(tiny_data, same, "data.people=null"))) == 1


@pytest.mark.parametrize(
    ("sweep", "number"),
    [
        pytest.param("model.focus.heads=1,2", 1, marks=pytest.mark.slow),
        ("data.crop.looseness=0,1", 2),
    ],
)
def test_a_sweep_has_a_cache_for_each_content(tiny_data, tmp_path, monkeypatch, sweep, number):
    monkeypatch.chdir(tmp_path)
    config = config_of(
        tiny_data, None, "train.epochs=1", "train.cache_views=1", "optim.warmup_epochs=0"
    )
    text = io.StringIO()
    run_arm_sweep(config, sweep, [0], tmp_path / "out", console=Console(file=text, soft_wrap=True))
    folders = list((tmp_path / "runs/cache").iterdir())
    assert len(folders) == number
    assert text.getvalue().count("caching the features") == number
    for folder in folders:
        assert folder.name.startswith(f"{tiny_data.name}-small3d-stage2-4x32x32-")
        assert json.loads((folder / "cache.json").read_text())["failures"] == []


def test_a_sweep_cannot_put_several_caches_into_one_folder(tiny_data, tmp_path):
    config = config_of(tiny_data, tmp_path / "cache")
    with pytest.raises(InputError, match=r"--sweep data\.crop\.looseness: .*train\.cache_folder="):
        run_arm_sweep(config, "data.crop.looseness=0,1", [0], tmp_path / "out")
    assert not (tmp_path / "cache").exists()
