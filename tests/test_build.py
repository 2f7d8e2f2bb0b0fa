import functools
import itertools

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import ae, vae
from vae_jax import build, data
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.train import init_state, train_step

few = settings(max_examples=25, deadline=None)
NUMBERS = {  # what never changes a program
    "seed": st.integers(0, 2**31 - 1),
    "learning_rate": st.floats(1e-6, 10),
    "beta": st.floats(0, 10),
    "kl_warmup_epochs": st.integers(0, 100),
    "num_epochs": st.integers(100, 1000),
    "stop_epoch": st.integers(0, 99),
    "early_stopping_patience": st.integers(0, 100),
}
PROGRAM = {  # what does
    "latent_size": 9,
    "bottleneck_width": 9,
    "encoder.hidden_sizes": (512,),
    "decoder.activation": "tanh",
    "batch_size": 64,
    "binarize": "threshold",
    "schedule": "constant",
    "optimizer.name": "sgd",
    "optimizer.b1": 0.8,
    "optimizer.weight_decay": 0.1,
    "optimizer.max_grad_norm": 1.0,
}


def after_one_step(config):
    """Returns shapes and types of the state before and after a step, and of its metrics."""
    task, hyper = build.task(config), build.hyper(config)
    pixels = jax.ShapeDtypeStruct((config.batch_size, *data.source(config.dataset).image_shape), jnp.uint8)
    before = init_state.eval_shape(task, jax.random.key(0), pixels)
    return before, *jax.eval_shape(functools.partial(train_step, task), hyper, before, pixels)


@given(st.fixed_dictionaries(NUMBERS))
@few
def test_numbers_leave_the_task_the_same(numbers):
    config = vae.get_config()
    task, other = build.task(config), build.task(override(config, numbers))
    assert task == other
    assert hash(task) == hash(other)


@pytest.mark.parametrize("name", PROGRAM)
def test_what_changes_the_program_changes_the_task(name):
    config = vae.get_config()
    assert build.task(config) != build.task(override(config, {name: PROGRAM[name]}))


def test_hyper_holds_the_numbers_in_float32():
    changes = {"learning_rate": 0.5, "beta": 2.0, "kl_warmup_epochs": 3, "num_epochs": 7, "batch_size": 100}
    hyper = build.hyper(override(vae.get_config("grey"), changes))
    steps_per_epoch = 1197 // 100
    values = (hyper.learning_rate, hyper.beta, hyper.kl_warmup_steps, hyper.num_steps, hyper.sigma)
    assert [float(value) for value in values] == [0.5, 2.0, 33.0, 7.0 * steps_per_epoch, jnp.float32(0.3)]
    assert {value.dtype for value in values} == {jnp.dtype("float32")}


def test_task_refuses_a_bad_config():
    with pytest.raises(UsageError, match="latent_size"):
        build.task(override(vae.get_config(), {"latent_size": 0}))


def test_model_has_the_sizes_of_the_config():
    changes = {
        "latent_size": 3,
        "bottleneck_width": 5,
        "encoder.hidden_sizes": (11, 7),
        "decoder.hidden_sizes": (13,),
    }
    state, *_ = after_one_step(override(vae.get_config(), changes))
    widths = {
        side: [state.params[side][f"Dense_{i}"]["kernel"].shape for i in range(len(state.params[side]))]
        for side in ("encoder", "decoder")
    }
    assert widths["encoder"] == [(64, 11), (11, 7), (7, 5), (5, 6)]  # a mean and a log-variance each
    assert widths["decoder"] == [(3, 5), (5, 13), (13, 64)]


SMALL = {"latent_size": 2, "bottleneck_width": 4, "batch_size": 3}
CHANNELS = {"linear": (), "mlp": (5,), "conv": (3, 2)}


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
@pytest.mark.parametrize(("encoder", "decoder"), list(itertools.product(CHANNELS, CHANNELS)))
@pytest.mark.parametrize(
    "config", [vae.get_config(), vae.get_config("grey"), ae.get_config()], ids=["vae", "grey", "ae"]
)
def test_every_pair_of_nets_can_be_trained(config, encoder, decoder, dataset):
    sides = {"encoder.net": encoder, "encoder.hidden_sizes": CHANNELS[encoder]}
    sides |= {"decoder.net": decoder, "decoder.hidden_sizes": CHANNELS[decoder]}
    sides |= {"bottleneck_width": 0} if {encoder, decoder} == {"linear"} else {}
    before, after, metrics = after_one_step(override(config, {**SMALL, **sides, "dataset": dataset}))
    assert before == after
    assert {(value.shape, value.dtype) for value in metrics.values()} == {((), jnp.dtype("float32"))}


def test_everything_is_float32():
    state, *_ = after_one_step(vae.get_config("smoke"))
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype("float32")}
