"""The clips that may surround each other where crops reach beyond the frame."""

from stn_action.build.crop_settings import crop_of
from stn_action.config.schema import Config
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.listing import Listing
from stn_action.data.scene import Scenes
from stn_action.data.source import ClipSource
from stn_action.errors import InputError

SCENE_SEED = "data.crop.scene_seed"


def with_scenes(source: ClipSource, config: Config, listing: Listing) -> ClipSource:
    """Return the source with what surrounds its videos, if the configuration asks for scenes.

    Args:
        source: of `open_source`.
        config: the experiment.
        listing: the videos that are used.

    Raises:
        InputError: a video is alone, or all folds are to share scenes that depend on the fold.
    """
    crop, one_group_out = crop_of(config), _holds_one_group_out(config)
    if crop.beyond != "scene" or source.people is None:
        return source
    if config.data.fold == "all" and not one_group_out:
        raise InputError(
            f"data.crop.beyond=scene: the scenes of {config.data.name} depend on the fold, and all "
            "folds would share one cache here; give its number (data.fold=N)"
        )
    pools = scene_pools(listing, one_group_out=one_group_out)
    videos = source.select(listing.all_videos)
    return source.with_scenes(Scenes(videos, pools, seed=crop.scene_seed))


def scene_pools(listing: Listing, *, one_group_out: bool) -> list[str]:
    """Return the pool of each of `listing.all_videos`; the videos of one are in one part.

    Videos surround each other within a part of the split. Where each fold holds another group out,
    they do so within their group: it is never divided, so that a video has the same scene in all
    folds, and features that are cached once serve them all.
    """
    if one_group_out:
        return [f"the group {group}" for group in listing.all_videos.groups()]
    return [
        f"the {part} part"
        for part, videos in (("train", listing.train), ("val", listing.val), ("test", listing.test))
        for _ in range(len(videos))
    ]


def unused_keys(config: Config) -> tuple[str, ...]:
    """Return the settings of scenes that have no effect, as there are none."""
    return () if config.data.crop.beyond == "scene" and config.data.people else (SCENE_SEED,)


def scene_keys(config: Config) -> tuple[str, ...]:
    """Return the settings, besides those of the crop, that a video's scene depends on."""
    data = config.data
    if data.crop.beyond != "scene" or data.people is None or _holds_one_group_out(config):
        return ()
    own = ["data.folds", "data.fold_seed"] if data.folds is not None else []
    return ("data.fold", "data.val_share", *own, *(["train.seed"] if data.val_share else []))


def _holds_one_group_out(config: Config) -> bool:
    return DATASETS[config.data.name].one_group_out or config.data.folds == "groups"
