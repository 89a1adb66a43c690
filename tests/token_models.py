"""Small video transformers of Hugging Face, by the numbers of their configurations."""

from stn_action.models.backbones.huggingface_trunks import build_token_trunk

SHARED = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
OF_CLIPS = {**SHARED, "intermediate_size": 32, "image_size": [32, 48], "num_frames": 6}
TOKEN_MODELS = {
    "videomae": {**OF_CLIPS, "num_labels": 7, "layer_norm_eps": 1e-6},
    "vivit": {**OF_CLIPS, "tubelet_size": [2, 16, 16], "num_labels": 7},
    "timesformer": {**OF_CLIPS, "image_size": 32, "num_frames": 3, "num_labels": 7},
    "vjepa2": {
        **SHARED, "num_attention_heads": 1, "crop_size": 32, "frames_per_clip": 6, "mlp_ratio": 2.0,
        "pred_num_hidden_layers": 1, "pred_hidden_size": 16, "pred_num_attention_heads": 1,
        "num_pooler_layers": 1,
    },
}  # fmt: skip
"""Clips of 6 frames of 32 x 48, TimeSformer's of 3 of 32 x 32, V-JEPA 2's of 32 x 32."""
GRIDS = {
    "videomae": (3, 2, 3), "vivit": (3, 2, 3), "timesformer": (3, 2, 2), "vjepa2": (3, 2, 2)
}  # fmt: skip
MIDDLE_LAYERS = dict.fromkeys(TOKEN_MODELS, "encoder.layer.1") | {"vivit": "layers.1"}


def tiny_token_trunk(family):
    """A trunk of three layers, in eval mode."""
    return build_token_trunk(family, TOKEN_MODELS[family]).eval()
