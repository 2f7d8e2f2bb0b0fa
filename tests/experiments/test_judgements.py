"""The studies' claims on numbers that are known: figures and verdicts need no training."""

import itertools

import numpy as np
import pytest

from experiments import (
    activity,
    bottleneck_width,
    compression,
    gaps,
    gaussian,
    interpolation,
    latent_size,
    learning_curves,
    linear_pca,
    ppca,
    rate_distortion,
    reconstructions,
    similarity,
)
from experiments.linear_pca import Fit
from vae_jax import data, launch, runs
from vae_jax.config import flatten
from vae_jax.evaluate.nearest import flat
from vae_jax.evaluate.pca import pca_mse
from vae_jax.evaluate.ppca import eigenvalues, max_log_likelihood, max_log_likelihood_at
from vae_jax.results import Row

SIZES = (2, 4, 8, 16, 32)
WIDTHS = (8, 16, 32, 64, 128, 256, 512)
AXES = np.eye(6)
DIGITS = data.load("digits")
TEST = DIGITS.test.images / 16


def row(tmp_path, config, **numbers):
    numbers = {name.replace("__", "/"): value for name, value in numbers.items()}
    return Row(runs.find(tmp_path, config, "f" * 64), flatten(config), "completed", numbers, 100)


def claims_of(report):
    return [(round(claim.estimate.mean, 4), claim.estimate.count, claim.verdict) for claim in report.claims]


def latent_size_rows(tmp_path, ratio, nlls):
    """The errors are `ratio` times PCA's."""
    images = [split.images / 16 for split in (DIGITS.train, DIGITS.test)]
    pca = dict(zip(SIZES, pca_mse(*images, list(SIZES)), strict=True))
    nll = dict(zip(SIZES, nlls, strict=True))
    for config in latent_size.configs("digits"):
        size, plain = config.latent_size, config.posterior == "delta"
        bounds = {} if plain else {"test__nll": nll[size], "test__elbo": -nll[size] - 1}
        yield row(tmp_path, config, test__mse=ratio * pca[size], **bounds)


@pytest.mark.parametrize(
    ("ratio", "nlls", "verdicts"),
    [
        (0.5, (30, 25, 22, 21.5, 21), ["reproduced", "reproduced", "reproduced"]),
        (1.5, (30, 25, 22, 25, 22), ["not reproduced", "reproduced", "not reproduced"]),
    ],
    ids=["better than PCA", "worse than PCA"],
)
def test_latent_size_judges_known_numbers(tmp_path, ratio, nlls, verdicts):
    report = latent_size.report("digits", list(latent_size_rows(tmp_path, ratio, nlls)))
    against_pca, _, rise = report.claims
    assert against_pca.estimate == pytest.approx((ratio, 0, 5))
    assert rise.estimate == (max(after - before for before, after in itertools.pairwise(nlls)), 0, 5)
    assert [claim.verdict for claim in report.claims] == verdicts
    assert list(report.figures) == ["latent_size"]


def bottleneck_rows(tmp_path, errors):
    configs = bottleneck_width.configs("digits")
    for config in configs + bottleneck_width.timed(configs):
        width = config.bottleneck_width
        seconds = 1e-3 * width if config.stop_epoch else 1.0  # those of runs that train together mean nothing
        costs = {"parameters": 150 * width, "flops_per_image": 900.0 * width, "epoch_seconds": seconds}
        # Seeds differ, by the same factor at all widths: ratios of widths then do not.
        yield row(tmp_path, config, test__mse=errors[WIDTHS.index(width)] * (1 + config.seed), **costs)


def test_bottleneck_width_judges_known_numbers(tmp_path):
    # From 8 to 64 the error falls to an eighth, from 64 to 512 to a half.
    errors = [0.8, 0.4, 0.2, 0.1, 0.1 * 2 ** (-1 / 3), 0.1 * 2 ** (-2 / 3), 0.05]
    report = bottleneck_width.report("digits", list(bottleneck_rows(tmp_path, errors)))
    assert claims_of(report) == [
        (0.125, 5, "reproduced"),
        (0.3333, 5, "reproduced"),  # ln 2 / ln 8
        (8.0, 5, "reproduced"),  # seconds grow as the width does
    ]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # 0 / 0
def test_bottleneck_width_that_does_not_matter_is_not_reproduced(tmp_path):
    report = bottleneck_width.report("digits", list(bottleneck_rows(tmp_path, [0.1] * 7)))
    assert "reproduced" not in [claim.verdict for claim in report.claims[:2]]


def rate_distortion_rows(tmp_path, rates, distortions):
    for config in rate_distortion.configs("digits"):
        place = (0.25, 0.5, 1.0, 2.0, 4.0).index(config.beta)
        yield row(tmp_path, config, test__kl=rates[place], test__reconstruction=distortions[place])


@pytest.mark.parametrize(
    ("rates", "distortions", "expected"),
    [
        (
            (16, 12, 8, 4, 0),
            (10, 11, 14, 19, 25),
            [(-4, 5, "reproduced"), (1, 5, "reproduced"), (1, 5, "reproduced")],
        ),
        (
            (16, 12, 12.5, 4, 0),
            (10, 11, 10.75, 13, 25),
            [(0.5, 5, "not reproduced"), (-0.25, 5, "not reproduced"), (-6.25, 5, "not reproduced")],
        ),
    ],
    ids=["a frontier", "none"],
)
def test_rate_distortion_judges_known_numbers(tmp_path, monkeypatch, rates, distortions, expected):
    trained = launch.Trained(None, None, DIGITS, data.Preprocess("sampled", 16))
    monkeypatch.setattr(launch, "load", lambda run: trained)
    report = rate_distortion.report("digits", list(rate_distortion_rows(tmp_path, rates, distortions)))
    assert claims_of(report) == expected


def learning_rows(tmp_path, valid, gaps, epochs=3, better=0):
    """ELBO on valid, and how much higher on train, at the end; a nat less each epoch before.

    After the first epoch it is `better` than at the end by so many nats.
    """
    for config in learning_curves.configs("digits"):
        place = SIZES.index(config.latent_size)
        found = row(tmp_path, config)
        found.run.path.mkdir()
        for epoch in range(1, epochs + 1 + config.seed):  # the last seeds train longer
            elbo = valid[place] + (better if better and epoch == 1 else -max(epochs - epoch, 0))
            line = {"epoch": epoch, "valid/elbo": elbo, "train/elbo": elbo + gaps[place]}
            found.run.append_metrics(line)
        yield found


FALLS = "not reproduced"
RISING, STEADY = (10, 20, 30, 40, 41), (1, 1.25, 1.5, 1.5, 1.75)


@pytest.mark.parametrize(
    ("valid", "gaps", "better", "expected"),
    [
        (RISING, STEADY, 0, [(-1, "reproduced"), (0, "reproduced"), (0.25, "reproduced")]),
        ((10, 20, 40, 30, 20), STEADY, 0, [(20, FALLS), (0, "reproduced"), (0.25, "reproduced")]),
        ((10, 20, 17, 30, 40), STEADY, 0, [(3, FALLS), (0, "reproduced"), (0.25, "reproduced")]),
        (RISING, STEADY, 2.5, [(-1, "reproduced"), (2.5, FALLS), (0.25, "reproduced")]),
        # What digits give: the gap grows but for the last doubling.
        (RISING, (4, 6, 13, 22, 18.5), 0, [(-1, "reproduced"), (0, "reproduced"), (9, FALLS)]),
    ],
    ids=["no overfitting", "the largest overfits", "one between", "longer training does", "the gap grows"],
)
def test_learning_curves_judge_the_whole_curve(tmp_path, valid, gaps, better, expected):
    report = learning_curves.report("digits", list(learning_rows(tmp_path, valid, gaps, better=better)))
    assert claims_of(report) == [(number, 5, verdict) for number, verdict in expected]


def test_learning_curves_draw_what_all_seeds_have(tmp_path):
    report = learning_curves.report("digits", list(learning_rows(tmp_path, RISING, STEADY)))
    drawn = report.figures["learning_curves"].axes[1].get_lines()[1].get_xydata()
    assert list(map(tuple, drawn)) == [(1152, 18), (2304, 19), (3456, 20)]


def activity_claims(*activities):
    """Verdicts by a word each; KL is that of a Gaussian code whose variances over images these are."""
    names = ("apart", "tell", "threshold", "order", "inactive", "too many", "unused")
    activity_SxZ = np.array(activities)
    found = activity._claims(activity_SxZ, -0.5 * np.log1p(-activity_SxZ))
    return dict(zip(names, verdicts(found), strict=True))


def test_activity_of_two_lumps_that_the_threshold_parts_is_reproduced():
    seed = [*np.linspace(0.6, 0.9, 5), *np.geomspace(1e-5, 1e-3, 15)]
    assert set(activity_claims(seed, seed).values()) == {"reproduced"}


def test_activity_whose_unused_dimensions_the_threshold_cuts_is_not():
    """As on digits: four dimensions tell nearly all, the others lie about the threshold."""
    seed = [0.55, 0.65, 0.75, 0.85, *np.geomspace(5e-4, 0.04, 46)]
    found = activity_claims(seed, seed)
    assert found["apart"] == "reproduced"
    assert (found["threshold"], found["too many"]) == ("not reproduced", "not reproduced")


def test_activity_with_its_gap_at_the_wrong_place_is_not():
    found = activity_claims(*[[*np.geomspace(0.05, 0.9, 40), 1e-6]] * 2)
    assert (found["apart"], found["unused"]) == ("reproduced", "not reproduced")
    one_apart = activity_claims(*[[0.9, *np.geomspace(0.01, 0.2, 20)]] * 2)
    assert (one_apart["apart"], one_apart["tell"]) == ("reproduced", "not reproduced")


def test_activity_of_a_collapsed_code_parts_nothing():
    found = activity_claims(*[np.geomspace(1e-6, 1e-5, 50)] * 2)
    assert found["threshold"] == "not computed"
    assert (found["apart"], found["inactive"]) == ("not reproduced", "not reproduced")


VARIANCES = {0.02: 30, 0.05: 18, 0.1: 12, 0.2: 7, 0.5: 3}  # σ², and eigenvalues of digits above it


def ppca_rows(tmp_path):
    for config in ppca.configs("digits"):
        yield row(tmp_path, config)


def judged_ppca(tmp_path, monkeypatch, lacking=lambda variance: 0.0, active=VARIANCES.get):
    """Returns the claims where the ELBO at a fixed σ² lacks so much, and so many dimensions are active."""
    known = eigenvalues(DIGITS.train.images / 16)

    def elbo(row):
        if row.fields["likelihood"] == "gaussian_learned":
            return max_log_likelihood(known, row.fields["latent_size"])
        variance = row.fields["sigma"] ** 2
        return max_log_likelihood_at(known, ppca.LARGE, variance) - lacking(round(variance, 9))

    monkeypatch.setattr(ppca, "_elbo", elbo)
    monkeypatch.setattr(ppca, "_active", lambda row: active(round(row.fields["sigma"] ** 2, 9)))
    return ppca.report("digits", list(ppca_rows(tmp_path)))


def test_ppca_that_is_perfect_is_reproduced_and_drawn_at_the_theorems_own_count(tmp_path, monkeypatch):
    report = judged_ppca(tmp_path, monkeypatch)
    assert verdicts(report.claims) == ["reproduced"] * 4
    drawn = {line.get_label(): line.get_ydata() for line in report.figures["ppca"].axes[2].get_lines()}
    assert list(drawn["pPCA: eigenvalues above σ²"]) == [30, 18, 12, 7, 3]


def test_ppca_that_has_collapsed_at_every_fixed_variance_is_not(tmp_path, monkeypatch):
    known = eigenvalues(DIGITS.train.images / 16)

    def lost(variance):
        return max_log_likelihood_at(known, ppca.LARGE, variance) - max_log_likelihood_at(known, 0, variance)

    found = judged_ppca(tmp_path, monkeypatch, lost, lambda variance: 0).claims
    assert verdicts(found) == ["reproduced", "not reproduced", "reproduced", "not reproduced"]
    assert [found[1].estimate.mean, found[3].estimate.mean] == pytest.approx([lost(0.02), 30])


@pytest.mark.parametrize("variance", VARIANCES)
def test_ppca_that_is_off_at_one_variance_alone_is_not(tmp_path, monkeypatch, variance):
    """Too low an ELBO, one above the maximum, a dimension too few, a dimension too many."""

    def here(number):
        return lambda at: number if at == variance else 0

    def judged(**given):
        return verdicts(judged_ppca(tmp_path, monkeypatch, **given).claims)

    assert judged(lacking=here(0.2))[1] == "not reproduced"
    assert judged(lacking=here(-0.2))[2] == "not reproduced"
    assert judged(active=lambda at: VARIANCES[at] - here(1)(at))[3] == "not reproduced"
    assert judged(active=lambda at: VARIANCES[at] + here(1)(at))[3] == "not reproduced"


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


@pytest.mark.parametrize(("bits", "verdict"), [(0.5, "not reproduced"), (2.0, "reproduced")])
def test_compression_to_an_error_that_no_code_reaches(bits, verdict):
    """Nothing to compare with PCA and PNG; a JPEG of that error has both, unless it has more bits."""
    found = compression._claims([[(1.0, 0.5)]] * 3, [(1.0, 0.1)], [(bits, 0.1)], 9.0, 0.1)
    assert verdicts(found) == ["not computed", "not computed", verdict]


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
    pairs = interpolation._pairs(DIGITS.test)
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
