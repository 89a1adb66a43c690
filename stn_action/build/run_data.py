"""Data of a run, as clips or as stored features, and the network that takes them."""

from typing import Protocol

from rich.console import Console
from torch.utils.data import Dataset

from stn_action.batch import Item
from stn_action.build.data import evaluation_dataset, training_dataset
from stn_action.build.feature_cache import FeatureCache
from stn_action.config.schema import Config
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

    def train(self, videos: VideoTable) -> Dataset[Item]:
        """Return a data set with a random view of each video, or `train.repeated` of them."""
        ...

    def test(self, videos: VideoTable, *, quick: bool = False) -> Dataset[Item]:
        """Return a data set with the test views of each video; `quick`: only cheap ones."""
        ...


class ClipData:
    """Clips, decoded whenever they are asked for."""

    quick_views = "one view"

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
        self.learner = cache.network_behind(network)

    def train(self, videos: VideoTable) -> Dataset[Item]:
        """Return stored random views: see `RunData.train`."""
        return self.cache.train(videos, seed=self.cache.config.train.seed)

    def test(self, videos: VideoTable, *, quick: bool = False) -> Dataset[Item]:
        """Return stored test views: see `RunData.test`."""
        return self.cache.test(videos)


def build_run_data(
    config: Config, source: ClipSource, videos: VideoTable, network: FocusedNetwork,
    strategy: Strategy, console: Console,
) -> RunData:  # fmt: skip
    """Return clips, or stored features where `train.cache_features` asks for them.

    A cache that is not complete is filled by the main process; all others wait for it.

    Args:
        config: the experiment.
        source: of `open_source`.
        videos: all that will be trained or tested on.
        network: the complete one.
        strategy: of the run.
        console: where progress of filling a cache is shown.

    Raises:
        InputError: a cache was made from something else, or the network cannot be cut; or the
            cache is not where this process could read it.
    """
    if not config.train.cache_features:
        return ClipData(config, source, network)
    cache = FeatureCache(config, videos)
    if not cache.complete and strategy.is_main:
        network.to(strategy.device)
        cache.fill(network, source, console)
        network.cpu()
    strategy.wait()
    if not strategy.is_main:
        cache = FeatureCache(config, videos)
        if not cache.complete:
            raise InputError(
                f"train.cache_folder: the main process filled {cache.folder}, but it is not here: "
                "give a folder on a disk that all machines of the run share"
            )
    return CachedData(cache, network)
