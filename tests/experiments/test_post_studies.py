"""The claims of the post's studies on numbers that are known: no training."""

import numpy as np
import pytest

from experiments import compression, gaps, gaussian, interpolation, linear_pca, reconstructions, similarity
from experiments.linear_pca import Fit
from vae_jax import data
from vae_jax.evaluate.nearest import flat

AXES = np.eye(6)
DIGITS = data.load("digits")
TEST = DIGITS.test.images / 16


def verdicts(claims):
    return [claim.verdict for claim in claims]


def fit(columns, error):
    return Fit(error, error, 0.0, 0.0, columns)


def test_linear_pca_wants_the_floor_and_the_space_but_not_the_axes():
    mixed = np.array([[1, 1, 0, 0, 0, 0], [1, -1, 0, 0, 0, 0]]) / np.sqrt(2)
    floors = np.array([0.5])
    assert verdicts(linear_pca._claims([[fit(mixed, 0.5)] * 3], floors, AXES)) == ["reproduced"] * 4
    found = linear_pca._claims([[Fit(0.6, 0.51, 5.0, 5.0, AXES[:2])] * 3], floors, AXES)
    assert verdicts(found) == ["not reproduced"] * 4


def test_compression_compares_bits_at_one_error():
    few, many = [(10.0, 0.1), (20.0, 0.01)], [(20.0, 0.1), (40.0, 0.01)]
    found = compression._claims([few] * 3, many, many, 200.0, 0.01)
    assert [round(claim.estimate.mean, 6) for claim in found] == [0.5, 0.1, 0.5]
    assert verdicts(found) == ["reproduced"] * 3
    assert verdicts(compression._claims([many] * 3, few, few, 40.0, 0.01)) == ["not reproduced"] * 3


def test_compression_of_an_error_that_no_code_reaches_is_not_computed():
    assert (
        verdicts(compression._claims([[(1.0, 0.5)]] * 3, [(1.0, 0.1)], [(1.0, 0.1)], 9.0, 0.1))
        == ["not computed"] * 3
    )


def test_similarity_of_the_images_themselves_is_perfect_and_of_noise_is_none():
    looks = similarity._distances(flat(TEST))
    perfect = similarity._claims("pixels", [flat(TEST)] * 2, [looks] * 2, looks, DIGITS)
    noise = np.random.RandomState(0).normal(size=(len(TEST), 8))
    useless = similarity._claims("noise", [noise] * 2, [similarity._distances(noise)] * 2, looks, DIGITS)
    assert verdicts(perfect) == ["reproduced"] * 3
    assert [round(claim.estimate.mean, 6) for claim in perfect[:2]] == [1.0, 0.0]
    assert useless[0].estimate.mean == pytest.approx(0, abs=0.05)
    assert useless[1].estimate.mean == pytest.approx(0.5, abs=0.1)


def test_similarity_knows_classes_that_are_in_the_data():
    for name, pairs in similarity.PAIRS.items():
        if name in data.SOURCES:
            assert {label for pair in pairs for label in pair} <= set(data.source(name).classes)


def test_blend_is_as_far_from_data_as_itself_and_goes_in_even_steps():
    ends = TEST[:40].reshape(20, 2, 8, 8, 1)
    ways = interpolation._blends(ends[:, [0] * 8 + [1]])
    assert interpolation._unlike(ways, TEST) == 1.0
    assert interpolation._largest_step(ways) == pytest.approx(1 / 8)
    jump = ends[:, [0] * 5 + [1] * 4]
    assert interpolation._largest_step(jump) == pytest.approx(1.0)
    assert interpolation._unlike(jump, TEST) == 0.0  # half way is an image


def test_interpolated_pairs_are_of_different_classes():
    pairs = interpolation._pairs(DIGITS.test.labels)
    assert (DIGITS.test.labels[pairs[:, 0]] != DIGITS.test.labels[pairs[:, 1]]).all()
    assert len(pairs) > 100


def test_lattice_goes_by_rows_from_the_top_left():
    found = gaps._lattice(np.array([0.0, 10.0]), np.array([2.0, 14.0]), 2)
    np.testing.assert_allclose(found, [[0.5, 13], [1.5, 13], [0.5, 11], [1.5, 11]])


def test_reconstructions_show_every_class_as_often():
    labels = DIGITS.test.labels[reconstructions.one_of_each_class(DIGITS)]
    np.testing.assert_array_equal(labels, np.arange(10))


def test_gaussian_judges_known_distances():
    counts = np.array(gaussian.COUNTS, float)[:, None]
    falling, constant = 0.2 * counts**-0.5 * np.ones(3), np.full((7, 3), 0.2)
    slow = [gaussian.rate(gaussian.COUNTS, seed) for seed in constant.T]
    assert verdicts(gaussian._claims("x", falling, falling[:, 0] * 2)) == ["reproduced"] * 2
    assert verdicts(gaussian._claims("x", constant, falling[:, 0])) == ["not reproduced"] * 2
    assert gaussian._rate_claim([-0.5, -0.49, -0.51]).verdict == "reproduced"
    assert gaussian._rate_claim(slow).verdict == "not reproduced"
