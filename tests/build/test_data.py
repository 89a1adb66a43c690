"""Configurations to videos, datasets, loaders and the protocol line."""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stn_action.build.data import (
    check_before_start,
    evaluation_dataset,
    evaluation_loader,
    fold_configs,
    load_listing,
    open_data,
    training_dataset,
    training_loader,
)
from stn_action.build.protocol_line import protocol
from stn_action.build.run_data import ClipData
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.listing import Listing
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.runs.folds import pooled_listing
from tests.tiny import CLASSES, SHORT, WITHOUT_PERSON, tiny_config


def test_a_split_is_named_after_its_data_set(tiny_data):
    listing = load_listing(tiny_config(tiny_data))
    assert (listing.name, listing.classes) == ("folders", tuple(CLASSES))
    assert (len(listing.train), len(listing.test)) == (12, 6)


def test_one_split_is_wanted_where_folds_are_not_run(tiny_data):
    with pytest.raises(InputError, match=r"one fold is needed here; give its number"):
        load_listing(tiny_config(tiny_data, "data.fold=all"))


def test_a_share_of_the_training_videos_is_held_out_by_seed(tiny_data):
    listing = load_listing(tiny_config(tiny_data))
    assert len(listing.val) == 0
    parts = [
        load_listing(tiny_config(tiny_data, "data.val_share=0.25", f"train.seed={seed}"))
        for seed in (1, 1, 2)
    ]
    assert [len(part.val) for part in parts] == [3, 3, 3]
    assert parts[0].val.names() == parts[1].val.names() != parts[2].val.names()
    assert set(parts[0].train.names()) | set(parts[0].val.names()) == set(listing.train.names())
    assert parts[0].test.names() == listing.test.names()


def test_the_data_sets_of_a_run_share_one_source(tiny_data):
    config = tiny_config(tiny_data)
    listing, source = open_data(config)
    assert listing.train.names() == load_listing(config).train.names()
    training = training_dataset(config, listing.train, source=source)
    quick, full = (
        evaluation_dataset(config, listing.test, source=source, clips=clips) for clips in (1, 2)
    )
    assert quick.source is full.source is not training.source
    assert training.source.people is full.source.people is source.people
    alone = evaluation_dataset(config, listing.test, clips=2)
    assert all((a.clip == b.clip).all() for a, b in zip(full[0][0], alone[0][0], strict=True))


def test_folds_have_their_numbers(tiny_data):
    folds = fold_configs(tiny_config(tiny_data, "data.name=ut_interaction", "data.fold=all"))
    assert [fold.data.fold for fold in folds] == list(range(1, 11))
    assert {fold.model.backbone for fold in folds} == {"small3d"}
    with pytest.raises(InputError, match=r"sample has one fold only"):
        fold_configs(tiny_config(tiny_data, "data.name=sample", "data.fold=all"))


def test_own_videos_are_split_into_folds_that_training_seeds_leave_alone(tmp_path):
    rows = [f"{number}.mp4,{'ab'[number % 2]},g{number % 5}" for number in range(10)]
    file = tmp_path / "own.csv"
    file.write_text("\n".join(["path,label,group", *rows]))
    for number in range(10):
        (tmp_path / f"{number}.mp4").touch()
    settings = ["data.name=csv", "data.people=null", "data.folds=5", "data.fold=all"]
    folds = fold_configs(tiny_config(file, *settings))
    assert [fold.data.fold for fold in folds] == [1, 2, 3, 4, 5]
    tested = [load_listing(fold).test.names() for fold in folds]
    assert sorted(name for names in tested for name in names) == list(map(str, range(10)))
    other = [*settings, "train.seed=7", "data.val_share=0.2"]
    listings = [load_listing(fold) for fold in fold_configs(tiny_config(file, *other))]
    assert [listing.test.names() for listing in listings] == tested
    assert listings[1].name == "csv, fold 2 of 5 by group"
    assert (len(listings[1].train), len(listings[1].val)) == (6, 2)
    reseeded = fold_configs(tiny_config(file, *settings, "data.fold_seed=1"))
    assert [load_listing(fold).test.names() for fold in reseeded] != tested
    pooled = pooled_listing(folds[0], listings)
    assert (pooled.name, len(pooled.test)) == ("csv, 5 folds pooled", 10)


def test_videos_without_boxes_are_counted_and_seen_whole(tiny_data):
    config = tiny_config(tiny_data, "data.augment.hflip=0", "data.crop.view_share=1")
    videos = load_listing(config).train
    data = training_dataset(config, videos)
    assert data.without_tube == 1
    (place,) = [i for i, video in enumerate(videos) if video.name == WITHOUT_PERSON]
    assert evaluation_dataset(config, videos, crops=1)[place][0][0].boxes[0].tolist() == [
        8,
        0,
        56,
        48,
    ]


def test_a_video_with_too_few_frames_repeats_its_last_one(tiny_data):
    config = tiny_config(tiny_data)
    listing = load_listing(config)
    for dataset, videos in (
        (training_dataset(config, listing.train), listing.train),
        (evaluation_dataset(config, listing.test), listing.test),
    ):
        (place,) = [i for i, video in enumerate(videos) if video.name in SHORT]
        samples, failures = dataset[place]
        assert failures == []
        assert samples[0].frame_indices.tolist() == [0, 2, 2, 2]


def test_workers_start_though_opencv_has_threads_here(tiny_data):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    cv2.resize(np.zeros((2000, 2000, 3), np.uint8), (3000, 3000))  # on all of its threads
    config = tiny_config(tiny_data)
    dataset = evaluation_dataset(config, load_listing(config).test)
    batches = evaluation_loader(config, dataset, batch_size=3, workers=1)
    batches.timeout = 60  # an error instead of a wait without end
    assert [len(batch.clip) for batch in batches] == [6, 6]
    cv2.setNumThreads(threads)


def test_more_workers_than_cores_are_no_fault(tiny_data, monkeypatch):
    config = tiny_config(tiny_data)
    dataset = evaluation_dataset(config, load_listing(config).test)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    loader = evaluation_loader(config, dataset, batch_size=3, workers=2)  # warnings are errors
    assert [len(batch.clip) for batch in loader] == [6, 6]


@pytest.mark.parametrize("training", [False, True])
def test_a_loader_leaves_the_global_generator_alone(training, tiny_data, strategy):
    config = tiny_config(tiny_data)
    dataset = evaluation_dataset(config, load_listing(config).test)
    before = torch.get_rng_state()
    training_batches = training_loader(config, dataset, strategy)
    for _ in training_batches if training else evaluation_loader(config, dataset, batch_size=3):
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_has_several_views_of_each_video_and_balanced_classes(tiny_data, strategy):
    config = tiny_config(tiny_data, "train.repeated=2", "train.sampling=class_balanced")
    listing, source = open_data(config)
    dataset = ClipData(config, source, None).train(listing.train)  # pyright: ignore
    loader = training_loader(config, dataset, strategy, workers=0)
    assert loader.batch_sampler.per_epoch == len(listing.train) / 2  # pyright: ignore
    assert loader.batch_sampler.weights.tolist() == [0.25] * 12  # pyright: ignore
    batch = next(iter(loader))
    assert batch.view.tolist() == [0, 1, 0, 1]
    assert batch.video[0] == batch.video[1]
    assert not torch.equal(batch.clip[0], batch.clip[1])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            [],
            "x: 7 videos, 1 failed; 4x2 frames of 32x32, 2 clips x 1 crops, "
            "person crop (looseness 0.25, jitter 0.05 in training, pad mean; "
            "whole frame of 2 without a person)",
        ),
        (
            ["data.people=null", "data.clip.sampling=segment", "data.crop.size=[24,32]"],
            "x: 7 videos, 1 failed; 4 segments of 32x24, 2 clips x 1 crops, whole frame",
        ),
    ],
)  # fmt: skip
def test_the_protocol_is_one_line(tiny_data, settings, line):
    listing = Listing(
        "x", ("a", "b"), VideoTable(), VideoTable(),
        VideoTable([Video("v", Path("v.mp4"), 0, "v")] * 7), whole_frame=2,
    )  # fmt: skip
    assert protocol(tiny_config(tiny_data, *settings), listing, 1) == line


def test_videos_whose_labels_depend_on_the_direction_are_not_mirrored(tiny_data, monkeypatch):
    directed = replace(DATASETS["folders"], mirrors_labels=True)
    monkeypatch.setitem(DATASETS, "folders", directed)
    check_before_start(tiny_config(tiny_data, "data.augment.hflip=0"))
    message = r"data.augment.hflip=0.5: a mirrored video of folders .* set data.augment.hflip to 0"
    with pytest.raises(InputError, match=message):
        check_before_start(tiny_config(tiny_data, "data.augment.hflip=0.5"))


def test_what_would_end_a_run_late_is_checked_before(tiny_data, tmp_path):
    check_before_start(tiny_config(tiny_data))
    for reader in ("pyav", "opencv"):
        check_before_start(tiny_config(tiny_data, f"data.reader={reader}"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"data.regions: there is no CSV file below .*empty; give"):
        check_before_start(tiny_config(tiny_data, f"data.regions={tmp_path / 'empty'}"))
