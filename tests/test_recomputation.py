"""The numbers of finished runs are what their stored arrays give in NumPy's float64 (tests/recomputed.py)."""

import numpy as np
import pytest

from configs import ae, vae
from experiments import sweep
from tests import recomputed
from tests.experiments.commands import REPOSITORY
from vae_jax import launch, runs
from vae_jax.config import override

AE, GREY = f"{REPOSITORY}/configs/ae.py", f"{REPOSITORY}/configs/vae.py:grey"
SMALL = {"num_epochs": 10, "bottleneck_width": 64}
LINEAR = {"encoder.net": "linear", "decoder.net": "linear", "bottleneck_width": 0}
LINEAR |= {"decoder.output_activation": "identity"}
KINDS = {
    "ae": ae.get_config(),
    "linear ae": ae.get_config("linear"),
    "bernoulli, sampled": vae.get_config(),
    "grey, learned σ": vae.get_config("grey"),
    "grey, fixed σ": override(vae.get_config("grey"), {"likelihood": "gaussian", "sigma": 0.2}),
    "linear vae": override(vae.get_config("grey"), LINEAR),
    "two hidden layers": override(
        vae.get_config(), {"encoder.hidden_sizes": (96, 80), "decoder.hidden_sizes": (96, 80)}
    ),
}
ERRORS = 4  # standard errors that two means over samples may be apart
IMAGE = 1 / 300  # one whose neighbours are nearly as far may be told otherwise in float32


def trained(config, workdir):
    linear = config.encoder.net == "linear"
    small = {**SMALL, "bottleneck_width": 0} if linear else SMALL
    return recomputed.Files(launch.launch(override(config, small), workdir)[0].path)


def swept(config, workdir):
    """Trains the latent sizes of a config together, filled up to the largest."""
    small = [f"--config.{name}={value}" for name, value in SMALL.items()]
    assert sweep.main([f"--config={config}", "--sweep=latent_size", *small, f"--workdir={workdir}"]) == 0
    return [recomputed.Files(run.path) for run in runs.all_runs(workdir)]


def assert_recomputed(files):
    """Every number in result.json that a metric has, and no other, is recomputed."""
    told = {name.removeprefix("test/"): value for name, value in files.result["metrics"].items()}
    exact = recomputed.exact(files)
    assert told["mse"] == pytest.approx(exact.pop("mse"), rel=1e-6)
    assert told["knn_accuracy"] == pytest.approx(exact.pop("knn_accuracy"), abs=1.01 * IMAGE)
    names = {"mse", "knn_accuracy"}
    if files.config["posterior"] != "delta":
        assert told["kl"] == pytest.approx(exact.pop("kl"), rel=1e-5)
        assert told["active_units"] == exact.pop("active_units")
        sampled = recomputed.sampled(files)
        for name, (mean, error) in sampled.items():
            assert abs(told[name] - mean) < ERRORS * error, name
        names |= {"kl", "active_units", *sampled}
    assert (exact, told.keys()) == ({}, names)


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    return trained(ae.get_config("smoke"), tmp_path_factory.mktemp("ae"))


def test_error_of_an_autoencoder_is_recomputed(autoencoder):
    assert_recomputed(autoencoder)


def test_best_epochs_validation_loss_is_recomputed(autoencoder):
    assert_validation_is_recomputed(autoencoder)


def assert_validation_is_recomputed(files):
    """The stored arrays are those of the best epoch, and that is the one with the lowest loss."""
    losses = [line["valid/loss"] for line in files.lines]
    best = files.result["best_epoch"]
    assert best == 1 + int(np.argmin(losses))
    assert files.result["valid_loss"] == pytest.approx(losses[best - 1])
    assert losses[best - 1] == pytest.approx(recomputed.squared_error(files, "valid"), rel=1e-6)


def test_arrays_a_ten_thousandth_off_do_not_give_the_numbers(autoencoder):
    """What the tests here would notice."""
    for name in ("params/encoder/Dense_0/kernel", "params/decoder/Dense_1/bias"):
        other = recomputed.Files.__new__(recomputed.Files)
        other.__dict__.update(autoencoder.__dict__)
        other.arrays = autoencoder.arrays | {name: autoencoder.arrays[name] + 1e-4}
        with pytest.raises(AssertionError):
            assert_recomputed(other)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_every_metric_is_recomputed(tmp_path, name):
    files = trained(KINDS[name], tmp_path)
    assert_recomputed(files)
    if files.config["objective"] == "mse":
        assert_validation_is_recomputed(files)


@pytest.mark.slow
@pytest.mark.parametrize("config", [AE, GREY], ids=["ae", "vae"])
def test_every_metric_of_runs_that_trained_together_is_recomputed(tmp_path, config):
    together = swept(config, tmp_path)
    assert len(together) == 5
    for files in together:
        assert_recomputed(files)
