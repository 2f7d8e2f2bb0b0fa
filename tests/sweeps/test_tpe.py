import math
import sys

import pytest

from vae_jax.errors import UsageError
from vae_jax.sweeps import ALGORITHMS, Job, Settings
from vae_jax.sweeps.space import choice, integers, log_uniform

SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "latent_size": integers(2, 9),
    "encoder.hidden_sizes": choice((), (8,), (8, 8)),
}


def search(trials=40, **changes):
    pytest.importorskip("optuna")
    numbers = {"seed": 1, "batch": 8, "epochs": 5} | changes
    return ALGORITHMS["optuna"].search(Settings(SPACE, trials=trials, **numbers))


def loss(values):
    """Least at 1e-3, 4 and (8,); infinite in a corner."""
    if values["learning_rate"] > 0.05:
        return math.inf
    distance = math.log10(values["learning_rate"] / 1e-3) ** 2 + (values["latent_size"] - 4) ** 2 / 9
    return distance + (values["encoder.hidden_sizes"] != (8,))


def told(search):
    """Returns the losses of all jobs, in the order in which they were asked for."""
    losses = {}
    while jobs := search.jobs(losses):
        losses |= {job: loss(search.values(job.trial)) for job in jobs}
    return losses


def test_values_lie_in_the_space_and_have_its_types():
    tpe = search()
    losses = told(tpe)
    assert list(losses) == [Job(trial, 0) for trial in range(40)]
    for trial in range(40):
        values = tpe.values(trial)
        assert list(values) == list(SPACE)
        assert 1e-4 <= values["learning_rate"] == float(f"{values['learning_rate']:.3e}") <= 1e-1
        assert type(values["latent_size"]) is int
        assert 2 <= values["latent_size"] <= 9
        assert values["encoder.hidden_sizes"] in ((), (8,), (8, 8))


def test_it_learns_where_to_look_and_is_not_led_astray_by_infinity():
    losses = list(told(search()).values())
    assert math.inf in losses
    early, late = sorted(losses[:8]), sorted(losses[-16:])
    assert late[8] < early[4]  # the medians


def test_told_the_same_again_it_asks_for_the_same():
    one, other = search(), search()
    losses = told(one)
    for _ in range(5):  # with all that is known from the start, as a search that is repeated
        for job in other.jobs(losses):
            assert one.values(job.trial) == other.values(job.trial)
    assert other.jobs(losses) == []


def test_more_trials_begin_with_those_before():
    few, more = search(trials=12), search(trials=24)
    told(few), told(more)
    assert [few.values(trial) for trial in range(8)] == [more.values(trial) for trial in range(8)]


def test_it_says_how_to_install_optuna_where_it_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"algorithm 'optuna' needs Optuna: pip install -e \.\[optuna\]"):
        ALGORITHMS["optuna"].search(Settings(SPACE, 0, 8, 8, 5))
