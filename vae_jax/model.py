"""The model: encoder, posterior, prior, decoder and likelihood plugged together.

It returns per-example terms and never a loss; `objectives` makes losses of them. With a
`Delta` posterior and no prior it is the plain autoencoder, else a variational one.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
from flax import linen as nn

from vae_jax.likelihoods import Bernoulli, Gaussian, sum_over_pixels
from vae_jax.posteriors import Delta, DiagonalGaussian
from vae_jax.priors import NoPrior, StandardNormal


class Terms(NamedTuple):
    """What every objective is made of, for B images and Z latent dimensions.

    Attributes:
      reconstruction_B: -log p(x|z), nats, summed over pixels.
      kl_BxZ: KL(q(z|x)‖p(z)) of each latent dimension, nats.
      squared_error_B: |x - x'|², summed over pixels; x' is the mean of p(x|z).
    """

    reconstruction_B: jax.Array
    kl_BxZ: jax.Array
    squared_error_B: jax.Array


class Autoencoder(nn.Module):
    """x -> q(z|x) -> z -> p(x|z).

    Attributes:
      encoder: images BxHxWxC -> outputs Bx(outputs_per_latent · Z).
      posterior: makes q(z|x) of the encoder's outputs.
      prior: p(z).
      decoder: codes BxZ -> outputs BxHxWxC.
      likelihood: makes p(x|z) of the decoder's outputs.
    """

    encoder: nn.Module
    posterior: type[DiagonalGaussian] | type[Delta]
    prior: StandardNormal | NoPrior
    decoder: nn.Module
    likelihood: nn.Module

    def encode(self, images_BxHxWxC: jax.Array) -> DiagonalGaussian | Delta:
        """Returns q(z|x)."""
        return self.posterior.from_outputs(self.encoder(images_BxHxWxC))

    def decode(self, z_BxZ: jax.Array) -> Bernoulli | Gaussian:
        """Returns p(x|z)."""
        return self.likelihood(self.decoder(z_BxZ))

    def __call__(self, images_BxHxWxC: jax.Array, key: jax.Array) -> Terms:
        """Returns the terms at one sample z ~ q(z|x) for each image."""
        q = self.encode(images_BxHxWxC)
        p = self.decode(q.sample(key))
        return Terms(
            reconstruction_B=-p.log_prob(images_BxHxWxC),
            kl_BxZ=self.prior.kl(q),
            squared_error_B=sum_over_pixels((images_BxHxWxC - p.mean) ** 2),
        )


def variables(params: Mapping[str, Any], sigma: jax.Array | float) -> dict[str, Any]:
    """Returns what `Autoencoder.apply` takes: parameters, and σ where a likelihood has one."""
    return {"params": params, "hyper": {"likelihood": {"sigma": sigma}}}
