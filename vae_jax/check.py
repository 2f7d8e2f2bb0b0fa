"""What a config must satisfy before anything is built, trained or written.

Each rule raises UsageError with one line that names the field and a way out.
"""

import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from vae_jax import data, likelihoods, nets, objectives, optimizers, posteriors, priors
from vae_jax.config import flatten, is_finite
from vae_jax.errors import UsageError, lookup
from vae_jax.evaluate.knn import REFERENCES

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
    *("stop_epoch", "early_stopping_patience", "evaluation.iwae_samples", "evaluation.neighbors"),
)
NUMBERS = (
    *("learning_rate", "beta", "sigma", "optimizer.b1", "optimizer.b2", "optimizer.eps"),
    *("optimizer.weight_decay", "optimizer.max_grad_norm"),
)
SIZES = ("encoder.hidden_sizes", "decoder.hidden_sizes")
POSITIVE = (
    *("latent_size", "batch_size", "num_epochs", "learning_rate", "evaluation.iwae_samples"),
    "optimizer.eps",  # 0 / 0 where nothing has a gradient, as in what fills up a run's sizes
)


def check(config: ConfigDict) -> None:
    """Raises UsageError unless every field is there and valid, and the parts fit together."""
    fields = flatten(config)
    check_fields(fields)
    for name, table in NAMES.items():
        lookup(name, fields[name], table)
    for name in POSITIVE:
        _require(fields[name] > 0, f"{name} must be greater than 0, not {fields[name]}")
    for name in (*WHOLE, *NUMBERS):
        _require(fields[name] >= 0, f"{name} must not be negative, not {fields[name]}")
    for name in ("optimizer.b1", "optimizer.b2"):
        _require(fields[name] < 1, f"{name} must be below 1, not {fields[name]}")
    _check_sizes(config)
    _check_epochs(config)
    _check_code(config)
    _check_likelihood(config)


def check_fields(fields: Mapping[str, Any]) -> None:
    """A config file of the user's own can lack a field, misspell one, or give it another type."""
    kinds = dict.fromkeys(NAMES, (str,)) | dict.fromkeys(WHOLE, (int,))
    kinds |= dict.fromkeys(NUMBERS, (float,)) | dict.fromkeys(SIZES, (tuple,))
    for name, value in fields.items():
        lookup("config key", name, kinds)
        for number in value if isinstance(value, tuple | list) else (value,):
            bits = number.bit_length() if isinstance(number, int) else 0
            _require(
                bits < 1000, f"{name} must be below 2**31, not a number of {bits} bits"
            )  # too long to write
    for name, types in kinds.items():
        _require(name in fields, f"the config has no field '{name}'")
        _require(
            type(fields[name]) in types,
            f"config key '{name}' must be of type {types[0].__name__}, not {fields[name]!r}",
        )
    for name in NUMBERS:
        _require(is_finite(fields[name]), f"config key '{name}' must be a finite number, not {fields[name]}")
    for name in SIZES:
        whole = all(type(size) is int for size in fields[name])
        _require(whole, f"config key '{name}' needs a tuple of int, not {fields[name]!r}")
    for name in (*WHOLE, *SIZES):
        numbers = fields[name] if name in SIZES else (fields[name],)
        for number in numbers:  # all are counted in int32
            _require(abs(number) < 2**31, f"{name} must be below 2**31, not {number}")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)


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
    _check_steps(config, source.sizes[0])
    _check_evaluation(config, source.sizes[0])
    _check_bottleneck(config)
    for side in ("encoder", "decoder"):
        _check_hidden_sizes(side, config[side], config.bottleneck_width)


def _check_steps(config: ConfigDict, train_images: int) -> None:
    steps = train_images // config.batch_size
    most = (2**31 - 1) // steps
    _require(
        config.num_epochs <= most,
        f"num_epochs must be at most {most} with batch_size={config.batch_size}: an epoch of "
        f"{config.dataset} has {steps} steps, and steps are counted up to 2**31; not {config.num_epochs}",
    )


def _check_evaluation(config: ConfigDict, train_images: int) -> None:
    codes = min(REFERENCES, train_images)
    _require(
        config.evaluation.neighbors <= codes,
        f"evaluation.neighbors must be at most {codes}, the training codes looked at, "
        f"not {config.evaluation.neighbors}",
    )


def _check_epochs(config: ConfigDict) -> None:
    _require(
        config.stop_epoch < config.num_epochs,
        f"stop_epoch must be below num_epochs = {config.num_epochs}, or 0 to train them all, "
        f"not {config.stop_epoch}",
    )
    _require(
        config.kl_warmup_epochs <= config.num_epochs,
        f"kl_warmup_epochs must be at most num_epochs = {config.num_epochs}, or beta is never reached, "
        f"not {config.kl_warmup_epochs}",
    )


def _check_bottleneck(config: ConfigDict) -> None:
    """A field that has no effect must not make runs that differ in it alone."""
    width = config.bottleneck_width
    if {config.encoder.net, config.decoder.net} == {"linear"}:
        _require(width == 0, f"bottleneck_width must be 0 with net=linear on both sides, not {width}")
    else:
        _require(width > 0, f"bottleneck_width must be greater than 0, not {width}")


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


def _check_code(config: ConfigDict) -> None:
    """A plain autoencoder has neither prior nor KL; a variational one has both."""
    variational = posteriors.POSTERIORS[config.posterior].is_random
    fitting = {
        "prior": [name for name, prior in priors.PRIORS.items() if prior.is_random == variational],
        "objective": [
            n for n, objective in objectives.OBJECTIVES.items() if objective.uses_kl == variational
        ],
    }
    for name, choices in fitting.items():
        _require(
            config[name] in choices,
            f"posterior={config.posterior} needs {name}={' or '.join(choices)}, not {config[name]}",
        )
    for name in ("beta", "kl_warmup_epochs"):
        _require(
            variational or not config[name],
            f"{name} must be 0 with posterior={config.posterior}, which has no KL term, not {config[name]}",
        )
    _require(
        not variational or config.encoder.output_activation == "identity",
        f"encoder.output_activation must be identity with posterior={config.posterior}: the outputs are "
        "parameters of a distribution",
    )


def _check_likelihood(config: ConfigDict) -> None:
    head, name = likelihoods.LIKELIHOODS[config.likelihood], config.likelihood
    uses_likelihood = objectives.OBJECTIVES[config.objective].uses_likelihood
    binary = config.binarize != "none"
    _require(
        head.pixels == "real" or binary,
        f"likelihood={name} needs binary pixels, on grey ones it is no likelihood: set "
        "binarize=sampled (the same expected loss) or threshold",
    )
    _require(
        head.pixels == "real" or config.decoder.output_activation == "identity",
        f"decoder.output_activation must be identity with likelihood={name}: the outputs are logits",
    )
    _require(
        head.pixels == "binary" or not (binary and uses_likelihood),
        f"likelihood={name} is a density, meaningless on binary pixels: set likelihood=bernoulli or "
        "binarize=none",
    )
    bound = "greater than 0" if head.has_sigma else "0"
    _require(
        (config.sigma > 0) == head.has_sigma,
        f"sigma must be {bound} with likelihood={name}, not {config.sigma}",
    )
    _require(
        uses_likelihood or not head.learns_sigma,
        f"objective={config.objective} does not train σ: set likelihood=gaussian or another objective",
    )
