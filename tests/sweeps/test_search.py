import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_jax.errors import UsageError
from vae_jax.sweeps import ALGORITHMS, Job, Settings
from vae_jax.sweeps.search import rungs, top
from vae_jax.sweeps.space import draw, uniform

few = settings(max_examples=50, deadline=None)
SPACE = {"learning_rate": uniform(0, 1)}


def search(algorithm="asha", **changes):
    numbers = {"seed": 0, "trials": 27, "batch": 27, "epochs": 27, "min_epochs": 1}
    return ALGORITHMS[algorithm].search(Settings(SPACE, **numbers | changes))


def batches(search, loss):
    """Returns all batches, where `loss` gives a job's."""
    losses, found = {}, []
    while jobs := search.jobs(losses):
        found.append(jobs)
        losses |= {job: loss(job) for job in jobs}
    return found


def test_rungs_are_powers_of_eta_and_the_last_is_the_end():
    assert search().rungs == (1, 3, 9, 27)
    assert search(epochs=500, min_epochs=20).rungs == (20, 60, 500)  # 20 * 27 would be more
    assert search(epochs=500, min_epochs=18).rungs == (18, 54, 162, 500)
    assert search(epochs=500, min_epochs=None).rungs == (18, 54, 162, 500)
    assert search(epochs=8, eta=2, min_epochs=1).rungs == (1, 2, 4, 8)
    assert search("random").rungs == (27,)


def test_one_batch_of_all_trials_is_successive_halving():
    found = batches(search(), lambda job: -job.trial)  # the later, the better
    assert [[(job.trial, job.rung) for job in jobs] for jobs in found] == [
        [(trial, 0) for trial in range(27)],
        [(trial, 1) for trial in range(26, 17, -1)],
        [(trial, 2) for trial in (26, 25, 24)],
        [(26, 3)],
    ]


def test_promotions_go_before_new_trials_and_the_highest_first():
    # After 9 trials the best 3 go on beside 6 new ones; then the best of those 3, to the rung above.
    first, second, third, *_ = batches(search(batch=9), lambda job: job.trial)
    assert first == [Job(trial, 0) for trial in range(9)]
    assert second == [Job(0, 1), Job(1, 1), Job(2, 1), *(Job(trial, 0) for trial in range(9, 15))]
    assert third[:3] == [Job(0, 2), Job(3, 1), Job(4, 1)]


@st.composite
def searches(draw):
    eta, height = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    trials = draw(st.integers(eta**height, eta**height + 40))
    numbers = {"trials": trials, "eta": eta, "batch": draw(st.integers(1, 70)), "epochs": eta**height}
    losses = st.one_of(st.floats(-100, 100), st.just(math.inf))
    return numbers, draw(st.lists(losses, min_size=trials, max_size=trials))


@given(searches())
@few
def test_asha_begins_every_trial_once_and_promotes_the_top_of_a_rung_alone(drawn):
    numbers, losses_of = drawn
    asha, losses = search(**numbers), {}
    while jobs := asha.jobs(losses):
        assert len(jobs) == len(set(jobs)) <= numbers["batch"]
        assert not losses.keys() & set(jobs)
        for job in jobs:
            if job.rung:
                below = sorted(loss for (_, rung), loss in losses.items() if rung == job.rung - 1)
                own = losses[Job(job.trial, job.rung - 1)]
                assert own <= below[len(below) // numbers["eta"] - 1]
                assert own < math.inf
        losses |= {job: losses_of[job.trial] for job in jobs}
    assert {job.trial for job in losses if job.rung == 0} == set(range(numbers["trials"]))
    for rung in range(len(asha.rungs) - 1):
        assert {Job(trial, rung + 1) for trial in top(losses, rung, numbers["eta"])} <= losses.keys()
    best = min(losses_of)
    if best < math.inf and losses_of.count(best) == 1:
        assert Job(losses_of.index(best), len(asha.rungs) - 1) in losses


def test_top_leaves_out_what_was_lost_even_where_nothing_else_is_there():
    losses = {Job(trial, 0): math.inf for trial in range(5)} | {Job(5, 0): 1.0, Job(0, 1): 0.0}
    assert top(losses, 0, 3) == [5]
    assert top(losses, 1, 3) == []


@given(st.integers(1, 40), st.integers(1, 50))
@few
def test_random_search_trains_every_trial_to_its_end(trials, batch):
    found = batches(search("random", trials=trials, batch=batch), lambda job: 0.0)
    assert [job for jobs in found for job in jobs] == [Job(trial, 0) for trial in range(trials)]
    assert all(len(jobs) == batch for jobs in found[:-1])


def test_values_are_the_draws_of_the_seed():
    assert search(seed=3).values(5) == search("random", seed=3).values(5) == draw(SPACE, 3, 5)
    assert search(seed=3).values(5) != search(seed=4).values(5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eta": 1}, "eta must be from 2 to 27, .* not 1"),
        ({"eta": 28}, "eta must be from 2 to 27, .* not 28"),
        ({"min_epochs": 0}, "min_epochs must be from 1 to 9, .* not 0"),
        ({"min_epochs": 10}, "min_epochs must be from 1 to 9, .* not 10"),
        (
            {"trials": 26},
            "26 trials are too few for 4 rungs.*: take 27 or more, or a larger min_epochs than 1",
        ),
    ],
)
def test_numbers_that_make_no_search_are_refused(changes, message):
    numbers = {"seed": 0, "trials": 27, "batch": 27, "epochs": 27, "min_epochs": 1}
    with pytest.raises(UsageError, match=message):
        rungs(Settings(SPACE, **numbers | changes))
