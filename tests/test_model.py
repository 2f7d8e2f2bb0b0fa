import functools

import jax
import numpy as np
import pytest

from vae_jax.likelihoods import LIKELIHOODS, Bernoulli, Gaussian
from vae_jax.model import Autoencoder, variables
from vae_jax.nets import ACTIVATIONS
from vae_jax.nets.mlp import MLPDecoder, MLPEncoder
from vae_jax.posteriors import Delta, DiagonalGaussian
from vae_jax.priors import NoPrior, StandardNormal

SHAPE = (4, 3, 2)
LATENTS = 3
SIGMA = 0.5


def autoencoder(posterior, prior, likelihood):
    fields = {
        "bottleneck_width": 5,
        "hidden_sizes": (),
        "activation": ACTIVATIONS["tanh"],
        "output_activation": ACTIVATIONS["identity"],
    }
    return Autoencoder(
        encoder=MLPEncoder(output_size=posterior.outputs_per_latent * LATENTS, **fields),
        posterior=posterior,
        prior=prior,
        decoder=MLPDecoder(image_shape=SHAPE, **fields),
        likelihood=LIKELIHOODS[likelihood](),
    )


VAE = autoencoder(DiagonalGaussian, StandardNormal(), "bernoulli")
AE = autoencoder(Delta, NoPrior(), "gaussian")
LEARNED = autoencoder(DiagonalGaussian, StandardNormal(), "gaussian_learned")


MODELS = [pytest.param(VAE, id="vae"), pytest.param(AE, id="ae"), pytest.param(LEARNED, id="learned")]
IMAGES = np.random.default_rng(0).integers(0, 2, (6, *SHAPE)).astype(np.float32)


@functools.cache
def initialised(model):
    shapes = jax.eval_shape(model.init, jax.random.key(0), IMAGES, jax.random.key(0))["params"]
    rng = np.random.default_rng(0)
    return variables(
        jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(np.float32), shapes), SIGMA
    )


@functools.partial(jax.jit, static_argnames=("model", "method"))
def call(model, known, *args, method=None):
    return model.apply(known, *args, method=method)


def terms_of(model, seed=0):
    return call(model, initialised(model), IMAGES, jax.random.key(seed))


@pytest.mark.parametrize("model", MODELS)
def test_terms_are_given_for_each_image(model):
    assert [term.shape for term in terms_of(model)] == [(6,), (6, LATENTS), (6,)]


@pytest.mark.parametrize("model", MODELS)
def test_terms_are_those_of_the_encoded_and_decoded_images(model):
    known, key = initialised(model), jax.random.key(2)
    q = call(model, known, IMAGES, method="encode")
    p = call(model, known, q.sample(key), method="decode")
    terms = terms_of(model, seed=2)
    np.testing.assert_allclose(terms.reconstruction_B, -p.log_prob(IMAGES), rtol=1e-6)
    np.testing.assert_allclose(terms.kl_BxZ, model.prior.kl(q), rtol=1e-5, atol=1e-6)
    expected = np.square(IMAGES - np.asarray(p.mean)).sum((1, 2, 3))
    np.testing.assert_allclose(terms.squared_error_B, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "posterior", "likelihood"), [(VAE, DiagonalGaussian, Bernoulli), (AE, Delta, Gaussian)]
)
def test_parts_decide_the_distributions(model, posterior, likelihood):
    assert isinstance(call(model, initialised(model), IMAGES, method="encode"), posterior)
    assert isinstance(call(model, initialised(model), np.zeros((1, LATENTS)), method="decode"), likelihood)


def test_variational_autoencoder_samples_its_code():
    one, again, other = (terms_of(VAE, seed).reconstruction_B for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (np.asarray(one) != np.asarray(other)).all()


def test_plain_autoencoder_has_neither_randomness_nor_kl():
    one, other = (terms_of(AE, seed) for seed in (0, 1))
    jax.tree.map(np.testing.assert_array_equal, one, other)
    np.testing.assert_array_equal(one.kl_BxZ, np.zeros((6, LATENTS)))


def test_gaussian_reconstruction_is_the_squared_error_in_other_units():
    terms = terms_of(AE)
    constant = 24 * (np.log(SIGMA) + 0.5 * np.log(2 * np.pi))
    expected = np.asarray(terms.squared_error_B) / (2 * SIGMA**2) + constant
    np.testing.assert_allclose(terms.reconstruction_B, expected, rtol=1e-5)


def test_images_do_not_influence_each_other():
    half = call(AE, initialised(AE), IMAGES[:3], jax.random.key(0))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x[:3], y, rtol=1e-5), terms_of(AE), half)


def test_sigma_is_no_parameter_but_for_the_learned_one():
    names = [initialised(model)["params"].keys() for model in (VAE, AE, LEARNED)]
    assert names == [{"encoder", "decoder"}, {"encoder", "decoder"}, {"encoder", "decoder", "likelihood"}]


def test_equal_models_hash_alike():
    assert autoencoder(Delta, NoPrior(), "gaussian") == AE != VAE
    assert hash(autoencoder(Delta, NoPrior(), "gaussian")) == hash(AE)
