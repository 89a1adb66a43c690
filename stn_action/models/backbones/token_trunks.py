"""Video transformers of Hugging Face as trunks: VideoMAE, ViViT, TimeSformer and V-JEPA 2.

Their parts are those of the library's models, under the names that they have there, so that any
layer is a stage ("encoder.layer.5"; of ViViT "layers.5") and the library's weights fit. Only what
stands around them is written here: the axes of clips, the sizes that a model takes, the order of
its tokens, and the features that the library's classification model would see.

Letters: D features.
"""

from typing import Any

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.map_layout import TokenGrid


class ClipFrames(nn.Module):
    """Clips (B, 3, T, H, W) as frames (B, T, 3, H, W), if they have the size that a model takes.

    Args:
        clip_thw: frames, height and width.
        any_length: whether any number of frames is taken that tubelets divide.
        tubelet: frames in a token.
    """

    def __init__(self, clip_thw: tuple[int, int, int], *, any_length: bool, tubelet: int) -> None:
        super().__init__()
        self.clip_thw = clip_thw
        self.any_length = any_length
        self.tubelet = tubelet

    def forward(self, clip: Tensor) -> Tensor:
        """Move the frames before the channels.

        Raises:
            InputError: the clips have another size.
        """
        T, H, W = self.clip_thw
        frames = clip.shape[2]
        fits = frames % self.tubelet == 0 if self.any_length else frames == T
        if not fits or clip.shape[3:] != (H, W):
            wanted = f"a multiple of {self.tubelet}" if self.any_length else T
            raise InputError(
                f"the trunk takes clips of {wanted} frames and size {H}x{W} alone, for which it "
                f"has positions; got {frames} frames of {clip.shape[3]}x{clip.shape[4]}"
            )
        return clip.transpose(1, 2)


class TokenTrunk(nn.Module):
    """A video transformer of the library `transformers` as a trunk; parameters are shared.

    Args:
        model: of the library, with or without its classifier.
    """

    parts: tuple[str, ...] = ("embeddings", "encoder", "layernorm")
    """Modules of the library's base model, in the order of the forward pass."""
    num_leading = 0
    time_last = False
    any_length = False
    """Whether clips may have another number of frames than in training."""

    embeddings: nn.Module
    encoder: nn.Module
    layernorm: nn.Module

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.clip_thw, cell_thw = token_sizes(model.config)
        self.token_grid = TokenGrid(cell_thw, self.num_leading, self.time_last)
        self.frames = ClipFrames(self.clip_thw, any_length=self.any_length, tubelet=cell_thw[0])
        base = getattr(model, model.base_model_prefix, model)
        for name in self.parts:
            self.add_module(name, _part(base, name))
        self.fc_norm = _part(model, "fc_norm")
        self.classifier = _part(model, "classifier")

    def forward(self, clip: Tensor) -> Tensor:
        """Compute scores or features (B, D) of normalized clips (B, 3, T, H, W)."""
        return self.classifier(self.features(self.frames(clip)))

    def features(self, frames: Tensor) -> Tensor:
        """Compute what the classifier sees, (B, D), of frames (B, T, 3, H, W)."""
        raise NotImplementedError


class VideoMAETrunk(TokenTrunk):
    """VideoMAE; the features are the normalized mean of all tokens.

    Where a model is configured to take its first token instead (`use_mean_pooling=False`, as those
    of the pre-training are), which is no class token, the mean of its tokens is taken, too.
    """

    def features(self, frames: Tensor) -> Tensor:
        """Compute what the classifier sees, (B, D), of frames (B, T, 3, H, W)."""
        tokens = self.encoder(self.embeddings(frames, None)).last_hidden_state
        return self.fc_norm(self.layernorm(tokens).mean(1))


class ViViTTrunk(TokenTrunk):
    """ViViT with joint attention; the features are the class token."""

    parts = ("embeddings", "layers", "layernorm")
    num_leading = 1
    layers: nn.ModuleList

    def features(self, frames: Tensor) -> Tensor:
        """Compute what the classifier sees, (B, D), of frames (B, T, 3, H, W)."""
        tokens = self.embeddings(frames)
        for layer in self.layers:
            tokens = layer(tokens)
        return self.layernorm(tokens)[:, 0]


class TimeSformerTrunk(TokenTrunk):
    """TimeSformer; the features are the class token."""

    num_leading = 1
    time_last = True

    def features(self, frames: Tensor) -> Tensor:
        """Compute what the classifier sees, (B, D), of frames (B, T, 3, H, W)."""
        tokens = self.encoder(self.embeddings(frames)).last_hidden_state
        return self.layernorm(tokens)[:, 0]


class VJEPA2Trunk(TokenTrunk):
    """The encoder of V-JEPA 2; the features are the mean of its normalized tokens.

    The predictor of the pre-training is left out, and so are the attentive pooler and classifier of
    fine-tuned models: they are the probe by which the encoder was evaluated.
    """

    parts = ("encoder",)
    any_length = True

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.classifier = nn.Identity()

    def features(self, frames: Tensor) -> Tensor:
        """Compute (B, D) of frames (B, T, 3, H, W)."""
        return self.encoder(frames).last_hidden_state.mean(1)


TOKEN_TRUNKS: dict[str, type[TokenTrunk]] = {
    "videomae": VideoMAETrunk,
    "vivit": ViViTTrunk,
    "timesformer": TimeSformerTrunk,
    "vjepa2": VJEPA2Trunk,
}
"""By the `model_type` of a model's configuration."""


def token_trunk(model: nn.Module) -> TokenTrunk:
    """Return a video transformer of Hugging Face as a trunk of clips (B, 3, T, H, W).

    Args:
        model: VideoMAE, ViViT, TimeSformer or V-JEPA 2 of the library `transformers`, with a
            classifier or without.

    Raises:
        InputError: it is another network.
    """
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    if model_type not in TOKEN_TRUNKS:
        got = type(model).__name__ if model_type is None else f"{model_type!r}"
        raise InputError(
            f"token_trunk takes models of transformers of the types {', '.join(TOKEN_TRUNKS)}; "
            f"got {got}. Other networks go into `plug` as they are, if they take clips "
            "(B, 3, T, H, W) and return scores or features (B, D)"
        )
    return TOKEN_TRUNKS[model_type](model)


def token_sizes(config: Any) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return frames, height and width of a model's clips and of one token, by its configuration.

    Raises:
        ValueError: tokens do not divide clips, or there are no layers.
    """
    is_vjepa = hasattr(config, "crop_size")
    H, W = _pair(config.crop_size if is_vjepa else config.image_size)
    T = config.frames_per_clip if is_vjepa else config.num_frames
    tubelet = getattr(config, "tubelet_size", 1)
    of_vivit = isinstance(tubelet, list | tuple)
    t, h, w = tubelet if of_vivit else (tubelet, *_pair(config.patch_size))
    if min(T, H, W, t, h, w, config.num_hidden_layers) < 1 or T % t or H % h or W % w:
        raise ValueError(
            f"{config.num_hidden_layers} layers, clips {T}x{H}x{W} of tokens {t}x{h}x{w}; expected "
            "layers, and clips that tokens divide"
        )
    return (T, H, W), (t, h, w)


def _part(module: nn.Module, name: str) -> nn.Module:
    """Return a part of a model, or the identity if it has none."""
    part = getattr(module, name, None)
    return nn.Identity() if part is None else part


def _pair(side: Any) -> tuple[int, int]:
    height, width = side if isinstance(side, list | tuple) else (side, side)
    return height, width
