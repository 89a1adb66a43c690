import math

import pytest
import torch

from stn_action.models.readouts.attention_readout import AttentionReadout, step_positions

CLIP = (2, 5, 3, 4, 6)  # (B, C, T, H, W)


def attention(**settings):
    return AttentionReadout(5, 3, key_channels=8, **settings)


def by_loops(readout, features):
    """Weights and descriptions cell by cell, from the formula."""
    B, C, T, H, W = features.shape
    per_step = readout.per == "step"
    S = T if per_step else 1
    K, D = readout.queries.shape
    weights = torch.zeros(B, K, S, H, W)
    descriptions = torch.zeros(B, K, C, T)
    matrix = readout.keys.weight[:, :, 0, 0]
    for b in range(B):
        for s in range(S):
            if per_step:
                before = features[b, :, max(s - 1, 0)]
                evidence = torch.cat([features[b, :, s], (features[b, :, s] - before).abs()])
            else:
                steps = [features[b, :, t + 1] - features[b, :, t] for t in range(T - 1)]
                moving = sum(step.abs() for step in steps) / (T - 1)
                evidence = torch.cat([features[b].mean(1), moving])
            variance = evidence.var(unbiased=False)
            evidence = (evidence - evidence.mean()) / (variance + 1e-5).sqrt()
            for k in range(K):
                query = readout.queries[k]
                if per_step:
                    query = query + position(s, D)
                logits = torch.zeros(H, W)
                for y in range(H):
                    for x in range(W):
                        key = matrix @ evidence[:, y, x]
                        logits[y, x] = (query * key).sum() / math.sqrt(D)
                weights[b, k, s] = logits.exp() / logits.exp().sum()
                for t in [s] if per_step else range(T):
                    descriptions[b, k, :, t] = (features[b, :, t] * weights[b, k, s]).sum((1, 2))
    return weights, descriptions


def position(step, D):
    angles = [step / 10_000 ** (2 * pair / D) for pair in range(D // 2)]
    return torch.tensor([f(angle) for angle in angles for f in (math.sin, math.cos)])


@pytest.mark.parametrize("per", ["clip", "step"])
@torch.no_grad()
def test_weights_and_descriptions_are_those_of_loops(per):
    readout, features = attention(per=per), torch.randn(CLIP)
    reading = readout(features)
    weights, descriptions = by_loops(readout, features)
    torch.testing.assert_close(reading.weights, weights, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(reading.descriptions, descriptions, atol=1e-5, rtol=1e-4)


def test_steps_have_positions_of_their_own():
    """The same map in every step, without motion: only the position differs."""
    features = torch.randn(CLIP)[:, :, :1].expand(CLIP)
    weights = attention(per="step", motion=False)(features).weights
    assert (weights[:, :, 1:] - weights[:, :, :1]).abs().amax((0, 1, 3, 4)).min() > 1e-3
    torch.testing.assert_close(step_positions(3, torch.zeros(8))[2], position(2, 8))


def test_a_larger_contrast_of_the_map_changes_no_weight():
    readout, features = attention(), torch.randn(CLIP)
    torch.testing.assert_close(
        readout(100 * features).weights, readout(features).weights, atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize(("detach", "reaches"), [(True, False), (False, True)])
def test_the_gradient_of_the_weights_reaches_the_trunk_only_if_asked(detach, reaches):
    features = torch.randn(CLIP, requires_grad=True)
    readout = attention(detach=detach)
    readout(features).weights.square().sum().backward()
    assert (features.grad is not None) is reaches
    assert all(parameter.grad.any() for parameter in readout.parameters())


def test_the_values_are_never_detached():
    features = torch.randn(CLIP, requires_grad=True)
    reading = attention()(features)
    reading.descriptions.sum().backward()
    spread = reading.weights.sum(1, keepdim=True).detach()  # (B, 1, 1, H, W)
    torch.testing.assert_close(features.grad, spread.expand(CLIP))


def test_it_is_trained_at_the_trunks_learning_rate():
    assert attention().localization_parameters() == []
    assert attention().learns


def test_weights_are_computed_in_float32():
    readout, features = attention(), torch.randn(CLIP).bfloat16()
    expected = readout(features.float()).weights
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reading = readout(features)
    assert reading.weights.dtype == torch.float32
    assert reading.descriptions.dtype == torch.bfloat16
    # the evidence (means and differences over time) is bfloat16, nothing behind it
    torch.testing.assert_close(reading.weights, expected, atol=2e-3, rtol=0)
