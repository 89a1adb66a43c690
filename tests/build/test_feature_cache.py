"""Frozen features on disk: used again, refused where they do not fit, as good as the videos."""

import io
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from stn_action.build.cache_fingerprint import cache_fingerprint
from stn_action.build.data import evaluation_dataset, load_listing, open_data
from stn_action.build.feature_cache import LOCK, FeatureCache, UsedVideos, checksum_of
from stn_action.build.model import build_network, network_from_checkpoint
from stn_action.build.run_data import build_test_data
from stn_action.config.schema import Config
from stn_action.disk.file_lock import FileLock
from stn_action.distributed import seed_everything
from stn_action.errors import InputError
from stn_action.runs.folder import writing_to
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint
from tests.tiny import rows_of, tiny_config
from tools.evaluate import main as evaluate_tool

FROZEN = ("model.freeze_until=stage2", "train.cache_features=true", "train.cache_views=2")


def cached_config(data: Path, folder: Path, out: str, *more: str) -> Config:
    own = f"train.cache_folder={folder / 'cache'}", f"train.output_dir={folder / out}"
    return tiny_config(data, *FROZEN, *own, *more)


def printed_by(config: Config, **settings) -> str:
    out = io.StringIO()
    train(config, console=Console(file=out, soft_wrap=True, highlight=False), **settings)
    return out.getvalue()


@pytest.fixture(scope="module")
def cached(tiny_data, tmp_path_factory) -> tuple[Path, str]:
    """A run on cached features, and what it printed; not to be changed."""
    folder = tmp_path_factory.mktemp("cached")
    return folder, printed_by(cached_config(tiny_data, folder, "run"))


@pytest.fixture
def copied(cached, tmp_path) -> Path:
    return Path(shutil.copytree(cached[0] / "cache", tmp_path / "cache")).parent


def cache_of(config: Config) -> FeatureCache:
    """The cache of a configuration as a run uses it."""
    listing = load_listing(config)
    used = UsedVideos(listing.train, listing.val + listing.test)
    return FeatureCache(config, listing.all_videos, used)


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cache").iterdir()}


def probabilities(path: Path) -> torch.Tensor:
    rows = rows_of(path)
    return torch.tensor([[float(row[name]) for name in ("down", "left", "right")] for row in rows])


def test_the_cache_is_filled_once_and_said_so(cached):
    folder, text = cached
    assert (
        f"caching the features of stage2 of 18 videos in {folder / 'cache'}, float32: 2 random "
        "views of 12, 2 test views of 6\n"
    ) in text
    assert {path.name for path in (folder / "cache").iterdir()} == {"cache.json"} | {
        f"{part}_{what}.npy"
        for part in ("train", "test")
        for what in ("features", "frame_indices", "boxes", "extents", "checksums")
    }


def test_views_are_stored_with_their_extents(cached, tiny_data):
    config = cached_config(tiny_data, cached[0], "none")
    listing = load_listing(config)
    stored = FeatureCache(config, listing.all_videos).test(listing.test)
    clips = evaluation_dataset(config, listing.test)
    for index in range(len(clips)):
        for one, other in zip(stored[index][0], clips[index][0], strict=True):
            assert torch.equal(one.extents, other.extents)
            assert torch.equal(one.boxes, other.boxes)


def test_the_whole_network_says_of_the_videos_what_its_part_said_of_the_cache(cached, tmp_path):
    run = cached[0] / "run"
    assert evaluate_tool([*evaluation(run, tmp_path), "train.cache_features=false"]) == 0
    of_cache, of_videos = (json.loads((f / "test.json").read_text()) for f in (run, tmp_path))
    for head, row in of_videos["regions"].items():
        assert of_cache["regions"][head] == pytest.approx(row, abs=2e-3)
    cached_says = probabilities(run / "test_predictions.csv")
    network_says = probabilities(tmp_path / "test_predictions.csv")
    assert (cached_says - network_says).abs().max() < 2e-3  # features are kept in float16
    assert (cached_says - cached_says[:1]).abs().max() > 2e-2  # and not because all are alike


def evaluation(run: Path, out: Path) -> list[str]:
    """The words of an evaluation of a run's last checkpoint."""
    return ["--checkpoint", str(run / "last.pt"), "--out", str(out)]


def test_an_evaluation_reads_the_cache_of_the_training(cached, tmp_path, capsys):
    run = cached[0] / "run"
    assert evaluate_tool(evaluation(run, tmp_path)) == 0
    line = f"features of stage2 are read from {cached[0] / 'cache'}\n"
    assert capsys.readouterr().err.startswith(line)
    for name in ("test_predictions.csv", "test.json"):
        assert (tmp_path / name).read_bytes() == (run / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("eval.num_clips=1", "eval.num_clips was 2, is 1"),
        ("train.cache_folder=elsewhere", "elsewhere is not here"),
        ("a part", "cache lacks those of the test videos"),
        ("boxes", "data.people was '.*', is '.*people'"),
        ("all", "what they were made of has changed since the training"),
        ("an old checkpoint", "the checkpoint does not name those it was trained on"),
    ],
)
def test_without_the_cache_of_the_training_clips_are_tested_and_it_is_told_why(
    copied, cached, tiny_data, change, reason
):
    trained = cached_config(tiny_data, copied, "run")
    content = load_checkpoint(cached[0] / "run/last.pt")
    given, features = trained, content["features"]
    if change == "a part":
        meta = json.loads((copied / "cache/cache.json").read_text())
        del meta["checksum"], meta["rows"]["test"][0]
        text = json.dumps({"checksum": checksum_of(meta), **meta})
        (copied / "cache/cache.json").write_text(text)
    elif change == "boxes":
        people = Path(shutil.copytree(tiny_data / "people", copied / "people"))
        given = cached_config(tiny_data, copied, "run", f"data.people={people}")
    elif change == "all":
        features = "of others"
    elif change == "an old checkpoint":
        features = None
    else:
        given = cached_config(tiny_data, copied, "run", change)
    listing, source = open_data(given)
    network = network_from_checkpoint(content, given, "last.pt")
    data, line = build_test_data(given, source, listing, network, lambda: trained, features)
    assert (data.features, data.learner is network) == (None, True)
    assert re.match(f"features are computed, not read from a cache: .*{reason}", line), line


def test_another_arm_uses_the_cache_as_it_is(copied, tiny_data):
    before = times(copied)
    text = printed_by(
        cached_config(tiny_data, copied, "other", "model.focus.heads=0", "optim.lr=1")
    )
    assert "caching" not in text
    assert f"features of stage2 are read from {copied / 'cache'}\n" in text
    assert times(copied) == before


def test_the_part_behind_the_cache_resumes_to_the_last_bit(copied, cached, tiny_data):
    shutil.copytree(cached[0] / "run", copied / "run")
    (copied / "run/test_predictions.csv").unlink()
    printed_by(cached_config(tiny_data, copied, "run"), resume=True)
    again, before = (folder / "run/test_predictions.csv" for folder in (copied, cached[0]))
    assert again.read_bytes() == before.read_bytes()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.crop.looseness=0.5", "data.crop.looseness was 0.25, is 0.5; delete the folder or"),
        ("model.freeze_until=stage1", "model.freeze_until was 'stage2', is 'stage1'"),
        ("train.cache_views=3", "train.cache_views was 2, is 3"),
        ("eval={num_clips: 1, num_crops: 1}", "eval.num_clips was 2, is 1"),
        ("train.seed=1", "train.seed was 0, is 1"),  # another random trunk
        ("data.clip={num_frames: 8, stride: 1}", r"num_frames was 4, is 8 \(and 1 more\)"),
    ],
)
def test_a_cache_of_other_settings_is_refused(cached, tiny_data, setting, message):
    with pytest.raises(
        InputError, match=r"train.cache_folder: .*cache was made from other.*" + message
    ):
        train(cached_config(tiny_data, cached[0], "refused", setting))
    assert not (cached[0] / "refused").exists()


def test_a_cache_of_other_videos_is_refused(copied, cached, tiny_data):
    data = Path(shutil.copytree(tiny_data, copied / "data"))
    videos = load_listing(tiny_config(data)).train
    same = cached_config(data, copied, "run", f"data.people={tiny_data / 'people'}")
    assert cache_of(same).complete
    videos[0].path.write_bytes(videos[-1].path.read_bytes())
    with pytest.raises(InputError, match="other settings: videos was"):
        train(same)


def test_a_cache_of_other_slices_is_told_apart(tiny_data, tmp_path):
    config = cached_config(tiny_data, tmp_path, "run")
    file = load_listing(config).train[0]
    bounds = [(None, None), (0.0, None), (None, 0.2), (0.1, 0.2)]
    digests = [
        cache_fingerprint(config, [replace(file, start_seconds=start, end_seconds=end)])
        for start, end in bounds
    ]
    assert not digests[0].compare(digests[1])
    assert all("videos was" in str(digests[0].compare(other)) for other in digests[2:])


def test_boxes_that_were_edited_in_a_folder_make_a_cache_stale(copied, tiny_data):
    people = Path(shutil.copytree(tiny_data / "people", copied / "people"))
    config = cached_config(tiny_data, copied, "run", f"data.people={people}")
    config = config.model_copy(
        update={"train": config.train.model_copy(update={"cache_folder": copied / "own"})}
    )
    printed_by(config)
    file = people / "train/down/0.csv"
    status = file.stat()
    text = file.read_text()
    file.write_text(text[:-2] + ("4" if text[-2] != "4" else "5") + "\n")  # of the same size
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # and the same date
    with pytest.raises(InputError, match=r"made from other settings: the content of data.people"):
        train(writing_to(config, copied / "again"))


def test_a_run_waits_for_the_one_that_fills_the_cache_and_uses_it(cached, tiny_data, tmp_path):
    """The second run starts while the first one fills the cache; then the first one is done."""
    folder = tmp_path / "cache"
    folder.mkdir()
    lock = FileLock(folder / LOCK, "the cache", "")
    lock.acquire()
    printed = Printed()

    def finish_first(text: str) -> None:
        if "waiting until it ends" in text and not printed.seen:
            printed.seen = True
            shutil.copytree(cached[0] / "cache", folder, dirs_exist_ok=True)
            lock.release()

    printed.after_write = finish_first
    console = Console(file=printed, soft_wrap=True, highlight=False)
    train(cached_config(tiny_data, tmp_path, "run"), console=console)
    text = printed.getvalue()
    assert f"cache: process {os.getpid()} on " in text
    assert "caching the features" not in text
    assert not (folder / LOCK).exists()
    files = [path / "run/test_predictions.csv" for path in (tmp_path, cached[0])]
    assert files[0].read_bytes() == files[1].read_bytes()


class Printed(io.StringIO):
    """What was printed; each text is passed on to `after_write`."""

    seen = False

    def after_write(self, text: str) -> None: ...

    def write(self, text: str) -> int:
        number = super().write(text)
        self.after_write(text)
        return number


def test_a_cache_that_changed_on_the_disk_is_refused(copied, tiny_data):
    meta = copied / "cache/cache.json"
    text = meta.read_text()
    meta.write_text(text.replace('"without_tube": [', '"without_tube": [1, '))
    with pytest.raises(InputError, match=r"cache\.json is damaged, or of another version.*delete"):
        train(cached_config(tiny_data, copied, "run"))
    meta.write_text(text)
    path = copied / "cache/train_features.npy"
    data = bytearray(path.read_bytes())
    for place in range(200, len(data), 100):
        data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"train_features\.npy: damaged \(view \d of video \d+ is"):
        train(cached_config(tiny_data, copied, "again"))


def test_videos_without_a_person_are_counted_on_a_cache_too(cached):
    assert "12 training videos, 1 without person boxes (whole frame)" in cached[1]


def test_what_is_cached_is_described_before(cached):
    described, caching, trained = (
        cached[1].index(text) for text in ("12 training videos", "caching the features", "epoch 1/")
    )
    assert described < caching < trained


def test_a_cache_that_was_not_finished_is_made_again(copied, cached, tiny_data):
    (copied / "cache/cache.json").unlink()
    (copied / "cache/test_features.npy").write_bytes(b"half")
    text = printed_by(cached_config(tiny_data, copied, "run"))
    assert "caching the features of stage2 of 18 videos" in text
    for path in (cached[0] / "cache").iterdir():
        assert (copied / "cache" / path.name).read_bytes() == path.read_bytes()


def test_unreadable_videos_are_replaced_in_training_and_wrong_in_the_test(tmp_path, tiny_data):
    data = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    for name in ("train/down/0", "train/down/2", "test/left/0"):
        (data / f"{name}.mp4").write_bytes(b"no video")
    # with one video a batch, a batch of a failed video would be empty
    text = printed_by(cached_config(data, tmp_path, "run", "train.batch_size=2"))
    assert text.count("WARNING: unreadable, replaced in training") == 2
    assert "folders: 6 videos, 1 failed" in text
    numbers = json.loads((tmp_path / "run/test.json").read_text())
    assert numbers["failures"][0][0] == "test/left/0"
    videos = load_listing(tiny_config(data))
    config = cached_config(data, tmp_path, "run")
    clips = cache_of(config).train(videos.train, seed=0)
    for epoch in range(4):
        clips.set_epoch(epoch)
        samples, failures = clips[0]
        assert failures[0][0] == 0
        assert samples[0].video not in (0, 2)
        assert samples[0].target == videos.train[samples[0].video].target
        assert clips[1][0][0].video == 1
        assert clips[1][1] == []


def test_more_unreadable_videos_than_allowed_end_a_run_on_the_cache(tmp_path, tiny_data):
    data = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    for name in ("train/down/0", "train/down/2"):
        (data / f"{name}.mp4").write_bytes(b"no video")
    with pytest.raises(
        InputError, match=r"2 training videos cannot be read, more than data.max_unr"
    ):
        train(cached_config(data, tmp_path, "run", "data.max_unreadable=1"))


def test_an_earlier_stage_is_stored_where_the_heads_look_while_more_is_frozen(tiny_data, tmp_path):
    more = "train.cache_at=stage2", "model.focus.at=stage2", "train.epochs=1"
    of_stage = cached_config(tiny_data, tmp_path, "run", *more, "model.freeze_until=stage3")
    assert "caching the features of stage2" in printed_by(of_stage)
    trained = load_checkpoint(tmp_path / "run/last.pt")["network"]
    seed_everything(of_stage.train.seed)
    started = build_network(of_stage, 3).state_dict()
    stage3 = [name for name in started if name.startswith("trunk.stage3.")]
    assert stage3
    assert all(torch.equal(trained[name], started[name]) for name in stage3)
    assert not torch.equal(trained["classifier.weight"], started["classifier.weight"])
    given = ["train.cache_features=false", "train.cache_at=null"]
    assert evaluate_tool([*evaluation(tmp_path / "run", tmp_path / "videos"), *given]) == 0
    files = [tmp_path / name / "test_predictions.csv" for name in ("run", "videos")]
    assert (probabilities(files[0]) - probabilities(files[1])).abs().max() < 2e-3


def test_further_stages_are_stored_in_the_same_pass(tiny_data, tmp_path, monkeypatch):
    """The same bytes as of a run that stores that stage alone, which then decodes nothing."""
    more = "model.freeze_until=stage3", "train.epochs=1", "train.cache_folder=null"
    files = {}
    for also in ([], ["train.cache_also=[stage2, stage1]"]):
        home = tmp_path / f"also{len(also)}"
        home.mkdir()
        monkeypatch.chdir(home)
        text = printed_by(cached_config(tiny_data, tmp_path, f"{home.name}/run", *more, *also))
        assert text.count("caching the features of") == 1 + 2 * len(also)
        earlier = "train.cache_at=stage2", "model.focus.at=stage2"
        of_stage = cached_config(tiny_data, tmp_path, f"{home.name}/early", *more, *earlier)
        text = printed_by(of_stage)
        assert ("caching the features of stage2" in text) == (not also)
        assert ("features of stage2 are read from" in text) == bool(also)
        assert len(list(home.glob("runs/cache/*"))) == 2 + len(also)
        files[home.name] = {
            path.name: path.read_bytes() for path in home.glob("runs/cache/*-stage2-*/*")
        }
    assert files["also0"] == files["also1"]


def test_a_stage_that_is_trained_is_not_stored(tiny_data, tmp_path):
    config = cached_config(tiny_data, tmp_path, "run", "train.cache_at=stage3")
    with pytest.raises(InputError, match=r"train\.cache_at: 'stage3' is not frozen.*\(stage2\)"):
        train(config)
    assert not (tmp_path / "cache").exists()
    further = cached_config(
        tiny_data, tmp_path, "run", "train.cache_folder=null", "train.cache_also=[stage3]"
    )
    with pytest.raises(InputError, match=r"train\.cache_also: 'stage3' is not frozen"):
        train(further)
