"""A run with a larger budget goes on from the same training with a smaller one."""

import itertools

import numpy as np
import pytest

from configs import vae
from tests.experiments.commands import assert_same_bits
from vae_jax import budgets, build, identity, launch, pool
from vae_jax.attempt import Attempt
from vae_jax.config import override, resolved_json, run_id, run_ids
from vae_jax.finish import share
from vae_jax.identity import run_of

SMALL = {"latent_size": 2, "bottleneck_width": 4, "num_epochs": 7, "evaluation.iwae_samples": 2}
CONFIG = override(vae.get_config(), SMALL | {"kl_warmup_epochs": 4})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with all its epochs, from scratch."""
    return trained(tmp_path_factory.mktemp("whole"), CONFIG)[0]


@pytest.fixture
def stopped(tmp_path):
    """Two shorter ones, the second of which went on from the first."""
    first, _ = trained(tmp_path, override(CONFIG, {"stop_epoch": 2}))
    second, epochs = trained(tmp_path, override(CONFIG, {"stop_epoch": 4}))
    assert epochs == [3, 4]
    return first, second


@pytest.fixture
def always_save(monkeypatch):
    monkeypatch.setattr(pool, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(pool, "CHECKPOINT_SHARE", np.inf)


def trained(workdir, config):
    """Returns the finished run, and the epochs that were trained for it."""
    epochs = []
    run, _ = launch.launch(config, workdir, show=lambda run, epoch, metrics: epochs.append(epoch))
    return run, epochs


def interrupted(workdir, config, epoch):
    def show(run, at, metrics):
        if at == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch.launch(config, workdir, show=show)


def damage(run):
    path = run.checkpoints / budgets.STATE
    path.write_bytes(path.read_bytes()[:-1])


def test_stopped_run_is_the_beginning_of_the_whole_one(stopped, whole):
    for run, epochs in zip(stopped, (2, 4), strict=True):
        result = run.result()
        assert (result["status"], result["epochs"]) == ("completed", epochs)
        assert result["metrics"].keys() == whole.result()["metrics"].keys()
        for own, other in itertools.zip_longest(run.metrics(), whole.metrics()[:epochs]):
            assert {n: v for n, v in own.items() if n != "seconds"} == {
                n: v for n, v in other.items() if n != "seconds"
            }


def test_larger_budget_goes_on_from_the_longest_to_the_same_bits(stopped, whole, tmp_path):
    run, epochs = trained(tmp_path, CONFIG)
    assert epochs == [5, 6, 7]
    assert_same_bits(run, whole)
    seconds = [line["seconds"] for line in run.metrics()]
    assert seconds == sorted(seconds)
    assert run.result()["seconds"] > seconds[-1]


@pytest.mark.parametrize("epoch", [5, 7])  # before the first checkpoint, and after it
def test_interrupted_run_that_went_on_goes_on_again_to_the_same_bits(
    stopped, whole, tmp_path, always_save, epoch
):
    interrupted(tmp_path, CONFIG, epoch)
    run, epochs = trained(tmp_path, CONFIG)
    assert epochs == list(range(epoch, 8))
    assert_same_bits(run, whole)


def test_damaged_state_is_named_and_the_one_before_used(stopped, whole, tmp_path, capsys):
    _, second = stopped
    damage(second)
    run, epochs = trained(tmp_path, CONFIG)
    assert epochs == [3, 4, 5, 6, 7]
    assert_same_bits(run, whole)
    (line,) = capsys.readouterr().err.splitlines()
    assert str(second.checkpoints / budgets.STATE) in line


def test_where_no_state_is_sound_training_begins_anew(stopped, whole, tmp_path, capsys):
    first, second = stopped
    damage(first)
    (second.path / "metrics.jsonl").write_text("{}\n")
    run, epochs = trained(tmp_path, CONFIG)
    assert epochs == [1, 2, 3, 4, 5, 6, 7]
    assert_same_bits(run, whole)
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_unfinished_run_is_not_gone_on_from(stopped, tmp_path):
    (stopped[1].path / "result.json").unlink()
    _, epochs = trained(tmp_path, CONFIG)
    assert epochs == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("changes", [{"seed": 1}, {"num_epochs": 8}, {"stop_epoch": 1}])
def test_other_training_is_not_gone_on_from(stopped, tmp_path, changes):
    _, epochs = trained(tmp_path, override(CONFIG, changes))
    assert epochs[0] == 1


@pytest.mark.parametrize(
    "changes", [{"learning_rate": 1e10}, {"learning_rate": 0.1, "early_stopping_patience": 2}]
)
def test_training_that_ends_before_its_budget_keeps_no_state(tmp_path, changes):
    config = override(CONFIG, {"num_epochs": 300, "kl_warmup_epochs": 0, **changes})
    whole, _ = trained(tmp_path / "whole", config)
    end = whole.result()["epochs"]
    assert end < 300
    for budget in (end, end + 1):
        run, _ = trained(tmp_path, override(config, {"stop_epoch": budget}))
        assert run.result()["epochs"] == end
        assert not (run.checkpoints / budgets.STATE).exists()
    run, epochs = trained(tmp_path, config)
    assert epochs == list(range(1, end + 1))
    assert_same_bits(run, whole)


def test_population_goes_on_from_runs_alone(stopped, whole, tmp_path):
    larger = override(CONFIG, {"latent_size": 3, "bottleneck_width": 6, "seed": 1})
    attempts = [Attempt(config, tmp_path) for config in (CONFIG, larger)]
    epochs = {attempt.run.id: [] for attempt in attempts}

    def show(run, epoch, metrics):
        epochs[run.id].append(epoch)

    common = share(build.task(larger), launch.load_dataset("digits", None))
    list(pool.train(common.task, attempts, common.images, 2, tmp_path / "together", show))
    run = attempts[0].run
    assert list(epochs.values()) == [[5, 6, 7], [1, 2, 3, 4, 5, 6, 7]]
    for own, other in zip(run.metrics(), whole.metrics(), strict=True):
        np.testing.assert_allclose(own["valid/loss"], other["valid/loss"], rtol=1e-4)


def test_runs_of_one_population_do_not_go_on_from_each_other(tmp_path):
    configs = [override(CONFIG, {"stop_epoch": budget}) for budget in (1, 2, 3)]
    attempts, epochs = [Attempt(config, tmp_path) for config in configs], []

    def show(run, epoch, metrics):
        epochs.append(epoch)

    list(launch.launch_together(attempts, attempts[0].task, 1, tmp_path / "together", None, show))
    assert epochs == [1, 1, 2, 1, 2, 3]


def test_ids_of_other_budgets_are_those_of_their_configs(tmp_path):
    configs = [override(CONFIG, {"stop_epoch": epoch}) for epoch in (0, 1, 6)]
    ids = [run_id(config, "print") for config in configs]
    for config in configs:
        assert list(run_ids(resolved_json(config, "print"), "stop_epoch", (0, 1, 6))) == ids
    assert run_of(configs[0], tmp_path).id != run_of(configs[1], tmp_path).id


def test_states_are_found_among_more_budgets_than_can_be_tried(tmp_path):
    config = override(CONFIG, {"num_epochs": 2_000_000_000})
    for budget in (3, 1_500_000_000, 70):
        run = run_of(override(config, {"stop_epoch": budget}), tmp_path)
        run.create(identity.resolved_json(override(config, {"stop_epoch": budget})))
        run.checkpoints.mkdir()
        (run.checkpoints / budgets.STATE).touch()
    found = budgets.shorter(run_of(config, tmp_path), config, identity.resolved_json(config))
    assert [run.fields()["stop_epoch"] for run in found] == [1_500_000_000, 70, 3]
