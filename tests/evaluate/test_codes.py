import functools

import jax
import numpy as np
import pytest

from configs import ae, vae
from vae_jax import build, data
from vae_jax.evaluate import codes
from vae_jax.model import variables


@pytest.fixture(scope="module")
def images():
    return data.draw_once(data.Preprocess("threshold", 16), data.load("digits").test.images, "test")


@pytest.mark.parametrize("config", [vae.get_config(), ae.get_config()], ids=["vae", "ae"])
def test_codes_are_the_posterior_means_in_the_order_of_the_images(config, images):
    model = build.model(config, (8, 8, 1))
    shapes = jax.eval_shape(model.init, jax.random.key(0), images[:1], jax.random.key(0))["params"]
    rng = np.random.default_rng(0)
    known = variables(jax.tree.map(lambda leaf: rng.normal(0, 0.1, leaf.shape), shapes), 1.0)
    expected = jax.jit(functools.partial(model.apply, method="encode"))(known, images).mean_BxZ
    found = codes(model, known, images)
    assert isinstance(found, np.ndarray)
    assert found.shape == (300, config.latent_size)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
