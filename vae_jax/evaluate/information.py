"""How much a code tells about the image: the mutual information of x and z under q.

    mean KL(q(z|x)‖p(z)) = I(x; z) + KL(q(z)‖p(z)),  q(z) = the mean of q(z|x) over images

(Hoffman & Johnson 2016): the first part is information, the second the aggregate's distance
from the prior.
"""

import functools

import jax
import jax.numpy as jnp

from vae_jax.batching import in_batches
from vae_jax.posteriors import DiagonalGaussian


@functools.partial(jax.jit, static_argnames="num_samples")
def mutual_information(posterior: DiagonalGaussian, key: jax.Array, num_samples: int) -> jax.Array:
    """Returns I(x; z) = E_x E_q(z|x) [log q(z|x) - log q(z)], nats, x uniform over the N images given.

    An image's own posterior is a part of q(z), so that no sample gives more than log N; where the
    information comes near that, N images are too few to measure it.

    Args:
      posterior: q(z|x) of N images.
      num_samples: z drawn for each image.
    """
    images = len(posterior.mean_BxZ)

    def log_mixture(z_BxZ, key):
        del key
        log_sum = jax.vmap(lambda z_Z: jax.nn.logsumexp(posterior.log_prob(z_Z[None])))
        return log_sum(z_BxZ) - jnp.log(images)

    def from_one_sample(key):
        z_NxZ = posterior.sample(key)
        return (posterior.log_prob(z_NxZ) - in_batches(log_mixture, z_NxZ, key)).mean()

    return jax.lax.map(from_one_sample, jax.random.split(key, num_samples)).mean()
