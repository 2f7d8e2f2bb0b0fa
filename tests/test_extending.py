"""What the README says of additions: one piece, one line in its table, a name like the others."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from configs import ae, vae
from vae_jax import evaluate, likelihoods, nets, objectives
from vae_jax.config import override
from vae_jax.launch import launch
from vae_jax.nets.mlp import MLPEncoder


@struct.dataclass
class Laplace:
    mean: jax.Array

    def log_prob(self, images):
        return -likelihoods.sum_over_pixels(jnp.abs(images - self.mean) + np.log(2).astype(np.float32))

    def sample(self, key):
        return self.mean + jax.random.laplace(key, self.mean.shape)


class LaplaceHead(nn.Module):
    pixels = "real"
    has_sigma = learns_sigma = False

    def __call__(self, outputs):
        return Laplace(outputs)


def trained(config, tmp_path):
    _, result = launch(config, tmp_path)
    assert result["status"] == "completed"
    return result["metrics"]


def test_new_likelihood(tmp_path, monkeypatch):
    monkeypatch.setitem(likelihoods.LIKELIHOODS, "laplace", LaplaceHead)
    changes = {"likelihood": "laplace", "binarize": "none", "sigma": 0.0}
    assert trained(override(vae.get_config("smoke"), changes), tmp_path)["test/nll"] > 0


def test_new_objective(tmp_path, monkeypatch):
    def absolute_kl(terms, beta):
        loss, metrics = objectives.elbo(terms, beta)
        return loss + jnp.abs(metrics["kl"] - 5.0), metrics | {"loss": loss}

    new = objectives.Objective(absolute_kl, uses_kl=True, uses_likelihood=True)
    monkeypatch.setitem(objectives.OBJECTIVES, "absolute_kl", new)
    trained(override(vae.get_config("smoke"), {"objective": "absolute_kl"}), tmp_path)


def test_new_net(tmp_path, monkeypatch):
    class Twice(MLPEncoder):
        @nn.compact
        def __call__(self, images):
            return 2 * nn.Dense(self.output_size)(images.reshape(len(images), -1))

    monkeypatch.setitem(nets.ENCODERS, "twice", Twice)
    trained(override(ae.get_config("smoke"), {"encoder.net": "twice"}), tmp_path)


def test_new_metric(tmp_path, monkeypatch):
    def code_size(evaluation):
        return {"code_size": np.abs(evaluation.codes).mean()}

    monkeypatch.setattr(evaluate, "EVALUATIONS", (*evaluate.EVALUATIONS, code_size))
    assert trained(vae.get_config("smoke"), tmp_path)["test/code_size"] > 0
