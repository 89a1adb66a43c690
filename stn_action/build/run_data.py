"""Data of a run, as clips or as stored features, and the network that takes them."""

from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from torch.utils.data import Dataset

from stn_action.batch import Item
from stn_action.build.cache_fingerprint import cache_fingerprint, in_order
from stn_action.build.data import evaluation_dataset, training_dataset
from stn_action.build.feature_cache import FeatureCache, UsedVideos
from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.data.source import ClipSource
from stn_action.data.video_table import VideoTable
from stn_action.distributed import Strategy
from stn_action.errors import InputError
from stn_action.models.network import FocusedNetwork


class RunData(Protocol):
    """The data sets of a run; every item is one video."""

    learner: FocusedNetwork
    """The network that takes the items: the complete one, or its part behind a stage."""
    num_workers: int
    """Processes that load items."""
    quick_views: str
    """How many views of a video `test(quick=True)` has, in words."""
    features: str | None
    """The digest of what the items are, if they are stored features; None: clips."""

    def train(self, videos: VideoTable) -> Dataset[Item]:
        """Return a data set with a random view of each video, or `train.repeated` of them."""
        ...

    def test(self, videos: VideoTable, *, quick: bool = False) -> Dataset[Item]:
        """Return a data set with the test views of each video; `quick`: only cheap ones."""
        ...


class ClipData:
    """Clips, decoded whenever they are asked for."""

    quick_views = "one view"
    features: str | None = None

    def __init__(self, config: Config, source: ClipSource, network: FocusedNetwork) -> None:
        self.config = config
        self.source = source
        self.learner = network
        self.num_workers = config.data.num_workers

    def train(self, videos: VideoTable) -> Dataset[Item]:
        """Return random clips: see `RunData.train`."""
        views = self.config.train.repeated
        return training_dataset(self.config, videos, source=self.source, views_per_video=views)

    def test(self, videos: VideoTable, *, quick: bool = False) -> Dataset[Item]:
        """Return test clips: see `RunData.test`."""
        number = {"clips": 1, "crops": 1} if quick else {}
        return evaluation_dataset(self.config, videos, source=self.source, **number)


class CachedData:
    """Stored features of the frozen stages; all views cost little."""

    quick_views = "all views"
    num_workers = 0

    def __init__(self, cache: FeatureCache, network: FocusedNetwork) -> None:
        self.cache = cache
        self.features: str | None = cache.fingerprint.digest
        self.learner = cache.network_behind(network)

    def train(self, videos: VideoTable) -> Dataset[Item]:
        """Return stored random views: see `RunData.train`."""
        return self.cache.train(videos, seed=self.cache.config.train.seed)

    def test(self, videos: VideoTable, *, quick: bool = False) -> Dataset[Item]:
        """Return stored test views: see `RunData.test`."""
        return self.cache.test(videos)


def build_run_data(
    config: Config, source: ClipSource, listing: Listing, network: FocusedNetwork,
    strategy: Strategy, console: Console, *, all_views: bool = False,
) -> RunData:  # fmt: skip
    """Return clips, or stored features where `train.cache_features` asks for them.

    A cache that is not complete is filled by the main process; all others wait for it.

    Args:
        config: the experiment.
        source: of `open_source`.
        listing: the videos; of those to train on random views are used, of the others test views.
        network: the complete one.
        strategy: of the run.
        console: where progress of filling a cache is shown.
        all_views: whether all views of all videos are used, as by several folds.

    Raises:
        InputError: a cache was made from something else, or the network cannot be cut; or the
            cache is not where this process could read it.
    """
    if not config.train.cache_features:
        return ClipData(config, source, network)
    used = None if all_views else UsedVideos(listing.train, listing.val + listing.test)
    cache = FeatureCache(config, listing.all_videos, used)
    if cache.all_complete:
        console.print(f"features of {cache.stage} are read from {cache.folder}", markup=False)
    elif strategy.is_main:
        network.to(strategy.device)
        cache.fill(network, source, console)
        network.cpu()
    strategy.wait()
    if not strategy.is_main:
        cache = FeatureCache(config, listing.all_videos, used)
        if not cache.complete:
            raise InputError(
                f"train.cache_folder: the main process filled {cache.folder}, but it is not here: "
                "give a folder on a disk that all machines of the run share"
            )
    return CachedData(cache, network)


def build_test_data(
    config: Config, source: ClipSource, listing: Listing, network: FocusedNetwork,
    trained: Callable[[], Config], features: str | None,
) -> tuple[RunData, str]:  # fmt: skip
    """Return the stored features that a network was trained on, or clips; and a line about them.

    Args:
        config: by which it is tested.
        source: of `open_data`.
        listing: the videos.
        network: the complete one, trained.
        trained: returns the configuration of its training.
        features: `RunData.features` of its training.

    Returns:
        The data; the line is empty where no stored features were asked for.
    """
    clips = ClipData(config, source, network)
    if not config.train.cache_features:
        return clips, ""
    cache = _test_cache(config, listing, trained, features)
    if isinstance(cache, str):
        return clips, f"features are computed, not read from a cache: {cache}"
    return CachedData(cache, network), f"features of {cache.stage} are read from {cache.folder}"


def _test_cache(
    config: Config, listing: Listing, trained: Callable[[], Config], features: str | None
) -> FeatureCache | str:
    """Return a cache with all test views, or the reason why there is none."""
    if features is None:
        return "the checkpoint does not name those it was trained on"
    used, reason = UsedVideos(VideoTable(), listing.test), ""
    try:
        cache = FeatureCache(config, listing.all_videos, used)
    except InputError as error:
        cache, reason = None, str(error)
    if cache is None or cache.fingerprint.digest != features:
        videos = in_order(listing.all_videos)
        changed = cache_fingerprint(trained(), videos).compare(cache_fingerprint(config, videos))
        if changed:
            return str(changed)
        return reason or "what they were made of has changed since the training"
    if not cache.complete:
        lacks = "lacks those of the test videos" if cache.folder.is_dir() else "is not here"
        return f"{cache.folder} {lacks}"
    return cache
