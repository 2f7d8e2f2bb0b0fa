import math

import pytest

from experiments.claims import Claim
from vae_jax.statistics import Estimate

VERDICTS = [
    # mean, half-width, bound, verdict
    (2.0, 0.5, {"at_least": 1.0}, "reproduced"),
    (1.5, 0.5, {"at_least": 1.0}, "reproduced"),
    (1.2, 0.5, {"at_least": 1.0}, "inconclusive"),
    (0.8, 0.5, {"at_least": 1.0}, "inconclusive"),
    (0.25, 0.5, {"at_least": 1.0}, "not reproduced"),
    (0.25, 0.5, {"at_most": 1.0}, "reproduced"),
    (0.8, 0.5, {"at_most": 1.0}, "inconclusive"),
    (2.0, 0.5, {"at_most": 1.0}, "not reproduced"),
    (1.0, 0.0, {"at_most": 1.0}, "reproduced"),
    (2.0, math.nan, {"at_least": 1.0}, "inconclusive"),  # a single seed shows nothing
    (0.0, math.nan, {"at_least": 1.0}, "inconclusive"),
    (math.nan, math.nan, {"at_most": 1.0}, "not computed"),
]


@pytest.mark.parametrize(("mean", "half_width", "bound", "verdict"), VERDICTS)
def test_verdict_asks_on_which_side_of_the_bound_the_interval_lies(mean, half_width, bound, verdict):
    assert Claim("x", Estimate(mean, half_width, 3), **bound).verdict == verdict
