import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_jax.model import Terms
from vae_jax.objectives import OBJECTIVES, elbo, mse, reconstruction

few = settings(max_examples=15, deadline=None)
TERMS = Terms(
    reconstruction_B=jnp.array([10.0, 20.0]),
    kl_BxZ=jnp.array([[1.0, 2.0, 3.0], [0.0, 0.0, 4.0]]),
    squared_error_B=jnp.array([3.0, 5.0]),
)


def random_terms(seed, batch=6):
    rng = np.random.default_rng(seed)
    return Terms(*(rng.normal(size=shape).astype(np.float32) for shape in [(batch,), (batch, 4), (batch,)]))


def test_mse_is_the_sum_over_pixels_and_the_mean_over_images():
    loss, metrics = mse(TERMS, 0.0)
    assert (loss, metrics) == (4, {"loss": 4})


def test_reconstruction_is_the_mean_over_images():
    loss, metrics = reconstruction(TERMS, 0.0)
    assert (loss, metrics) == (15, {"loss": 15})


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_elbo_sums_the_kl_over_dimensions_and_weighs_it_by_beta(beta):
    loss, metrics = elbo(TERMS, beta)
    assert loss == 15 + beta * 5
    assert metrics == {"loss": loss, "reconstruction": 15, "kl": 5, "elbo": -20}


@pytest.mark.parametrize("objective", [mse, reconstruction])
def test_plain_autoencoders_have_no_kl_term(objective):
    assert objective(TERMS, 0.0) == objective(TERMS, 7.0)


@pytest.mark.parametrize("name", OBJECTIVES)
@given(st.integers(0, 100), st.permutations(range(6)))
@few
def test_order_of_the_images_does_not_matter(name, seed, order):
    terms = random_terms(seed)
    permuted = jax.tree.map(lambda x: x[list(order)], terms)
    loss, metrics = OBJECTIVES[name].loss(terms, 0.5)
    loss_permuted, metrics_permuted = OBJECTIVES[name].loss(permuted, 0.5)
    # Six numbers of size 1 are added in another order.
    np.testing.assert_allclose(loss, loss_permuted, atol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), metrics, metrics_permuted)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_repeating_every_image_changes_nothing(name):
    twice = jax.tree.map(lambda x: jnp.concatenate([x, x]), TERMS)
    assert OBJECTIVES[name].loss(twice, 0.5) == OBJECTIVES[name].loss(TERMS, 0.5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_among_the_metrics(name):
    loss, metrics = OBJECTIVES[name].loss(random_terms(0), 0.5)
    assert metrics["loss"] == loss
    assert all(metric.shape == () for metric in metrics.values())
