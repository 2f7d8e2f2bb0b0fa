import itertools

import jax
import pytest

from configs import ae, vae
from vae_jax import build
from vae_jax.config import override
from vae_jax.cost import cost, state_bytes
from vae_jax.errors import UsageError

SHAPE = (8, 8, 1)


def dense(*widths):
    """Weights, and weights and biases, of layers of these widths."""
    weights = sum(a * b for a, b in itertools.pairwise(widths))
    return weights, weights + sum(widths[1:])


def test_parameters_are_weights_and_biases_of_both_sides():
    changes = {"latent_size": 3, "bottleneck_width": 5, "encoder.hidden_sizes": (7,)}
    price = cost(build.task(override(vae.get_config(), changes)), SHAPE)
    assert price.parameters == dense(64, 7, 5, 6)[1] + dense(3, 5, 64)[1]


def test_learned_sigma_is_one_parameter_more():
    binary, grey = (cost(build.task(vae.get_config(arg)), SHAPE) for arg in ("", "grey"))
    assert grey.parameters == binary.parameters + 1


def test_parameters_are_those_that_are_trained():
    task = build.task(vae.get_config("conv"))
    params = jax.eval_shape(
        task.model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *SHAPE), "float32"), jax.random.key(0)
    )["params"]
    assert cost(task, SHAPE).parameters == sum(leaf.size for leaf in jax.tree.leaves(params))


def test_training_needs_two_states_the_best_parameters_and_the_gradients():
    task = build.task(override(vae.get_config(), {"latent_size": 3, "bottleneck_width": 5}))
    parameters = cost(task, SHAPE).parameters  # adam keeps two more of each; the rest are counters
    assert 0 <= state_bytes(task, SHAPE) / 4 - (2 * 3 + 2) * parameters < 10


@pytest.mark.parametrize("width", [10**8, 2**31 - 1])
def test_model_that_no_memory_can_hold_is_refused(width):
    with pytest.raises(UsageError, match=r"parameters need .* GB .* bottleneck_width"):
        build.task(override(vae.get_config(), {"bottleneck_width": width}))


@pytest.mark.parametrize(
    ("config", "changes", "widths"),
    [
        (ae.get_config("linear"), {"latent_size": 64}, (64, 64, 64)),
        (
            ae.get_config(),
            {
                "latent_size": 32,
                "bottleneck_width": 512,
                "encoder.hidden_sizes": (1024,),
                "decoder.hidden_sizes": (1024,),
            },
            (64, 1024, 512, 32, 512, 1024, 64),
        ),
    ],
    ids=["linear", "mlp"],
)
def test_flops_are_those_of_the_matrix_products_and_little_more(config, changes, widths):
    # Forward, and backward for weights and for inputs: 2 FLOPs a weight each; the images
    # themselves need no gradient. Activations, loss and update come to a few per cent.
    products = 6 * dense(*widths)[0] - 2 * widths[0] * widths[1]
    price = cost(build.task(override(config, {**changes, "batch_size": 1024})), SHAPE)
    assert products < price.flops_per_image < 1.05 * products


def test_flops_are_counted_for_the_cpu_whatever_computes(monkeypatch):
    task, backends = build.task(override(vae.get_config(), {"bottleneck_width": 67})), []
    monkeypatch.setattr(jax, "local_devices", lambda backend: backends.append(backend) or jax.devices("cpu"))
    usual = cost(task, SHAPE)
    assert backends == ["cpu"]
    cost.cache_clear()
    with jax.default_matmul_precision("TF32_TF32_F32"):  # of products that only a GPU knows
        assert cost(task, SHAPE) == usual


def test_without_a_cpu_that_jax_may_use_one_line_says_what_to_do(monkeypatch):
    def none(backend):
        raise RuntimeError("Unknown backend cpu")

    task = build.task(override(vae.get_config(), {"bottleneck_width": 68}))
    monkeypatch.setattr(jax, "local_devices", none)
    with pytest.raises(UsageError, match=r"JAX_PLATFORMS=cuda,cpu"):
        cost(task, SHAPE)


def test_cost_compiles_nothing():
    compiled = []

    def note(event, duration, **_):
        if "backend_compile" in event:
            compiled.append(event)

    task = build.task(override(vae.get_config(), {"bottleneck_width": 123}))
    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        cost(task, SHAPE)
        assert not compiled
        jax.jit(lambda x: x + 123)(1.0)  # and this is how a compilation would be noticed
        assert compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
