"""Config -> objects. The only module that knows both the fields of a config and the parts."""

from typing import Any

import jax.numpy as jnp
from ml_collections import ConfigDict

from vae_jax import data, likelihoods, nets, objectives, optimizers, posteriors, priors
from vae_jax.budgets import budget
from vae_jax.check import check
from vae_jax.cost import check_memory
from vae_jax.fit import Limits
from vae_jax.model import Autoencoder
from vae_jax.train import Hyper, Task


def task(config: ConfigDict) -> Task:
    """Returns the static part of the run that `config` describes.

    Raises:
      UsageError: an unknown name, a value out of range, parts that do not fit together.
    """
    check(config)
    source = data.source(config.dataset)
    found = Task(
        model=model(config, source.image_shape),
        loss=objectives.OBJECTIVES[config.objective].loss,
        optimizer=optimizers.Optimizer(**config.optimizer.to_dict()),
        schedule=optimizers.SCHEDULES[config.schedule],
        preprocess=data.Preprocess(config.binarize, source.max_value),
        batch_size=config.batch_size,
    )
    check_memory(found, source.image_shape)
    return found


def model(config: ConfigDict, image_shape: tuple[int, int, int]) -> Autoencoder:
    """Returns the model for images of shape (H, W, C); `config` must have passed `check`."""
    posterior = posteriors.POSTERIORS[config.posterior]
    outputs = posterior.outputs_per_latent * config.latent_size
    encoder, decoder = nets.ENCODERS[config.encoder.net], nets.DECODERS[config.decoder.net]
    return Autoencoder(
        encoder=encoder(output_size=outputs, **_trunk(config, config.encoder)),
        posterior=posterior,
        prior=priors.PRIORS[config.prior](),
        decoder=decoder(image_shape=image_shape, **_trunk(config, config.decoder)),
        likelihood=likelihoods.LIKELIHOODS[config.likelihood](),
    )


def hyper(config: ConfigDict) -> Hyper:
    """Returns the traced part of the run that `config` describes."""
    steps_per_epoch = data.source(config.dataset).sizes[0] // config.batch_size
    numbers = {
        "learning_rate": config.learning_rate,
        "beta": config.beta,
        "kl_warmup_steps": config.kl_warmup_epochs * steps_per_epoch,
        "num_steps": config.num_epochs * steps_per_epoch,
        "sigma": config.sigma,
    }
    return Hyper(**{name: jnp.asarray(value, jnp.float32) for name, value in numbers.items()})


def limits(config: ConfigDict) -> Limits:
    """Returns when the run that `config` describes stops."""
    numbers = budget(config), config.early_stopping_patience, config.kl_warmup_epochs
    return Limits(*(jnp.asarray(number, jnp.int32) for number in numbers))


def _trunk(config: ConfigDict, part: ConfigDict) -> dict[str, Any]:
    return {
        "bottleneck_width": config.bottleneck_width,
        "hidden_sizes": part.hidden_sizes,
        "activation": nets.ACTIVATIONS[part.activation],
        "output_activation": nets.ACTIVATIONS[part.output_activation],
    }
