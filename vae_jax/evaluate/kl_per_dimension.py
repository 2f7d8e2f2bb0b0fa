"""KL per latent dimension: where the code's information stands, and which dimensions have collapsed."""

from typing import Any

import jax
import numpy as np

from vae_jax.evaluate.codes import posterior
from vae_jax.model import Autoencoder


def kl_per_dimension(model: Autoencoder, variables: dict[str, Any], images_NxHxWxC: jax.Array) -> np.ndarray:
    """Returns KL(q(z_u|x)‖p(z_u)) of each latent dimension u, mean over images, nats, shape Z."""
    return np.asarray(model.prior.kl(posterior(model, variables, images_NxHxWxC)).mean(0))
