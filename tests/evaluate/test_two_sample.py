import numpy as np
import pytest

from vae_jax.evaluate.two_sample import two_sample_accuracy


def noise(seed, count=500, size=5):
    return np.random.default_rng(seed).normal(size=(count, size))


def test_perfect_samples_are_told_at_chance():
    # Leave-one-out verdicts are nearly independent: a deviation of at most 1/√1000 or so.
    assert abs(two_sample_accuracy(noise(0), noise(1)) - 0.5) < 4 * 0.5 / np.sqrt(500)


def test_useless_samples_are_all_told():
    assert two_sample_accuracy(noise(0), 100 + noise(1)) == 1


def test_copies_are_told_less_often_than_by_chance():
    assert two_sample_accuracy(noise(0), noise(0) + 1e-3) == 0


def test_neighbours_equally_near_count_in_part():
    real, samples = np.array([[0.0], [0.0]]), np.array([[0.0], [9.0]])
    # Each 0 has two nearest. A real one: one of each kind. The sample at 0: both real, none its own.
    # The sample at 9: one of three is its own.
    assert two_sample_accuracy(real, samples) == pytest.approx(((1 / 2 + 1 / 2) / 2 + (0 + 1 / 3) / 2) / 2)


def test_both_kinds_count_alike_where_their_numbers_differ():
    real, samples = np.zeros((30, 1)), np.array([[5.0], [-5.0]])
    assert two_sample_accuracy(real, samples) == pytest.approx((1 + 0) / 2)
