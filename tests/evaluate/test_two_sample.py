import numpy as np
import pytest

from vae_jax.evaluate.two_sample import own_kind


def noise(seed, count=500, size=5):
    return np.random.default_rng(seed).normal(size=(count, size))


def test_perfect_samples_are_told_at_chance():
    # Leave-one-out verdicts are nearly independent: of either kind a deviation of 1/√500 or so.
    assert np.abs(np.array(own_kind(noise(0), noise(1))) - 0.5).max() < 4 * 0.5 / np.sqrt(250)


def test_useless_samples_are_all_told():
    assert own_kind(noise(0), 100 + noise(1)) == (1, 1)


def test_copies_are_told_less_often_than_by_chance():
    assert own_kind(noise(0), noise(0) + 1e-3) == (0, 0)


def test_of_noisy_samples_all_real_images_are_told_and_no_sample():
    real = noise(0, size=50)
    far = noise(1, size=50) + 2 * noise(2, size=50)
    shares = own_kind(real, far)
    assert shares.real > 0.95
    assert shares.sampled < 0.05


def test_of_blurred_samples_it_is_the_other_way_round():
    shares = own_kind(noise(0, size=50), 0.3 * noise(1, size=50))
    assert shares.real < 0.05
    assert shares.sampled > 0.95


def test_neighbours_equally_near_count_in_part():
    real, samples = np.array([[0.0], [0.0]]), np.array([[0.0], [9.0]])
    # Each 0 has two nearest. A real one: one of each kind. The sample at 0: both real, none its own.
    # The sample at 9: one of three is its own.
    assert own_kind(real, samples) == pytest.approx((1 / 2, (0 + 1 / 3) / 2))
