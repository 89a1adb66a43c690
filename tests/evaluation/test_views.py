import pytest
import torch

from stn_action.errors import InputError
from stn_action.evaluation.metrics import score_videos
from stn_action.evaluation.views import ViewPredictions, evaluate, shuffled_theta
from stn_action.geometry.cells import Cells
from stn_action.models.prediction import Focus


def test_views_come_out_in_order_with_their_softmax(looking_network, clips, strategy):
    network = looking_network()
    first, second = clips(4, views=2), clips(4, first_video=2, views=2)
    predictions = evaluate(network, [second, first], strategy)
    assert predictions.video.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert predictions.view.tolist() == [0, 1] * 4
    assert predictions.target.tolist() == [0, 0, 1, 1, 2, 2, 0, 0]
    expected = network.eval()(first.clip).logits.softmax(1)
    torch.testing.assert_close(predictions.probabilities[:4], expected)
    assert not predictions.probabilities.requires_grad


def test_a_view_that_comes_twice_counts_once(looking_network, clips, strategy):
    predictions = evaluate(looking_network(), [clips(3), clips(3)], strategy)
    assert predictions.video.tolist() == [0, 1, 2]


def test_a_video_that_failed_is_reported_and_counts_as_wrong(looking_network, clips, strategy):
    batches = [clips(2), clips(0, failures=[(3, "d.avi: empty"), (2, "c.avi: 0 bytes")])]
    predictions = evaluate(looking_network(), batches, strategy)
    assert predictions.failures == [(2, "c.avi: 0 bytes"), (3, "d.avi: empty")]
    scores = score_videos(predictions, torch.tensor([0, 1, 2, 0]), 3)
    assert scores.artifacts["failed_per_class"].tolist() == [1, 0, 1]
    assert scores.numbers["top5"] == 0.5


def test_several_labels_are_predicted_apart(looking_network, clips, strategy):
    network, batch = looking_network(), clips(2)
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    predictions = evaluate(network, [batch._replace(target=labels)], strategy)
    torch.testing.assert_close(predictions.probabilities, network(batch.clip).logits.sigmoid())
    assert torch.equal(predictions.target, labels)


def test_each_position_has_a_softmax_of_its_own(looking_network, clips, strategy):
    network, batch = looking_network(num_classes=6), clips(2)
    digits = torch.tensor([[0, 1, 1], [1, 0, 1]])
    predictions = evaluate(network, [batch._replace(target=digits)], strategy)
    expected = network(batch.clip).logits.reshape(2, 3, 2).softmax(2).flatten(1)
    torch.testing.assert_close(predictions.probabilities, expected)
    assert torch.equal(predictions.target, digits)


def test_focus_is_collected_when_asked(looking_network, clips, strategy):
    network = looking_network()
    second, first = clips(2, first_video=2), clips(2)
    assert evaluate(network, [first], strategy).focus == ()
    predictions = evaluate(network, [second, first], strategy, collect_focus=True)
    (focus,) = predictions.focus
    assert focus.theta.shape == (4, 1, 1, 2, 3)
    torch.testing.assert_close(focus.theta[:2], network(first.clip).focus[0].theta)
    assert predictions.boxes is not None
    assert torch.equal(predictions.boxes, torch.cat([first.boxes, second.boxes]))
    assert predictions.frame_indices is not None
    assert predictions.frame_indices.shape == (4, 2)


def test_given_theta_takes_the_place_of_the_heads_own(looking_network, clips, strategy):
    network, batch = looking_network(), clips(3)
    own = evaluate(network, [batch], strategy, collect_focus=True)
    theta = own.focus[0].theta
    source = {(video, 0): (theta[(video + 1) % 3],) for video in range(3)}
    other = evaluate(network, [batch], strategy, theta_source=source)
    expected = network(batch.clip, theta=[theta.roll(-1, 0)]).logits.softmax(1)
    torch.testing.assert_close(other.probabilities, expected)
    assert not torch.allclose(other.probabilities, own.probabilities)


def test_shuffled_theta_is_that_of_the_same_view_of_another_video(looking_network, clips, strategy):
    predictions = evaluate(looking_network(), [clips(10, views=2)], strategy, collect_focus=True)
    theta = predictions.focus[0].theta
    rows = {
        (int(v), int(w)): row
        for row, (v, w) in enumerate(zip(predictions.video, predictions.view, strict=True))
    }
    for seed in range(5):
        source = shuffled_theta(predictions, torch.Generator().manual_seed(seed))
        assert source.keys() == rows.keys()
        givers = []
        for (video, view), (given,) in source.items():
            giver = next(key for key, row in rows.items() if torch.equal(theta[row], given))
            assert giver[0] != video
            assert giver[1] == view
            givers.append(giver)
        assert len(set(givers)) == len(rows)


def test_a_view_that_the_other_video_lacks_takes_its_first(looking_network, clips, strategy):
    batch = clips(4, views=2).rows(slice(3))  # video 1 has view 0 only
    predictions = evaluate(looking_network(), [batch], strategy, collect_focus=True)
    source = shuffled_theta(predictions)
    assert torch.equal(source[0, 1][0], predictions.focus[0].theta[2])


def test_the_network_with_theta_of_others_can_be_evaluated(looking_network, clips, strategy):
    network, batches = looking_network(), [clips(3), clips(3, first_video=3)]
    predictions = evaluate(network, batches, strategy, collect_focus=True)
    shuffled = evaluate(network, batches, strategy, theta_source=shuffled_theta(predictions))
    assert shuffled.probabilities.shape == predictions.probabilities.shape


def test_nothing_to_shuffle_is_reported(looking_network, clips, strategy):
    network = looking_network()
    with pytest.raises(ValueError, match="must hold theta: evaluate a network with heads"):
        shuffled_theta(evaluate(network, [clips(2)], strategy))
    one = evaluate(network, [clips(2, views=2)], strategy, collect_focus=True)
    with pytest.raises(ValueError, match="at least two videos are needed to shuffle theta, got 1"):
        shuffled_theta(one)


def test_nothing_evaluated_is_an_error(looking_network, clips, strategy):
    batches = [clips(0, failures=[(0, "a.avi: empty")])]
    with pytest.raises(InputError, match=r"no video could be .* 1 failed; the first: a.avi: empty"):
        evaluate(looking_network(), batches, strategy)


def test_a_network_that_gives_no_number_is_reported_with_the_video(
    looking_network, clips, strategy
):
    network = looking_network()
    network.classifier.bias.data[1] = float("nan")
    with pytest.raises(InputError, match="the network's output is not finite for video 5"):
        evaluate(network, [clips(2, first_video=5)], strategy)


def test_views_seen_in_parts_give_the_same_predictions(looking_network, clips, strategy):
    network, batch = looking_network(), clips(5, views=5)
    whole = evaluate(network, [batch], strategy, collect_focus=True)
    parts = evaluate(network, [batch, clips(0)], strategy, collect_focus=True, views_at_once=2)
    torch.testing.assert_close(parts.probabilities, whole.probabilities)
    torch.testing.assert_close(parts.focus[0].theta, whole.focus[0].theta)
    assert parts.view.tolist() == whole.view.tolist() == [0, 1, 2, 3, 4]


def attended(**settings):
    """The predictions of three videos and the weights of their one description."""
    weights = torch.rand(3, 1, 1, 2, 2)
    cells = Cells.centered((1, 2, 2), (2, 8, 8))
    return ViewPredictions(
        video=torch.arange(3), view=torch.zeros(3, dtype=torch.int64), target=torch.zeros(3),
        probabilities=torch.ones(3, 1), failures=[],
        focus=(Focus(None, None, "trunk", cells, weights=weights, **settings),),
    )  # fmt: skip


def test_weights_are_shuffled_as_theta_is():
    predictions = attended()
    source = shuffled_theta(predictions, torch.Generator().manual_seed(0))
    given = torch.stack([source[video, 0][0] for video in range(3)])
    weights = predictions.focus[0].weights
    assert {tuple(one.flatten().tolist()) for one in given} == {
        tuple(one.flatten().tolist()) for one in weights
    }
    assert not any(torch.equal(one, other) for one, other in zip(given, weights, strict=True))


def test_a_readout_that_takes_no_weights_of_others_is_not_shuffled():
    with pytest.raises(
        ValueError, match=r"takes no weights of other videos .* nothing can be shuf"
    ):
        shuffled_theta(attended(can_be_given=False))
