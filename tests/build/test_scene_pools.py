"""Scenes in the data sets of a run: never across parts, the same wherever a clip is read."""

import pytest
import torch
from torch.utils.data import DataLoader

from stn_action.batch import collate
from stn_action.build.cache_fingerprint import cache_fingerprint
from stn_action.build.crop_settings import describe_boxes
from stn_action.build.data import (
    evaluation_dataset,
    load_listing,
    open_data,
    open_source,
    training_dataset,
)
from stn_action.build.scene_pools import scene_keys, scene_pools, with_scenes
from stn_action.data.listing import Listing
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.predictor import Predictor
from stn_action.runs.preview import preview
from tests.tiny import tiny_config

SCENE = ["data.crop.beyond=scene", "data.crop.looseness=1", "data.crop.view_share=1"]


def listing_of(tmp_path) -> Listing:
    train, test = (
        VideoTable(Video(f"{group}{i}", tmp_path / f"{group}{i}", 0, group) for i in range(2))
        for group in ("a", "b")
    )
    return Listing("x", ("c",), train, VideoTable(), test)


def test_pools_are_parts_or_where_each_fold_holds_one_out_groups(tmp_path):
    listing = listing_of(tmp_path)
    of_parts = scene_pools(listing, one_group_out=False)
    assert of_parts == ["the train part"] * 2 + ["the test part"] * 2
    of_groups = scene_pools(listing, one_group_out=True)
    assert of_groups == ["the group a"] * 2 + ["the group b"] * 2


def test_scenes_never_cross_the_parts(tiny_data):
    listing, source = open_data(tiny_config(tiny_data, *SCENE))
    for videos, part in ((listing.train, "train/"), (listing.test, "test/")):
        selected = source.select(videos)
        for index, video in enumerate(videos):
            scene = selected.scene_of(index)
            assert scene is not None
            assert scene.name.startswith(part)
            assert scene.name != video.name


def test_training_tests_and_workers_show_the_same_scene(tiny_data):
    config = tiny_config(tiny_data, *SCENE, "data.crop.aspect=free", "data.clip.num_frames=1")
    listing, source = open_data(config)
    videos = listing.test[:3]
    names = []
    for dataset in (
        training_dataset(config, videos, source=source),
        evaluation_dataset(config, videos, source=source, clips=1),
    ):
        names.append([scene.name for scene in map(dataset.source.scene_of, range(3)) if scene])
        one, two = (
            [batch.clip for batch in DataLoader(dataset, collate_fn=collate, num_workers=workers)]
            for workers in (0, 2)
        )
        assert all(map(torch.equal, one, two))
        edges = torch.stack([clip[0, :, 0, :2] for clip in one]).int()  # far beyond the frame
        assert (edges.amax((2, 3)) - edges.amin((2, 3))).min() > 10  # no padding
    assert names[0] == names[1]
    assert len(names[0]) == 3


def test_the_own_picture_is_the_image_of_the_extents(tiny_data):
    enlarged = *SCENE, "data.crop.size=96"  # cut out of RGB frames, both of them
    pad = tiny_config(tiny_data, *enlarged, "data.crop.beyond=pad")
    config = tiny_config(tiny_data, *enlarged)
    (listing, source), (_, padded) = open_data(config), open_data(pad)
    one = evaluation_dataset(config, listing.test, source=source)[0][0][0]
    two = evaluation_dataset(pad, listing.test, source=padded)[0][0][0]
    torch.testing.assert_close(one.extents, two.extents)
    assert torch.equal(one.boxes, two.boxes)
    rows, columns = (
        [round((place + 1) / 2 * 96) for place in one.extents[0, 0, axis::2].tolist()]
        for axis in (1, 0)
    )
    inside = (..., slice(rows[0] + 1, rows[1] - 1), slice(columns[0] + 1, columns[1] - 1))
    assert torch.equal(one.clip[inside], two.clip[inside])
    assert (one.clip != two.clip).float().mean() > 0.3


def test_one_video_alone_in_a_part_is_refused(tiny_data, tmp_path):
    for part, number in (("train", 2), ("test", 1)):
        folder = tmp_path / part / "left"
        folder.mkdir(parents=True)
        for index in range(number):
            (folder / f"{index}.mp4").symlink_to(tiny_data / part / f"left/{index}.mp4")
    config = tiny_config(tmp_path, *SCENE, f"data.people={tiny_data / 'people'}")
    message = (
        r"data.crop.beyond=scene: test/left/0 is the only video of the test part, expected two"
    )
    with pytest.raises(InputError, match=message):
        open_data(config)


def test_folds_that_share_a_cache_cannot_have_scenes_of_their_own(tiny_data):
    config = tiny_config(tiny_data, *SCENE)
    every_fold = config.model_copy(update={"data": config.data.model_copy(update={"fold": "all"})})
    listing = load_listing(config)
    with pytest.raises(
        InputError, match=r"the scenes of folders depend on the fold, .*data.fold=N"
    ):
        with_scenes(open_source(config), every_fold, listing)


def test_scenes_that_were_not_given_are_asked_for(tiny_data):
    config = tiny_config(tiny_data, *SCENE)
    videos = load_listing(config).test
    with pytest.raises(ValueError, match="needs scenes: open the data by open_data"):
        evaluation_dataset(config, videos, source=open_source(config))[0]


def test_a_cache_depends_on_the_parts_where_scenes_do(tiny_data):
    assert scene_keys(tiny_config(tiny_data)) == ()
    assert scene_keys(tiny_config(tiny_data, *SCENE)) == ("data.fold", "data.val_share")
    of_parts = tiny_config(tiny_data, *SCENE, "data.val_share=0.3")
    assert scene_keys(of_parts) == ("data.fold", "data.val_share", "train.seed")
    assert scene_keys(tiny_config(tiny_data, *SCENE, "data.people=null")) == ()
    of_groups = tiny_config(tiny_data, *SCENE, "data.name=ut_interaction")
    assert scene_keys(of_groups) == ()
    of_folds = ("data.fold", "data.val_share", "data.folds", "data.fold_seed")
    assert scene_keys(tiny_config(tiny_data, *SCENE, "data.folds=3")) == of_folds
    assert scene_keys(tiny_config(tiny_data, *SCENE, "data.folds=groups")) == ()
    keys = set(cache_fingerprint(tiny_config(tiny_data, *SCENE), []).settings)
    assert keys >= {"data.crop.beyond", "data.crop.scene_seed", "data.fold", "data.val_share"}
    for more in ([], [*SCENE, "data.people=null"]):
        keys = set(cache_fingerprint(tiny_config(tiny_data, *more), []).settings)
        assert not keys & {"data.crop.scene_seed", "data.fold"}


def test_predictors_pad(tiny_run, tiny_data):
    checkpoint, people = tiny_run.folder / "last.pt", tiny_data / "people"
    video = tiny_data / "test/left/0.mp4"
    loose = SCENE[1:]
    padded = Predictor.load(checkpoint, loose, people=people).predict(video)
    scene = Predictor.load(checkpoint, [*loose, SCENE[0]], people=people).predict(video)
    assert torch.equal(padded.view_probabilities, scene.view_probabilities)


def test_previews_and_protocols_name_it(tiny_data, tmp_path):
    config = tiny_config(tiny_data, *SCENE, "data.crop.scene_seed=2", "data.crop.box_jitter=0")
    assert describe_boxes(config) == "looseness 1, scene of another clip, seed 2"
    assert len(list(preview(config, tmp_path, part="test", limit=1, draws=1))) == 2
