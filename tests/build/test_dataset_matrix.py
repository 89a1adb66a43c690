"""Every data set from its tree on the disk, in its true layout, to a batch."""

import pytest
import torch

from stn_action.build.data import (
    check_before_start,
    evaluation_dataset,
    evaluation_loader,
    open_data,
    training_dataset,
    training_loader,
)
from stn_action.config.schema import load_config
from stn_action.data.data_choices import IMAGE_SETS
from stn_action.data.datasets.dataset_table import DATASETS
from tests.dataset_trees import TREES
from tests.tree_files import LinkedClips

SETTINGS = (
    "data.official=false", "data.num_workers=0", "data.augment.hflip=0", "train.batch_size=2",
    "model={backbone: small3d, focus: null}", "eval={num_clips: 1, num_crops: 1}",
)  # fmt: skip
OF_VIDEOS = ("data.crop.size=[16,24]", "data.clip={num_frames: 3, stride: 1}")


@pytest.fixture(scope="module")
def put(tmp_path_factory):
    return LinkedClips(tmp_path_factory.mktemp("clips"))


def test_every_data_set_has_a_tree():
    assert TREES.keys() == DATASETS.keys(), "a new data set needs a tree in dataset_trees.py"


@pytest.mark.parametrize("name", TREES)
def test_every_data_set_comes_to_a_batch(name, tmp_path, put, strategy):
    root = TREES[name](tmp_path / "data", put)
    of_set = ["data.clip.num_frames=1", "data.crop.size=28"] if name in IMAGE_SETS else OF_VIDEOS
    config = load_config(None, [f"data.name={name}", f"data.root={root}", *SETTINGS, *of_set])
    check_before_start(config)
    listing, source = open_data(config)
    test = evaluation_dataset(config, listing.test, source=source, clips=1, crops=1)
    loaders = (
        training_loader(config, training_dataset(config, listing.train, source=source), strategy),
        evaluation_loader(config, test, batch_size=2),
    )
    shape = (3, 1, 28, 28) if name in IMAGE_SETS else (3, 3, 16, 24)
    for loader, videos in zip(loaders, (listing.train, listing.test), strict=True):
        batch = next(iter(loader))
        assert batch.failures == []
        assert 0 < len(batch.clip) <= 2
        assert batch.clip.shape[1:] == shape
        assert batch.clip.float().std() > 10  # not the color of padding
        assert torch.equal(batch.target, torch.stack([videos.target(v) for v in batch.video]))
        assert batch.target.min() >= 0
        assert batch.target.max() < (2 if listing.multi_label else len(listing.classes))
