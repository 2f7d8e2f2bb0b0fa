import pytest

from configs import vae
from vae_jax import data, runs, sweeps
from vae_jax.config import flatten, override, resolved_json
from vae_jax.errors import UsageError

FINGERPRINT = data.source("digits").fingerprint
CONFIG = override(vae.get_config(), {"latent_size": 2, "bottleneck_width": 4, "num_epochs": 3})
CONFIGS = [override(CONFIG, {"seed": seed}) for seed in range(3)]


def make(workdir, config, status=""):
    run = runs.find(workdir, config, FINGERPRINT)
    run.create(resolved_json(config, FINGERPRINT))
    if status:
        run.finish({"status": status})
    return run


def states(workdir):
    return [entry.state for entry in sweeps.plan(CONFIGS, workdir)]


def test_plan_has_an_entry_for_every_run_in_their_order(tmp_path):
    planned = sweeps.plan(CONFIGS, tmp_path)
    assert [entry.config.seed for entry in planned] == [0, 1, 2]
    assert [entry.run for entry in planned] == [
        runs.find(tmp_path, config, FINGERPRINT) for config in CONFIGS
    ]
    assert planned[1].fields == flatten(CONFIGS[1])


def test_plan_names_a_run_once(tmp_path):
    assert [entry.config.seed for entry in sweeps.plan([*CONFIGS, *CONFIGS[::-1]], tmp_path)] == [0, 1, 2]


def test_plan_writes_nothing(tmp_path):
    sweeps.plan(CONFIGS, tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_plan_says_what_is_new_started_and_over(tmp_path):
    assert states(tmp_path) == ["new", "new", "new"]
    make(tmp_path, CONFIGS[0])
    make(tmp_path, CONFIGS[1], "completed")
    make(tmp_path, CONFIGS[2], "diverged")
    assert states(tmp_path) == ["started", "completed", "diverged"]


def test_failed_run_is_to_be_tried_again(tmp_path):
    make(tmp_path, CONFIGS[0], "failed")
    assert states(tmp_path)[0] == "started"


@pytest.mark.parametrize("name", ["config.json", "result.json"])
def test_damaged_run_does_not_hide_the_others(tmp_path, name):
    (make(tmp_path, CONFIGS[0], "completed").path / name).write_text("{")
    make(tmp_path, CONFIGS[1], "completed")
    assert states(tmp_path) == ["damaged", "completed", "new"]


def test_cost_is_that_of_the_model_and_of_its_training(tmp_path):
    longer = override(CONFIG, {"num_epochs": 6})
    stopped = override(longer, {"stop_epoch": 2})
    smaller_batch = override(CONFIG, {"batch_size": 100})
    one, other, third, half = sweeps.plan([CONFIG, longer, smaller_batch, stopped], tmp_path)
    # 64-4-2·2 on the way in, 2-4-64 on the way out.
    assert one.cost.parameters == (64 * 4 + 4) + (4 * 4 + 4) + (2 * 4 + 4) + (4 * 64 + 64)
    assert one.flops == one.cost.flops_per_image * 3 * 9 * 128  # epochs, steps, images a step
    assert other.flops == 2 * one.flops == 3 * half.flops
    assert third.flops == pytest.approx(third.cost.flops_per_image * 3 * 11 * 100)


def test_config_that_cannot_run_is_refused_before_any_is_planned(tmp_path):
    with pytest.raises(UsageError, match="latent_size must be at most 64"):
        sweeps.plan([CONFIG, override(CONFIG, {"latent_size": 65})], tmp_path)
