import itertools

import pytest
from ml_collections import ConfigDict

from configs import ae, vae
from vae_jax.check import NAMES, check
from vae_jax.config import flatten, override
from vae_jax.errors import UsageError

POSITIVE = (
    *("latent_size", "batch_size", "num_epochs", "learning_rate"),
    *("evaluation.iwae_samples", "optimizer.eps"),
)
NOT_NEGATIVE = (
    *("seed", "bottleneck_width", "kl_warmup_epochs", "early_stopping_patience", "stop_epoch"),
    *("beta", "sigma", "evaluation.neighbors"),
    *("optimizer.b1", "optimizer.b2", "optimizer.weight_decay", "optimizer.max_grad_norm"),
)
NUMBERS = ("learning_rate", "beta", "sigma", "optimizer.b1", "optimizer.eps", "optimizer.weight_decay")
CONV = {"encoder.net": "conv", "encoder.hidden_sizes": (4,)}
GREY = {"binarize": "none", "likelihood": "gaussian", "sigma": 1.0}
PLAIN = {"posterior": "delta", "prior": "none", "objective": "mse", "beta": 0.0}


def refusal(config, changes):
    """Returns the message with which `config`, so changed, is refused."""
    return refusal_as_it_is(override(config, changes))


def refusal_as_it_is(config):
    with pytest.raises(UsageError) as caught:
        check(config)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("config", [vae, ae])
@pytest.mark.parametrize("variant", ["", "conv", "smoke", "mnist", "fashion_mnist", "trees"])
def test_shipped_configs_pass(config, variant):
    check(config.get_config(variant))


@pytest.mark.parametrize(
    "config", [vae.get_config("grey"), vae.get_config("smooth,conv"), ae.get_config("linear")]
)
def test_variants_of_shipped_configs_pass(config):
    check(config)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_name_is_refused_and_those_that_exist_are_listed(name):
    message = refusal(vae.get_config(), {name: "no such"})
    assert f"unknown {name} 'no such'" in message
    assert all(known in message for known in NAMES[name])


def test_misspelt_name_is_told_the_nearest():
    assert "did you mean 'digits'?" in refusal(vae.get_config(), {"dataset": "digit"})


MISSING = object()


def from_a_file(name, value=MISSING):
    """A config file of the user's own, in which field `name` is missing or has this value."""
    nested = {}
    for field, entry in (flatten(vae.get_config()) | {name: value}).items():
        group, _, last = field.rpartition(".")
        parent = nested.setdefault(group, {}) if group else nested
        if entry is not MISSING:
            parent[last] = entry
    return ConfigDict(nested)


@pytest.mark.parametrize("name", flatten(vae.get_config()))
def test_missing_field_is_named(name):
    assert f"'{name}'" in refusal_as_it_is(from_a_file(name))


def test_field_that_no_config_has_is_refused_and_the_nearest_named():
    config = vae.get_config()
    with config.unlocked():
        config.latent_sise = 3
    message = refusal_as_it_is(config)
    assert "'latent_sise'" in message
    assert "'latent_size'" in message


@pytest.mark.parametrize("name", flatten(vae.get_config()))
def test_field_of_the_wrong_type_is_refused(name):
    assert f"'{name}'" in refusal_as_it_is(from_a_file(name, None))


@pytest.mark.parametrize("sizes", [("a",), (512.5,), (True,), (None,)])
def test_layer_sizes_that_are_no_whole_numbers_are_refused(sizes):
    config = from_a_file("encoder.hidden_sizes", sizes)
    config.bottleneck_width = 1
    assert "encoder.hidden_sizes" in refusal_as_it_is(config)


# 1e40 is infinite in float32, in which everything is computed.
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e40])
@pytest.mark.parametrize("name", NUMBERS)
def test_number_that_is_not_finite_is_refused(name, value):
    assert name in refusal_as_it_is(from_a_file(name, value))


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("name", POSITIVE)
def test_zero_and_negative_sizes_are_refused(name, value):
    assert f"{name} must be greater than 0, not {value}" in refusal(vae.get_config(), {name: value})


@pytest.mark.parametrize("name", NOT_NEGATIVE)
def test_negative_numbers_are_refused(name):
    assert f"{name} must not be negative, not -1" in refusal(vae.get_config(), {name: -1})


VAE_RULES = [
    ({"seed": 2**31}, "seed must be below 2**31, not 2147483648"),
    ({"latent_size": 65}, "latent_size must be at most 64"),
    ({"latent_size": 785, "dataset": "mnist"}, "latent_size must be at most 784"),
    ({"batch_size": 1198}, "batch_size must be at most 1197"),
    ({"batch_size": 50_001, "dataset": "mnist"}, "batch_size must be at most 50000"),
    ({"evaluation.iwae_samples": 2**31}, "evaluation.iwae_samples must be"),
    ({"evaluation.neighbors": 1198}, "evaluation.neighbors must be at most 1197"),
    ({"evaluation.neighbors": 10_001, "dataset": "mnist"}, "evaluation.neighbors must be at most 10000"),
    ({"kl_warmup_epochs": 6, "num_epochs": 5}, "kl_warmup_epochs must be at most num_epochs = 5"),
    ({"stop_epoch": 5, "num_epochs": 5}, "stop_epoch must be below num_epochs = 5, or 0 to train them all"),
    ({"optimizer.b1": 1.0}, "optimizer.b1 must be"),
    ({"optimizer.b2": 1.0}, "optimizer.b2 must be"),
    ({"bottleneck_width": 0}, "bottleneck_width must be greater than 0"),
    ({"encoder.net": "linear", "decoder.net": "linear"}, "bottleneck_width must be 0 with net=linear"),
    ({"encoder.hidden_sizes": (256, 0)}, "encoder.hidden_sizes must all be greater than 0, not (256, 0)"),
    ({"decoder.hidden_sizes": (-1,)}, "decoder.hidden_sizes must all be greater than 0, not (-1,)"),
    ({"encoder.net": "linear", "encoder.hidden_sizes": (9,)}, "encoder.hidden_sizes must be ()"),
    ({"decoder.net": "linear", "decoder.hidden_sizes": (9,)}, "decoder.hidden_sizes must be ()"),
    ({"encoder.net": "conv"}, "encoder.hidden_sizes must name at least one"),
    ({"decoder.net": "conv"}, "decoder.hidden_sizes must name at least one"),
    (
        {"encoder.hidden_sizes": (512, 100), "bottleneck_width": 101},
        "bottleneck_width must be the narrowest hidden layer: at most 100, the smallest of encoder",
    ),
    (
        {"decoder.hidden_sizes": (100,), "bottleneck_width": 101},
        "bottleneck_width must be the narrowest hidden layer: at most 100, the smallest of decoder",
    ),
    ({"prior": "none"}, "posterior=gaussian needs prior=standard_normal"),
    ({"objective": "mse"}, "posterior=gaussian needs objective=elbo"),
    ({"encoder.output_activation": "tanh"}, "encoder.output_activation must be identity"),
    ({"decoder.output_activation": "sigmoid"}, "decoder.output_activation must be identity"),
    ({"binarize": "none"}, "set binarize=sampled (the same expected loss) or threshold"),
    ({"sigma": 0.1}, "sigma must be 0 with likelihood=bernoulli, not 0.1"),
    ({**GREY, "sigma": 0.0}, "sigma must be greater than 0 with likelihood=gaussian"),
    ({**GREY, "binarize": "sampled"}, "set likelihood=bernoulli or binarize=none"),
    ({**GREY, "binarize": "threshold", "likelihood": "gaussian_learned"}, "set likelihood=bernoulli"),
]
AE_RULES = [
    ({"prior": "standard_normal"}, "posterior=delta needs prior=none"),
    ({"objective": "elbo"}, "posterior=delta needs objective=mse or reconstruction"),
    ({"beta": 1.0}, "beta must be 0 with posterior=delta"),
    ({"kl_warmup_epochs": 1}, "kl_warmup_epochs must be 0 with posterior=delta"),
    ({"likelihood": "gaussian_learned"}, "set likelihood=gaussian or"),
    ({"likelihood": "bernoulli", "binarize": "none", "sigma": 0.0}, "set binarize=sampled"),
]


@pytest.mark.parametrize(("changes", "message"), VAE_RULES)
def test_vae_that_breaks_a_rule_is_refused(changes, message):
    assert message in refusal(vae.get_config(), changes)


@pytest.mark.parametrize(("changes", "message"), AE_RULES)
def test_autoencoder_that_breaks_a_rule_is_refused(changes, message):
    assert message in refusal(ae.get_config(), changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 2**31 - 1},
        {"latent_size": 64},
        {"batch_size": 1197},
        {"encoder.hidden_sizes": (512, 256), "bottleneck_width": 256},
        {**CONV, "bottleneck_width": 256},  # channels are no hidden layer: they may be fewer
        {"encoder.net": "linear"},
        {"encoder.net": "linear", "decoder.net": "linear", "bottleneck_width": 0},
        {"kl_warmup_epochs": 5, "num_epochs": 5},
        {"stop_epoch": 4, "num_epochs": 5},
        {"evaluation.neighbors": 1197},
        {"binarize": "threshold"},
        {"beta": 0.0},
        GREY,
        {**PLAIN, "objective": "reconstruction"},
        {**PLAIN, **GREY, "binarize": "sampled"},  # the mean squared error has a meaning on any pixels
    ],
)
def test_the_limits_themselves_are_allowed(changes):
    check(override(vae.get_config(), changes))


PARTS = {
    "posterior": ("gaussian", "delta"),
    "prior": ("standard_normal", "none"),
    "likelihood": ("bernoulli", "gaussian", "gaussian_learned"),
    "objective": ("elbo", "mse", "reconstruction"),
    "binarize": ("none", "sampled", "threshold"),
}
PASS = {
    *(("gaussian", "standard_normal", "bernoulli", "elbo", binary) for binary in ("sampled", "threshold")),
    *(("gaussian", "standard_normal", grey, "elbo", "none") for grey in ("gaussian", "gaussian_learned")),
    *(("delta", "none", "bernoulli", "mse", binary) for binary in ("sampled", "threshold")),
    *(("delta", "none", "bernoulli", "reconstruction", binary) for binary in ("sampled", "threshold")),
    *(("delta", "none", "gaussian", "mse", pixels) for pixels in ("none", "sampled", "threshold")),
    *(("delta", "none", grey, "reconstruction", "none") for grey in ("gaussian", "gaussian_learned")),
}


@pytest.mark.parametrize("names", list(itertools.product(*PARTS.values())), ids="-".join)
def test_every_combination_of_parts_passes_or_is_refused(names):
    changes = dict(zip(PARTS, names, strict=True))
    changes["beta"] = 0.0 if changes["posterior"] == "delta" else 1.0
    changes["sigma"] = 0.0 if changes["likelihood"] == "bernoulli" else 1.0
    if names in PASS:
        check(override(vae.get_config(), changes))
    else:
        refusal(vae.get_config(), changes)
