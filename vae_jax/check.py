"""What a config must satisfy before anything is built, trained or written.

Each rule raises UsageError with one line that names the field and a way out.
"""

import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from vae_jax import data, likelihoods, nets, objectives, optimizers, posteriors, priors
from vae_jax.config import flatten
from vae_jax.errors import UsageError, lookup

NAMES = {
    "dataset": data.SOURCES,
    "binarize": dict.fromkeys(data.BINARIZATIONS),
    "encoder.net": nets.ENCODERS,
    "encoder.activation": nets.ACTIVATIONS,
    "encoder.output_activation": nets.ACTIVATIONS,
    "decoder.net": nets.DECODERS,
    "decoder.activation": nets.ACTIVATIONS,
    "decoder.output_activation": nets.ACTIVATIONS,
    "posterior": posteriors.POSTERIORS,
    "prior": priors.PRIORS,
    "likelihood": likelihoods.LIKELIHOODS,
    "objective": objectives.OBJECTIVES,
    "optimizer.name": optimizers.DIRECTIONS,
    "schedule": optimizers.SCHEDULES,
}
WHOLE = (
    *("seed", "latent_size", "bottleneck_width", "batch_size", "num_epochs", "kl_warmup_epochs"),
    *("early_stopping_patience", "evaluation.iwae_samples", "evaluation.neighbors"),
)
NUMBERS = (*("learning_rate", "beta", "sigma", "optimizer.weight_decay", "optimizer.max_grad_norm"),)
SIZES = ("encoder.hidden_sizes", "decoder.hidden_sizes")
POSITIVE = (
    *("latent_size", "bottleneck_width", "batch_size", "num_epochs", "learning_rate"),
    *("evaluation.iwae_samples", "evaluation.neighbors"),
)


def check(config: ConfigDict) -> None:
    """Raises UsageError unless every field is there and valid, and the parts fit together."""
    fields = flatten(config)
    _check_fields(fields)
    for name, table in NAMES.items():
        lookup(name, fields[name], table)
    for name in POSITIVE:
        _require(fields[name] > 0, f"{name} must be greater than 0, not {fields[name]}")
    for name in (*WHOLE, *NUMBERS):
        _require(fields[name] >= 0, f"{name} must not be negative, not {fields[name]}")
    _check_seed(config)
    _check_sizes(config)
    _check_autoencoder(config)
    _check_likelihood(config)


def _check_fields(fields: Mapping[str, Any]) -> None:
    """A config file of the user's own can lack a field, misspell one, or give it another type."""
    kinds = dict.fromkeys(NAMES, (str,)) | dict.fromkeys(WHOLE, (int,))
    kinds |= dict.fromkeys(NUMBERS, (float, int)) | dict.fromkeys(SIZES, (tuple,))
    for name in fields:
        lookup("config key", name, kinds)
    for name, types in kinds.items():
        _require(name in fields, f"the config has no field '{name}'")
        _require(
            type(fields[name]) in types,
            f"config key '{name}' must be of type {types[0].__name__}, not {fields[name]!r}",
        )


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)


def _check_seed(config: ConfigDict) -> None:
    _require(config.seed < 2**32, f"seed must be below 2**32, not {config.seed}")


def _check_sizes(config: ConfigDict) -> None:
    source = data.source(config.dataset)
    pixels = math.prod(source.image_shape)
    _require(
        config.latent_size <= pixels,
        f"latent_size must be at most {pixels}, the number of pixel values of an image of "
        f"{config.dataset}, not {config.latent_size}",
    )
    _require(
        config.batch_size <= source.sizes[0],
        f"batch_size must be at most {source.sizes[0]}, the training images of "
        f"{config.dataset}, not {config.batch_size}",
    )
    for side in ("encoder", "decoder"):
        _check_hidden_sizes(side, config[side], config.bottleneck_width)


def _check_hidden_sizes(side: str, part: ConfigDict, width: int) -> None:
    sizes, name = part.hidden_sizes, f"{side}.hidden_sizes"
    _require(all(size > 0 for size in sizes), f"{name} must all be greater than 0, not {sizes}")
    if part.net == "linear":
        _require(not sizes, f"{name} must be () with {side}.net=linear, not {sizes}")
    if part.net == "conv":
        _require(bool(sizes), f"{name} must name at least one convolution's channels")
    if part.net == "mlp":
        narrowest = min(sizes, default=width)
        _require(
            width <= narrowest,
            f"bottleneck_width must be the narrowest hidden layer: at most {narrowest}, the "
            f"smallest of {name}, not {width}",
        )


def _check_autoencoder(config: ConfigDict) -> None:
    """A plain autoencoder has neither prior nor KL; a variational one has both."""
    plain = config.posterior == "delta"
    prior = "none" if plain else "standard_normal"
    _require(
        config.prior == prior,
        f"posterior={config.posterior} needs prior={prior}, not {config.prior}",
    )
    fitting = ("mse", "reconstruction") if plain else ("elbo",)
    _require(
        config.objective in fitting,
        f"posterior={config.posterior} needs objective={' or '.join(fitting)}, not {config.objective}",
    )
    for name in ("beta", "kl_warmup_epochs"):
        _require(
            not (plain and config[name]),
            f"{name} must be 0 with posterior=delta, which has no KL term, not {config[name]}",
        )
    _require(
        plain or config.encoder.output_activation == "identity",
        "encoder.output_activation must be identity with posterior=gaussian: the outputs are "
        "a mean and a log-variance",
    )


def _check_likelihood(config: ConfigDict) -> None:
    bernoulli, binary = config.likelihood == "bernoulli", config.binarize != "none"
    if bernoulli:
        _require(
            binary,
            "likelihood=bernoulli needs binary pixels, on grey ones it is no likelihood: set "
            "binarize=sampled (the same expected loss) or threshold",
        )
        _require(
            config.decoder.output_activation == "identity",
            "decoder.output_activation must be identity with likelihood=bernoulli: the outputs are logits",
        )
        _require(config.sigma == 0, f"sigma must be 0 with likelihood=bernoulli, not {config.sigma}")
        return
    _require(
        config.sigma > 0,
        f"sigma must be greater than 0 with likelihood={config.likelihood}, not {config.sigma}",
    )
    _require(
        not binary or config.objective == "mse",
        f"likelihood={config.likelihood} is a density, meaningless on binary pixels: set "
        "likelihood=bernoulli or binarize=none",
    )
    _require(
        (config.likelihood, config.objective) != ("gaussian_learned", "mse"),
        "objective=mse does not train σ: set likelihood=gaussian or objective=reconstruction",
    )
