import pytest

from configs import vae
from vae_jax import runs, sweeps
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.sweeps import EXECUTORS, execute

CONFIGS = [
    override(vae.get_config(), {"latent_size": 2, "bottleneck_width": 4, "seed": seed}) for seed in range(4)
]


def ignore(progress, metrics):
    pass


@pytest.fixture
def planned(tmp_path):
    return sweeps.plan(CONFIGS, tmp_path)


@pytest.fixture
def launched(monkeypatch):
    """The seeds that were launched; what becomes of each, no training done, is up to `fates`."""
    seeds, fates = [], {}

    def launch(config, workdir, manual_dir=None, show=ignore):
        seeds.append(config.seed)
        fate = fates.get(config.seed, "completed")
        if isinstance(fate, BaseException):
            raise fate
        return runs.Run(workdir / "run"), {"status": fate, "diverged_step": 3}

    monkeypatch.setattr(execute, "launch", launch)
    return seeds, fates


def statuses(planned, tmp_path):
    return [outcome.status for outcome in EXECUTORS["local"](planned, tmp_path, None, ignore)]


def test_runs_are_launched_in_the_planned_order(planned, launched, tmp_path):
    seeds, _ = launched
    outcomes = list(EXECUTORS["local"](planned, tmp_path, None, ignore))
    assert seeds == [0, 1, 2, 3]
    assert [outcome.planned for outcome in outcomes] == planned
    assert {outcome.status for outcome in outcomes} == {"completed"}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UsageError("'x' is damaged"), "'x' is damaged"),
        (MemoryError("none left"), "MemoryError: none left"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_failure_is_told_and_does_not_stop_the_others(planned, launched, tmp_path, error, told):
    launched[1][1] = error
    outcomes = list(EXECUTORS["local"](planned, tmp_path, None, ignore))
    assert [outcome.status for outcome in outcomes] == ["completed", "failed", "completed", "completed"]
    assert told in outcomes[1].error
    assert outcomes[1].result == {}


def test_divergence_does_not_stop_the_others(planned, launched, tmp_path):
    launched[1][0] = "diverged"
    outcomes = list(EXECUTORS["local"](planned, tmp_path, None, ignore))
    assert [outcome.status for outcome in outcomes] == ["diverged", "completed", "completed", "completed"]
    assert outcomes[0].result["diverged_step"] == 3


def test_interrupt_stops_them_all(planned, launched, tmp_path):
    seeds, fates = launched
    fates[1] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        statuses(planned, tmp_path)
    assert seeds == [0, 1]


def test_outcome_is_told_as_soon_as_there_is_one(planned, launched, tmp_path):
    seeds, _ = launched
    outcomes = EXECUTORS["local"](planned, tmp_path, None, ignore)
    assert next(outcomes).planned == planned[0]
    assert seeds == [0]
