import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from vae_jax.evaluate import neighbors
from vae_jax.evaluate.neighbors import ClassPair

few = settings(max_examples=25, deadline=None)
LABELS = np.repeat([0, 1, 2], 20)
FAR = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 300.0]])  # three places, a class at each


def cloud(seed=0):
    return FAR[LABELS] + np.random.RandomState(seed).normal(size=(len(LABELS), 2))


def test_classes_that_lie_apart_are_pure_and_not_mixed():
    found = neighbors.mixing(cloud(), LABELS)
    np.testing.assert_array_equal(found, np.eye(3))
    assert neighbors.purity(found, LABELS) == 1.0


def test_classes_that_lie_in_one_another_are_as_pure_as_chance():
    points = np.random.RandomState(0).normal(size=(4000, 2))
    labels = np.random.RandomState(1).randint(4, size=4000)
    found = neighbors.mixing(points, labels)
    np.testing.assert_allclose(found, 1 / 4, atol=0.03)
    assert neighbors.purity(found, labels) == pytest.approx(1 / 4, abs=0.02)


def test_two_of_three_classes_in_one_place_are_mixed_half_and_half():
    points = FAR[[0, 0, 1]][LABELS] + np.random.RandomState(0).normal(size=(len(LABELS), 2))
    found = neighbors.mixing(points, LABELS)
    np.testing.assert_allclose(found[2], [0, 0, 1])
    np.testing.assert_allclose(found[:2, :2], 0.5, atol=0.15)
    nearest = neighbors.pairs(found)[-1]
    assert (nearest.first, nearest.second) == (0, 1)


def test_mixing_by_hand():
    # On a line: 0 0 1 . . . 1 1; each point's single nearest neighbour is known.
    points = np.array([[0.0], [1.0], [2.5], [10.0], [11.0]])
    labels = np.array([0, 0, 1, 1, 1])
    found = neighbors.mixing(points, labels, neighbors=1)
    np.testing.assert_allclose(found, [[1, 0], [1 / 3, 2 / 3]])
    assert neighbors.purity(found, labels) == pytest.approx(4 / 5)


def test_point_is_not_its_own_neighbour():
    # Pairs of one point of each class: whoever counted himself would find purity.
    points = np.repeat(np.arange(5.0)[:, None] * 100, 2, axis=0) + np.tile([[0.0], [1.0]], (5, 1))
    labels = np.tile([0, 1], 5)
    assert neighbors.purity(neighbors.mixing(points, labels, neighbors=1), labels) == 0.0


@given(seed=st.integers(0, 100), scale=st.sampled_from([0.01, 1.0, 50.0]), shift=st.floats(-10, 10))
@few
def test_mixing_depends_on_who_is_nearest_alone(seed, scale, shift):
    points = np.random.RandomState(seed).normal(size=(60, 2))
    turned = scale * points @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + shift
    found = neighbors.mixing(points, LABELS)
    np.testing.assert_allclose(neighbors.mixing(turned, LABELS), found)
    np.testing.assert_allclose(found.sum(1), 1.0)


def test_purity_weighs_every_point_and_not_every_class():
    labels = np.array([0] * 9 + [1])
    assert neighbors.purity(np.array([[1.0, 0.0], [1.0, 0.0]]), labels) == pytest.approx(0.9)


def test_class_that_no_point_has_does_not_count():
    labels = np.where(LABELS == 1, 3, LABELS)  # classes 0, 2 and 3
    found = neighbors.mixing(cloud(), labels)
    np.testing.assert_array_equal(found, np.diag([1.0, 0.0, 1.0, 1.0]))
    assert neighbors.purity(found, labels) == 1.0


def test_class_distances_by_hand():
    points = np.array([[0.0, 0.0], [0.0, 2.0], [3.0, 0.0], [3.0, 10.0]])
    found = neighbors.class_distances(points, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(found, [[0, 5], [5, 0]])  # means (0, 1) and (3, 5)


def test_pairs_are_sorted_and_symmetric():
    values = np.array([[9.0, 1.0, 5.0], [3.0, 9.0, 0.5], [5.0, 0.5, 9.0]])
    assert neighbors.pairs(values) == [ClassPair(1, 2, 0.5), ClassPair(0, 1, 2.0), ClassPair(0, 2, 5.0)]


def test_pairs_name_every_pair_once():
    assert len(neighbors.pairs(np.zeros((10, 10)))) == 45


@pytest.mark.parametrize(("change", "expected"), [(np.exp, 1.0), (np.negative, -1.0), (lambda d: d**3, 1.0)])
def test_rank_correlation_asks_for_the_order_alone(change, expected):
    distances = neighbors.class_distances(FAR, np.arange(3))
    assert neighbors.rank_correlation(distances, change(distances / 100)) == pytest.approx(expected)


def test_rank_correlation_by_hand():
    # Pairs (0,1), (0,2), (1,2) with ranks 1 2 3 and 1 3 2: 1 - 6·(0 + 1 + 1) / (3·8) = 0.5.
    one, other = np.zeros((3, 3)), np.zeros((3, 3))
    upper = np.triu_indices(3, 1)
    one[upper], other[upper] = (1, 2, 3), (1, 3, 2)
    assert neighbors.rank_correlation(one, other) == pytest.approx(0.5)


@given(st.integers(0, 1000))
@few
def test_rank_correlation_is_spearmans(seed):
    rng = np.random.default_rng(seed)
    one, other = (np.round(rng.random((5, 5)), 1) for _ in range(2))  # with ties
    upper = np.triu_indices(5, 1)
    expected = spearmanr((one + one.T)[upper], (other + other.T)[upper]).statistic
    np.testing.assert_allclose(neighbors.rank_correlation(one, other), expected, atol=1e-12)


def test_rank_correlation_of_unrelated_distances_is_about_zero():
    one, other = (np.random.RandomState(seed).normal(size=(60, 60)) for seed in (0, 1))
    assert neighbors.rank_correlation(one, other) == pytest.approx(0, abs=0.1)


def test_chance_correlation_is_that_of_all_orders_of_the_classes():
    one, other = (np.random.RandomState(seed).uniform(size=(5, 5)) for seed in (0, 1))
    orders = [list(order) for order in itertools.permutations(range(5))]
    every = [neighbors.rank_correlation(one, other[order][:, order]) for order in orders]
    found = neighbors.chance_correlation(one, other)
    assert np.mean(np.array(every) <= found) == pytest.approx(0.95, abs=0.02)


def test_chance_correlation_is_far_below_that_of_classes_in_the_same_places():
    points = np.random.RandomState(0).normal(size=(10, 2))
    distances = neighbors.class_distances(points, np.arange(10))
    assert neighbors.chance_correlation(distances, distances, shuffles=200) < 0.6
    assert neighbors.rank_correlation(distances, distances) == pytest.approx(1.0)
