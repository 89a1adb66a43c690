"""Everything that the cells of a probe share: videos, stored maps, networks at their start."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from rich.console import Console
from torch import Tensor

from stn_action.build.cache_fingerprint import cache_fingerprint
from stn_action.build.data import fold_configs, load_listing, open_source
from stn_action.build.model import build_network, example_clip
from stn_action.build.run_data import CachedData, build_run_data
from stn_action.build.scene_pools import with_scenes
from stn_action.config.schema import Config, config_from_dict, to_dict
from stn_action.data.listing import Listing
from stn_action.data.stored_maps import StoredMaps
from stn_action.distributed import Strategy, build_strategy, seed_everything
from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import backbone_spec
from stn_action.models.network import FocusedNetwork
from stn_action.models.probe_inputs import ProbeInputs, probe_inputs, reads_as, trunk_inputs
from stn_action.models.probe_network import ProbeNetwork
from stn_action.models.zoom_network import ZoomNetwork
from stn_action.models.zoom_probe import ZoomProbe, zoom_inputs
from stn_action.runs.probe_grid import ProbeArm, ProbeSetting, config_of_cell

FEW_FRAMES = 2
"""Of the clip with which a network of single frames is built: its weights do not depend on it."""


@dataclass(frozen=True)
class ProbeSession:
    """The data of a probe; see `open_session`."""

    config: Config
    listings: dict[int, Listing]
    """By fold."""
    data: CachedData
    maps: StoredMaps
    trunk: Tensor
    """Of `trunk_inputs`."""
    strategy: Strategy
    _started: dict[tuple[bool, int], tuple[ProbeNetwork, list[Tensor]]] = field(
        default_factory=dict
    )
    """The networks of the last arm, with their parameters at the start, by seed and by whether
    they learn where to look."""
    _inputs: dict[ProbeArm, dict[bool, ProbeInputs]] = field(default_factory=dict)
    """Of the last arm, likewise."""

    def network(self, setting: ProbeSetting, seed: int) -> ProbeNetwork:
        """Return the network of a setting as a training run with this seed starts it.

        What was returned before is started anew.
        """
        if setting.arm not in self._inputs:
            self._started.clear()
            self._inputs.clear()
            self._inputs[setting.arm] = {}
        key = setting.relative_lr == 0, seed
        if key not in self._started:
            config = config_of_cell(self.config, setting, seed)
            network = self._start(config, self._inputs[setting.arm])
            state = [parameter.detach().clone() for parameter in network.parameters()]
            self._started[key] = network, state
        network, state = self._started[key]
        with torch.no_grad():
            for parameter, value in zip(network.parameters(), state, strict=True):
                parameter.copy_(value)
                parameter.grad = None
        return network

    def _start(self, config: Config, inputs: dict[bool, ProbeInputs]) -> ProbeNetwork:
        built = _built(config, self.data, self._num_classes)
        learns = built.readout is not None and built.readout.learns
        learns = learns and not (built.localization_parameters() and config.optim.relative_lr == 0)
        zooms = isinstance(built, ZoomNetwork)
        known = inputs.get(learns)
        if known is None or not (learns or reads_as(built, known, self.maps.extents)):
            inputs_of = partial(zoom_inputs, built) if zooms else partial(probe_inputs, built)
            inputs[learns] = inputs_of(self.maps, self.trunk, self.maps.extents, learns=learns)
        return (ZoomProbe if zooms else ProbeNetwork)(built, inputs[learns])

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, the same in all folds."""
        return next(iter(self.listings.values())).classes

    @property
    def _num_classes(self) -> int:
        return len(self.classes)


def open_session(config: Config, console: Console) -> ProbeSession:
    """Open the videos of all folds and the cache of their features, which is filled if need be.

    Raises:
        InputError: as `check_config`, `load_listing` and `build_run_data`.
    """
    check_config(config)
    strategy = build_strategy("float32", cpu=True)
    listings = fold_listings(config)
    first = next(iter(listings.values()))
    source = with_scenes(open_source(config), config, first)
    if first.multi_label or first.positions > 1:
        kind = "labels" if first.multi_label else "positions"
        raise InputError(f"{first.name}: videos have several {kind}; a probe needs one label each")
    seed_everything(config.train.seed)
    network = build_network(config, len(first.classes))
    data = build_run_data(config, source, first, network, strategy, console, all_views=True)
    assert isinstance(data, CachedData)
    maps = _stored_maps(data, list(listings.values()))
    learner = data.learner
    return ProbeSession(
        config, listings, data, maps, trunk_inputs(learner, maps, len(maps)), strategy
    )


def fold_listings(config: Config) -> dict[int, Listing]:
    """Return the videos of each fold of the configuration.

    Raises:
        InputError: as `load_listing`.
    """
    configs = fold_configs(config) if config.data.fold == "all" else [config]
    return {own.data.fold: load_listing(own) for own in configs if own.data.fold != "all"}


def check_config(config: Config) -> None:
    """Check that a configuration can be probed.

    Raises:
        InputError: features are not cached, there is no read-out, or its glimpses are of the map.
    """
    focus = config.model.focus
    if not config.train.cache_features:
        raise InputError(
            "train.cache_features is false: a probe is trained on stored features; set "
            "model.freeze_until to the trunk's last stage and train.cache_features=true"
        )
    if focus is None or focus.heads == 0:
        raise InputError("model.focus: a probe compares read-outs of a stage; configure heads")
    if len(focus.stages) > 1:
        raise InputError(
            f"model.focus.at is {list(focus.stages)}: a probe compares read-outs of one stage; "
            "name that alone"
        )
    if focus.glimpse not in ("pooled", "zoom", None):
        raise InputError(
            f"model.focus.glimpse is {focus.glimpse}: a probe compares read-outs whose "
            "descriptions are pooled at the stage, or glimpses of pixels; set "
            "model.focus.glimpse=pooled or zoom"
        )
    if config.train.patience is not None:
        raise InputError(
            "train.patience: a probe trains each of its networks for all epochs; set it to null"
        )
    if focus.random_glimpse_loss:
        raise InputError(
            "model.focus.random_glimpse_loss: a probe has no branch of a random window; set it to 0"
        )


def check_settings(config: Config, settings: Sequence[ProbeSetting], listing: Listing) -> None:
    """Check all arms before one of them is trained.

    Raises:
        InputError: an arm's settings are wrong, or its stored features would be others.
    """
    own = cache_fingerprint(config, listing.all_videos)
    for setting in settings:
        changed = config_of_cell(config, setting, config.train.seed)
        check_config(changed)
        if different := own.compare(cache_fingerprint(changed, listing.all_videos)):
            raise InputError(
                f"arm {setting.arm.name!r} needs other stored features: {different}; give that to "
                "a probe of its own, as key=value"
            )


def _stored_maps(data: CachedData, listings: Sequence[Listing]) -> StoredMaps:
    train = {video.name for listing in listings for video in listing.train}
    names = data.cache.videos.names()
    unreadable = data.cache.failures
    rows = [row for row in range(len(names)) if row not in unreadable]
    return StoredMaps(
        {
            "train": (
                data.cache.arrays("train"),
                [row for row in rows if names[row] in train],
            ),
            "test": (data.cache.arrays("test"), rows),
        }
    )


def _built(config: Config, data: CachedData, num_classes: int) -> FocusedNetwork:
    """Return the part behind the stage, with the weights that a run with the seed starts with."""
    smaller = config
    if backbone_spec(config.model.backbone).frame_wise and config.data.clip.num_frames > FEW_FRAMES:
        overrides = [f"data.clip.num_frames={FEW_FRAMES}"]
        smaller = config_from_dict(to_dict(config), "the clip to build with", overrides)
    seed_everything(config.train.seed)
    network = build_network(smaller, num_classes)
    with torch.no_grad():
        behind = network.behind(data.cache.stage, example_clip(smaller))
    for own, known in zip(behind.placements, data.learner.placements, strict=True):
        own.stage_cells = known.stage_cells
    if isinstance(behind, ZoomNetwork) and isinstance(data.learner, ZoomNetwork):
        behind.stages_before = data.learner.stages_before
    return behind
