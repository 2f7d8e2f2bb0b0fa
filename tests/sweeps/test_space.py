import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import ae, vae
from vae_jax import sweeps
from vae_jax.check import check
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.sweeps.space import choice, draw, integers, log_integers, log_uniform, uniform

few = settings(max_examples=50, deadline=None)
quantiles = st.floats(0, 1, exclude_max=True)
SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "latent_size": integers(2, 9),
    "schedule": choice("a", "b"),
}


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        (uniform(-1.0, 5.0), 2.0),
        (log_uniform(1e-4, 1e-2), 1e-3),
        (integers(1, 4), 3),  # the first of the upper half
        (log_integers(1, 8), 3),  # the square root of 1 * 9
        (choice("x", "y"), "y"),
    ],
)
def test_half_of_the_values_lie_below_the_middle(values, middle):
    assert values.at(0.5) == middle


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.booleans(), quantiles)
@few
def test_numbers_stay_in_their_interval_and_have_four_digits(one, other, log, quantile):
    low, high = sorted((one, other * 1.01))
    values = log_uniform(low, high) if log else uniform(low, high)
    value = values.at(quantile)
    assert low <= value <= high
    assert value in (low, high) or value == float(f"{value:.3e}")


@given(st.integers(1, 50), st.integers(1, 50), st.booleans(), quantiles)
@few
def test_whole_numbers_stay_in_their_range(low, more, log, quantile):
    values = log_integers(low, low + more) if log else integers(low, low + more)
    assert low <= values.at(quantile) <= low + more
    assert type(values.at(quantile)) is int


@given(st.integers(1, 20))
@few
def test_whole_numbers_and_choices_are_equally_likely(count):
    shares = [(place + 0.5) / count for place in range(count)]
    assert [integers(3, 3 + count).at(share * count / (count + 1)) for share in shares] == [
        3 + place for place in range(count)
    ]
    assert [choice(*range(count)).at(share) for share in shares] == list(range(count))


@pytest.mark.parametrize("values", [choice(1, 2, 3), integers(0, 2), log_integers(2, 4), uniform(0, 1)])
def test_ends_are_reached(values):
    last = values.at(math.nextafter(1.0, 0.0))
    assert (values.at(0.0), last) in [(1, 3), (0, 2), (2, 4), (0, 1)]


@given(st.integers(0, 2**31 - 1), st.integers(0, 10**6), st.sets(st.sampled_from(list(SPACE))))
@few
def test_a_trial_is_the_same_whatever_else_is_drawn(seed, number, names):
    part = {name: values for name, values in SPACE.items() if name in names}
    whole = draw(SPACE, seed, number)
    assert draw(part, seed, number) == {name: whole[name] for name in part}


def test_trials_seeds_and_fields_differ():
    space = {"learning_rate": uniform(0, 1), "beta": uniform(0, 1)}
    values = [v for seed in range(3) for number in range(20) for v in draw(space, seed, number).values()]
    assert len(set(values)) > 0.95 * len(values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: uniform(2, 2), "from a number to a larger one, not from 2 to 2"),
        (lambda: integers(3, 1), "not from 3 to 1"),
        (lambda: uniform(0, math.inf), "not from 0 to inf"),
        (lambda: uniform(math.nan, 1), "not from nan to 1"),
        (lambda: log_uniform(0, 1), "begins above 0, not at 0"),
        (lambda: integers(0.5, 2), "between integers, not 0.5 and 2"),
        (lambda: choice(), "something to choose from"),
    ],
)
def test_impossible_values_are_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"latent": integers(1, 2)}, "unknown config key 'latent'"),
        ({"latent_size": uniform(1, 2)}, "'latent_size' needs a whole number"),
        ({"num_epochs": integers(1, 2)}, "num_epochs cannot be searched"),
        ({"stop_epoch": integers(1, 2)}, "stop_epoch cannot be searched"),
        ({"beta": uniform(0, 1)}, "beta cannot be searched: validation losses would not be comparable"),
    ],
)
def test_space_that_does_not_fit_the_config_is_refused(space, message):
    with pytest.raises(UsageError, match=message):
        sweeps.check_space(space, vae.get_config())


@pytest.mark.parametrize("module", [ae, vae])
def test_shipped_spaces_fit_the_config_they_stand_beside(module):
    spaces = [make() for name, make in vars(module).items() if name.startswith("search_")]
    assert len(spaces) > 1
    for space in spaces:
        sweeps.check_space(space, module.get_config())
        drawn = [override(module.get_config(), draw(space, 0, number)) for number in range(50)]
        assert len({str(config) for config in drawn}) == 50
        for config in drawn:
            check(config)
