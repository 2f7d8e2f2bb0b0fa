import numpy as np
import pytest

from vae_jax.evaluate.nearest import authentic_share, coverage, nearest

SHAPE = (4, 4, 3)


def images(count, seed=0):
    return np.random.default_rng(seed).random((count, *SHAPE))


def test_nearest_by_hand():
    references = np.stack([np.full(SHAPE, level) for level in (0.0, 0.5, 1.0)])
    asked = np.stack([np.full(SHAPE, level) for level in (0.1, 0.9)])
    distances, found = nearest(asked, references)
    np.testing.assert_allclose(distances, 0.1, rtol=1e-5)
    assert list(found) == [0, 2]
    distances, found = nearest(asked, references, rank=3)
    np.testing.assert_allclose(distances, 0.9, rtol=1e-5)
    assert list(found) == [2, 0]


def test_copies_are_at_no_distance_and_white_is_at_1_from_black():
    assert nearest(images(20), images(20))[0].max() == pytest.approx(0, abs=1e-3)
    assert nearest(np.ones((1, *SHAPE)), np.zeros((1, *SHAPE)))[0] == pytest.approx(1)


def test_copies_are_not_authentic():
    train = images(100)
    assert authentic_share(train + 1e-4, train) == 0.0


def test_authentic_share_by_hand():
    def levels(*values):
        return np.stack([np.full(SHAPE, value) for value in values])

    # The nearest of 0, 1 and 1.5 to their own kind are at 1, 0.5 and 0.5.
    samples = levels(0.4, 1.9, 2.1, -0.9, -1.1)
    assert authentic_share(samples, levels(0.0, 1.0, 1.5)) == pytest.approx(2 / 5)


def test_images_far_from_all_are_authentic():
    assert authentic_share(images(50) + 10, images(200)) == 1.0


def test_coverage_of_copies_of_nothing_alike_and_of_one_place():
    real = images(100)
    assert coverage(real, real) == 1.0
    assert coverage(images(100) + 10, real) == 0.0
    groups = np.concatenate([real[:50] / 100, real[50:] / 100 + 10])
    assert coverage(groups[:50], groups) == 0.5  # samples that know one of two places


def test_coverage_by_as_many_new_images_is_near_1():
    # 1 - 1/2^k with k = 5 neighbours, as the numbers grow (Naeem et al. 2020).
    assert coverage(images(600, seed=1), images(600)) == pytest.approx(1 - 2**-5, abs=0.05)
