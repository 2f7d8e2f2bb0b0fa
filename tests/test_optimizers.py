import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vae_jax.errors import UsageError
from vae_jax.optimizers import DIRECTIONS, SCHEDULES, Optimizer

PARAMS = {"w": jnp.array([[1.0, -2.0]]), "b": jnp.zeros(1)}
GRADS = {"w": jnp.array([[3.0, 4.0]]), "b": jnp.zeros(1)}  # of norm 5


def steps(optimizer, count, learning_rate=0.1):
    """Returns the weights after `count` steps down the same gradient."""
    transform = optimizer(learning_rate)
    params, state = PARAMS, transform.init(PARAMS)
    for _ in range(count):
        updates, state = transform.update(GRADS, state, params)
        params = optax.apply_updates(params, updates)
    return params["w"][0]


def plain(name, **changes):
    default = {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "max_grad_norm": 0.0}
    return Optimizer(name, **(default | changes))


def test_sgd_follows_the_gradient():
    np.testing.assert_allclose(steps(plain("sgd"), 2), [1 - 2 * 0.3, -2 - 2 * 0.4], rtol=1e-6)


@pytest.mark.parametrize("b1", [0.9, 0.5])
def test_momentum_adds_a_part_of_the_last_step(b1):
    moved = (2 + b1) * 0.1 * np.array([3, 4])
    np.testing.assert_allclose(steps(plain("momentum", b1=b1), 2), [1, -2] - moved, rtol=1e-6)


def test_adam_steps_by_the_learning_rate_along_a_steady_gradient():
    # g / √g² = ±1 up to float32's bias correction, 1 - 0.999².
    np.testing.assert_allclose(steps(plain("adam"), 2), [1 - 0.2, -2 - 0.2], rtol=1e-4)


def test_rmsprop_divides_by_the_root_of_the_mean_square():
    expected = np.array([1, -2]) - 0.1 / np.sqrt(0.1)  # first mean square: 0.1 g²
    np.testing.assert_allclose(steps(plain("rmsprop", b2=0.9), 1), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["adam", "rmsprop"])
def test_large_eps_makes_the_step_follow_the_gradient(name):
    moved = np.array([1, -2]) - steps(plain(name, b2=0.9, eps=1e6), 1)
    np.testing.assert_allclose(moved, 0.1e-6 * np.array([3, 4]), rtol=0.2)  # of weights near 1: 1e-7


def test_adam_remembers_as_long_as_its_decays_say():
    optimizer = plain("adam", b1=0.5, b2=0.5)(0.1)
    state = optimizer.init(PARAMS)
    for factor in (1.0, -1.0):
        grads = jax.tree.map(lambda g, factor=factor: factor * g, GRADS)
        updates, state = optimizer.update(grads, state, PARAMS)
    # Means of g and of -g with weights 1/3 and 2/3; the mean square is g² either way.
    np.testing.assert_allclose(updates["w"], [[0.1 / 3, 0.1 / 3]], rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_weight_decay_is_decoupled_from_the_gradient(name):
    decayed, undecayed = steps(plain(name, weight_decay=0.5), 1), steps(plain(name), 1)
    np.testing.assert_allclose(decayed - undecayed, -0.1 * 0.5 * PARAMS["w"][0], rtol=1e-5)


def test_biases_do_not_decay():
    optimizer = plain("sgd", weight_decay=0.5)(0.1)
    params = {"w": jnp.ones((1, 2)), "b": jnp.ones(2), "log_sigma": jnp.ones(())}
    zero = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(zero, optimizer.init(params), params)
    assert [updates[name].any() for name in ("w", "b", "log_sigma")] == [True, False, False]


@pytest.mark.parametrize(("limit", "factor"), [(1.0, 1 / 5), (5.0, 1.0), (100.0, 1.0)])
def test_gradients_are_scaled_down_to_the_largest_norm(limit, factor):
    moved = PARAMS["w"][0] - steps(plain("sgd", max_grad_norm=limit), 1)
    np.testing.assert_allclose(moved, 0.1 * factor * GRADS["w"][0], rtol=1e-5)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_every_optimizer_goes_downhill(name):
    optimizer = plain(name)

    @jax.jit
    def minimise(rate):
        transform = optimizer(rate)

        def step(carry, _):
            params, state = carry
            grads = jax.tree.map(lambda w: 2 * w, params)  # of Σw²
            updates, state = transform.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (PARAMS, transform.init(PARAMS)), length=500)[0][0]["w"]

    assert jnp.abs(minimise(0.01)).max() < 0.05


@pytest.mark.parametrize("name", DIRECTIONS)
def test_another_learning_rate_compiles_nothing_anew(name):
    step = jax.jit(lambda rate: steps(plain(name), 1, rate))
    changes = [step(rate) - PARAMS["w"][0] for rate in (0.1, 0.2)]
    np.testing.assert_allclose(changes[1], 2 * changes[0], rtol=1e-5)
    assert step._cache_size() == 1


@pytest.mark.parametrize(
    ("name", "factors"),
    [("constant", (1, 1, 1)), ("cosine", (1, 0.5, 0)), ("exponential", (1, 0.1, 0.01))],
)
def test_schedule_at_the_start_the_middle_and_the_end(name, factors):
    found = [float(SCHEDULES[name](jnp.float32(progress))) for progress in (0, 0.5, 1)]
    np.testing.assert_allclose(found, factors, rtol=1e-5, atol=1e-7)


def test_warm_up_is_the_first_twentieth_and_the_rest_a_cosine():
    schedule = SCHEDULES["warmup_cosine"]
    found = [float(schedule(jnp.float32(progress))) for progress in (0, 0.025, 0.05, 0.525, 1)]
    np.testing.assert_allclose(found, (0, 0.5, 1, 0.5, 0), atol=1e-6)


def test_unknown_optimizer_is_refused():
    with pytest.raises(UsageError, match=r"unknown optimizer 'adamm'.*did you mean 'adam'"):
        plain("adamm")(0.1)
