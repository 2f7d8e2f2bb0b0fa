"""Filling up: runs of two sizes share a program where that is exact, and nowhere else."""

import itertools

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import linen as nn

from configs import ae, vae
from experiments.sweep import dry_run, execute
from vae_jax import nets, objectives, optimizers, sweeps
from vae_jax.check import NAMES, check
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.launch import launch
from vae_jax.nets.mlp import MLPEncoder
from vae_jax.sweeps import filling, population, scheduling

TINY = {"batch_size": 64, "num_epochs": 2, "learning_rate": 3e-3, "evaluation.iwae_samples": 2}
TINY |= {f"{side}.hidden_sizes": (16,) for side in ("encoder", "decoder")}
VAE = override(vae.get_config(), TINY | {"latent_size": 2, "bottleneck_width": 8})
HOMES = ["outside", "inside"]


class Normed(MLPEncoder):
    """An encoder that norms over its bottleneck, as anybody may add one."""

    @nn.compact
    def __call__(self, images):
        x = self.activation(nn.Dense(self.bottleneck_width)(images.reshape(len(images), -1)))
        return nn.Dense(self.output_size)(nn.LayerNorm()(x))


def mean_kl(terms, beta):
    rec, kl = terms.reconstruction_B.mean(), terms.kl_BxZ.mean()
    return rec + beta * kl, {"loss": rec + beta * kl, "kl": kl}


def _normed(monkeypatch, home):
    part = type("Normed", (Normed,), {"__module__": "vae_jax.nets.normed" if home == "inside" else __name__})
    monkeypatch.setitem(nets.ENCODERS, "normed", part)
    changed = override(VAE, {"encoder.net": "normed"})
    return [override(changed, {"bottleneck_width": width}) for width in (4, 16)]


def _mean_kl(monkeypatch, home):
    def loss(terms, beta):
        return mean_kl(terms, beta)

    loss.__module__ = "vae_jax.objectives" if home == "inside" else __name__
    monkeypatch.setitem(objectives.OBJECTIVES, "mean_kl", objectives.Objective(loss, True, True))
    changed = override(VAE, {"objective": "mean_kl"})
    return [override(changed, {"latent_size": size}) for size in (2, 16)]


CASES = {  # what makes the runs, what differs in them, what is said of the part
    "a norm over the bottleneck": (_normed, "bottleneck_width 4, 16", "encoder 'normed'"),
    "a mean over the code": (_mean_kl, "latent_size 2, 16", "objective 'mean_kl'"),
}


@pytest.fixture(params=itertools.product(CASES, HOMES), ids=lambda case: ", ".join(case))
def inexact(request, monkeypatch):
    """Configs of two sizes that cannot be filled up, and the line that says so."""
    name, home = request.param
    make, sizes, part = CASES[name]
    reason = "one step filled up differs from one alone: " if home == "inside" else f"{part} is not of this"
    return make(monkeypatch, home), f"2 runs of {sizes} train at their own sizes: {reason}"


def test_runs_that_cannot_be_filled_up_end_as_alone(inexact, tmp_path, capsys):
    configs, line = inexact
    outcomes = execute(sweeps.plan(configs, tmp_path / "sweep"), tmp_path / "sweep", None)
    assert line in capsys.readouterr().err
    for config, outcome in zip(configs, sorted(outcomes, key=_sizes_in_result), strict=True):
        run, result = launch(config, tmp_path / "alone")
        assert run.id == outcome.run.id
        assert outcome.result["metrics"] == pytest.approx(result["metrics"], rel=1e-5)


def _sizes_in_result(outcome):
    return tuple(outcome.result["trained"]["sizes"].values())


def test_dry_run_says_which_and_why(inexact, tmp_path, capsys):
    configs, line = inexact
    dry_run(sweeps.plan(configs, tmp_path), tmp_path)
    out = capsys.readouterr().out
    assert line in out
    assert "2 populations" in out


def test_population_that_an_earlier_version_filled_up_does_not_stay(inexact, tmp_path, capsys):
    configs, _ = inexact
    sizes = tuple(map(max, zip(*map(sweeps.sizes_of, configs), strict=True)))
    planned = sweeps.plan(configs, tmp_path)
    population.Population(tuple(configs), sizes, 2).write(tmp_path)
    planned[0].run.create("")
    planned[0].run.append_metrics({"epoch": 1})
    found = scheduling.settle(planned, tmp_path)
    assert [each.sizes for each in found.populations] == [
        sweeps.sizes_of(each.configs[0]) for each in found.populations
    ]
    told = capsys.readouterr().err
    assert told == "1 of these runs were begun together with others: they begin anew here\n"


def _fields(net, posterior, likelihood, objective):
    delta, linear = posterior == "delta", net == "linear"
    fields = {"posterior": posterior, "likelihood": likelihood, "objective": objective}
    fields |= {f"{side}.net": net for side in ("encoder", "decoder")}
    fields |= {f"{side}.hidden_sizes": () if linear else (8,) for side in ("encoder", "decoder")}
    fields |= {"prior": "none" if delta else "standard_normal", "beta": 0.0 if delta else 1.0}
    fields |= {"sigma": 0.0 if likelihood == "bernoulli" else 0.5}
    fields |= {"binarize": "sampled" if likelihood == "bernoulli" else "none"}
    return fields | {"kl_warmup_epochs": 0, "bottleneck_width": 0 if linear else 4}


def _accepted():
    tables = (nets.ENCODERS, NAMES["posterior"], NAMES["likelihood"], NAMES["objective"])
    for names in itertools.product(*map(sorted, tables)):
        try:
            check(config := override(VAE, _fields(*names)))
        except UsageError:
            continue
        yield names, config


ACCEPTED = dict(_accepted())


def _thinned(names, index):
    """One net for each way to train is quick enough; the others are slow."""
    own = sorted(nets.ENCODERS).index(names[0])
    marks = [] if index % len(nets.ENCODERS) == own else [pytest.mark.slow]
    return pytest.param(names, marks=marks, id="-".join(names))


WAYS = sorted({names[1:] for names in ACCEPTED})


@pytest.mark.parametrize("names", [_thinned(names, WAYS.index(names[1:])) for names in ACCEPTED])
def test_own_parts_share_a_program(names):
    config = ACCEPTED[names]
    width = min(config.bottleneck_width, 1)
    sizes = [(1, width), (3, config.bottleneck_width)]
    configs = [population.at_sizes(config, each) for each in sizes]
    assert filling.why_not(configs, sizes[1]) is None


def test_all_ways_and_nets_are_there():
    assert len(WAYS) == 8
    assert {names[0] for names in ACCEPTED} == set(nets.ENCODERS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "name"),
    [("optimizer.name", name) for name in optimizers.DIRECTIONS]
    + [("schedule", name) for name in optimizers.SCHEDULES]
    + [("encoder.activation", name) for name in nets.ACTIVATIONS],
)
def test_own_directions_schedules_and_activations_share_a_program(field, name):
    config = override(VAE, {field: name, "optimizer.weight_decay": 0.1, "optimizer.max_grad_norm": 1.0})
    assert filling.why_not([population.at_sizes(config, (1, 3)), config], (2, 8)) is None


@pytest.mark.parametrize("field", sorted(NAMES.keys() - {"dataset", "binarize"}))
def test_every_part_of_the_tables_counts_as_own(field):
    for name in NAMES[field]:
        fields = override(ae.get_config() if field == "posterior" else VAE, {field: name})
        assert filling._foreign(fields) is None, name


def per_array(b1, b2, eps):
    """A step whose length depends on how many numbers an array has."""
    return optax.stateless(lambda grads, _: jax.tree.map(lambda g: g / (jnp.abs(g).mean() + eps), grads))


def drift(b1, b2, eps):
    """A step that goes on where there is no gradient."""
    return optax.stateless(lambda grads, _: jax.tree.map(lambda g: g + 1.0, grads))


@pytest.mark.parametrize(
    ("direction", "said"),
    [(per_array, "one step filled up differs from one alone: the change of "), (drift, "does not stay 0")],
)
def test_optimizer_that_cannot_be_filled_up_is_noticed(monkeypatch, direction, said):
    monkeypatch.setattr(direction, "__module__", "vae_jax.optimizers")
    monkeypatch.setitem(optimizers.DIRECTIONS, direction.__name__, direction)
    config = override(VAE, {"optimizer.name": direction.__name__})
    assert said in filling.why_not([override(config, {"bottleneck_width": 4}), config], (2, 8))


def test_verdict_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path))
    told = []
    monkeypatch.setattr(filling, "_differs", lambda *configs: told.append(configs) or "a reason")
    configs = [override(VAE, {"latent_size": size}) for size in (1, 3)]
    other_numbers = [override(config, {"seed": 7, "beta": 2.0}) for config in configs]
    assert [filling.why_not(each, (3, 8)) for each in (configs, other_numbers)] == ["a reason"] * 2
    assert len(told) == 1
    monkeypatch.setattr(filling, "_sources", lambda: "another version")
    filling.why_not(configs, (3, 8))
    assert len(told) == 2


def test_one_size_needs_no_trial(monkeypatch):
    monkeypatch.setattr(filling, "_kept", None)
    assert filling.why_not([VAE, override(VAE, {"seed": 1})], (2, 8)) is None
