import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import ae, vae
from vae_jax import build
from vae_jax.config import override
from vae_jax.model import variables
from vae_jax.train import (
    Hyper,
    all_finite,
    init_state,
    kl_weight,
    step_keys,
    train_epoch,
    train_step,
    validate,
)

SMALL = {"latent_size": 2, "bottleneck_width": 4, "batch_size": 5}
VAE = override(vae.get_config(), SMALL)
AE = override(ae.get_config(), {**SMALL, "optimizer.name": "sgd"})
PIXELS = np.random.default_rng(0).integers(0, 17, (20, 8, 8, 1)).astype(np.uint8)
few = settings(max_examples=15, deadline=None)
one_step = jax.jit(train_step, static_argnames="task")
VAE_TASK, AE_TASK = build.task(VAE), build.task(AE)


def hyper(**numbers):
    default = {"learning_rate": 1e-3, "beta": 1.0, "kl_warmup_steps": 0.0, "num_steps": 100.0, "sigma": 1.0}
    return Hyper(**{name: jnp.float32(value) for name, value in (default | numbers).items()})


def start(task, seed=0):
    return init_state(task, jax.random.key(seed), PIXELS)


def assert_same_bits(one, other):
    jax.tree.map(np.testing.assert_array_equal, *(jax.tree.map(as_array, tree) for tree in (one, other)))


def as_array(leaf):
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


@given(st.floats(0.125, 8, width=32), st.integers(1, 50), st.integers(0, 100))
@few
def test_kl_weight_grows_linearly_to_beta_and_stays(beta, warmup, step):
    found = kl_weight(hyper(beta=beta, kl_warmup_steps=warmup), jnp.int32(step))
    np.testing.assert_allclose(found, beta * min(step / warmup, 1), rtol=1e-6)


@pytest.mark.parametrize("step", [0, 1, 1000])
def test_kl_weight_without_warmup_is_beta(step):
    assert kl_weight(hyper(beta=3.0), jnp.int32(step)) == 3


@pytest.mark.parametrize(("bad", "finite"), [(0.0, True), (np.nan, False), (np.inf, False), (-1e30, True)])
def test_all_finite_sees_a_single_bad_number(bad, finite):
    tree = {"a": jnp.ones((3, 4)), "b": [jnp.zeros(5).at[2].set(bad)], "c": (jnp.int32(1), jax.random.key(0))}
    assert all_finite(tree) == finite


def test_step_of_sgd_is_the_gradient_of_the_loss():
    state, batch = start(AE_TASK), PIXELS[:5]
    images = batch.astype(np.float32) / 16

    @jax.jit
    def loss(params):
        rebuilt = AE_TASK.model.apply(variables(params, 1.0), images, jax.random.key(0))
        return rebuilt.squared_error_B.mean()

    value, grads = jax.value_and_grad(loss)(state.params)
    expected = jax.tree.map(lambda p, g: p - 1e-3 * g, state.params, grads)
    after, metrics = one_step(AE_TASK, hyper(), state, batch)
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-6)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), after.params, expected)
    assert after.step == 1


def test_schedule_is_applied_to_the_fraction_of_training_that_is_done():
    task = build.task(override(AE, {"schedule": "cosine"}))
    state = start(task)

    def moved(step, num_steps):
        numbers = hyper(learning_rate=0.1, num_steps=num_steps)
        after, _ = one_step(task, numbers, state.replace(step=jnp.int32(step)), PIXELS[:5])
        kernels = (params["decoder"]["Dense_1"]["kernel"] for params in (after.params, state.params))
        return np.subtract(*kernels)

    whole = moved(0, 100)
    assert np.abs(whole).max() > 5e-4
    np.testing.assert_allclose(moved(50, 100), 0.5 * whole, atol=2e-7)  # differences of weights of size 1
    np.testing.assert_array_equal(moved(100, 100), 0 * whole)


def test_beta_weighs_the_kl_in_the_loss():
    losses = [one_step(VAE_TASK, hyper(beta=beta), start(VAE_TASK), PIXELS[:5])[1] for beta in (0.0, 4.0)]
    np.testing.assert_allclose(losses[1]["loss"], losses[0]["loss"] + 4 * losses[0]["kl"], rtol=1e-6)
    np.testing.assert_array_equal(losses[0]["elbo"], losses[1]["elbo"])


def test_warmup_weighs_the_kl_by_the_step():
    numbers = hyper(beta=2.0, kl_warmup_steps=10.0)
    state = start(VAE_TASK).replace(step=jnp.int32(5))
    _, metrics = one_step(VAE_TASK, numbers, state, PIXELS[:5])
    np.testing.assert_allclose(metrics["loss"], metrics["reconstruction"] + metrics["kl"], rtol=1e-6)


def test_every_step_draws_its_own_pixels_and_codes():
    state = start(VAE_TASK)
    steps = [state, state, state.replace(step=jnp.int32(1))]
    losses = [one_step(VAE_TASK, hyper(), at, PIXELS[:5])[1]["reconstruction"] for at in steps]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "rmsprop", "sgd"])
def test_a_bad_number_shows_in_every_later_loss(optimizer, bad):
    task = build.task(override(VAE, {"optimizer.name": optimizer}))
    for part, layer in [("encoder", "Dense_0"), ("encoder", "Dense_1"), ("decoder", "Dense_1")]:
        state = start(task)
        state.params[part][layer]["bias"] = state.params[part][layer]["bias"].at[0].set(bad)
        _, metrics = train_epoch(task, hyper(), state, PIXELS)
        assert not np.isfinite(metrics["loss"]).any()


def test_an_epoch_tells_the_metrics_of_every_step():
    one_by_one, state = [], start(VAE_TASK)
    _, metrics = train_epoch(VAE_TASK, hyper(learning_rate=0.0), start(VAE_TASK), PIXELS)
    assert {len(values) for values in metrics.values()} == {len(PIXELS) // 5}
    order = jax.random.permutation(step_keys(state)[2], len(PIXELS)).reshape(-1, 5)
    for indices in order:
        state, now = one_step(VAE_TASK, hyper(learning_rate=0.0), state, PIXELS[indices])
        one_by_one.append(now["loss"])
    np.testing.assert_allclose(metrics["loss"], one_by_one, rtol=1e-5)


def test_same_seed_gives_the_same_bits_and_another_does_not():
    states = [train_epoch(VAE_TASK, hyper(), start(VAE_TASK, seed), PIXELS)[0] for seed in (0, 0, 1)]
    assert_same_bits(states[0], states[1])
    kernels = [state.params["encoder"]["Dense_0"]["kernel"] for state in states]
    assert (kernels[0] != kernels[2]).all()


def test_epoch_takes_every_image_once():
    # At a learning rate of 0 the mean over the steps is the mean over the images.
    still = hyper(learning_rate=0.0)
    _, metrics = train_epoch(AE_TASK, still, start(AE_TASK), PIXELS)
    everything = validate(AE_TASK, still, start(AE_TASK).params, PIXELS / np.float32(16), jax.random.key(0))
    np.testing.assert_allclose(metrics["loss"].mean(), everything["loss"], rtol=1e-5)


def test_last_partial_batch_is_left_out():
    state, _ = train_epoch(AE_TASK, hyper(), start(AE_TASK), PIXELS[:14])
    assert state.step == 2


def test_every_epoch_has_its_own_order():
    task = dataclasses.replace(AE_TASK, batch_size=15)  # a quarter of the images is left out
    losses = [
        float(train_epoch(task, hyper(), start(task).replace(step=jnp.int32(step)), PIXELS)[1]["loss"].mean())
        for step in (0, 0, 1, 2)
    ]
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


def test_numbers_compile_nothing_anew():
    images = PIXELS / np.float32(16)

    def train(seed, **numbers):
        state, _ = train_epoch(VAE_TASK, hyper(**numbers), start(VAE_TASK, seed), PIXELS)
        validate(VAE_TASK, hyper(**numbers), state.params, images, jax.random.key(seed))
        return [function._cache_size() for function in (init_state, train_epoch, validate)]

    before = train(0)
    assert train(1, learning_rate=1.0, beta=0.1, kl_warmup_steps=9.0, num_steps=7.0, sigma=2.0) == before


def test_equal_configs_share_the_compiled_program():
    train_epoch(VAE_TASK, hyper(), start(VAE_TASK), PIXELS)
    before = train_epoch._cache_size()
    again = build.task(override(vae.get_config(), {**SMALL, "seed": 7, "learning_rate": 0.1}))
    train_epoch(again, hyper(), start(again), PIXELS)
    assert train_epoch._cache_size() == before


def test_population_trains_like_its_members():
    small = {"encoder.net": "linear", "decoder.net": "linear", "bottleneck_width": 0, "optimizer.name": "sgd"}
    task = build.task(override(VAE, small))
    members = [hyper(learning_rate=rate, beta=beta) for rate, beta in ((1e-3, 1.0), (1e-2, 0.1))]
    hypers = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(start(task, seed) for seed in (0, 1)))

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, 0, None))
    def together(numbers, state, pixels):
        return train_epoch(task, numbers, state, pixels)[1]["loss"]

    alone = [
        train_epoch(task, numbers, start(task, seed), PIXELS)[1]["loss"]
        for seed, numbers in enumerate(members)
    ]
    # Batched products round in another order.
    np.testing.assert_allclose(together(hypers, states, PIXELS), alone, rtol=1e-5)


def test_validation_weighs_the_kl_fully_and_is_a_mean_over_all_images():
    params, images = start(VAE_TASK).params, (PIXELS > 8).astype(np.float32)
    numbers = hyper(beta=3.0, kl_warmup_steps=1000.0)
    metrics = validate(VAE_TASK, numbers, params, images, jax.random.key(0))
    np.testing.assert_allclose(metrics["loss"], metrics["reconstruction"] + 3 * metrics["kl"], rtol=1e-6)
    terms = jax.jit(VAE_TASK.model.apply)(variables(params, 1.0), images, jax.random.key(0))
    np.testing.assert_allclose(metrics["kl"], terms.kl_BxZ.sum(1).mean(), rtol=1e-5)


def test_learning_lowers_the_loss():
    state, numbers = start(VAE_TASK), hyper(learning_rate=1e-2)
    losses = []
    for _ in range(20):
        state, metrics = train_epoch(VAE_TASK, numbers, state, PIXELS)
        losses.append(float(metrics["loss"].mean()))
    assert losses[-1] < losses[0] - 1
