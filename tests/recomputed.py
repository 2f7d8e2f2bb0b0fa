"""A finished run's numbers once more, from its files alone: NumPy in float64, no JAX and no vae_jax.

Everything is written down anew here from what README and docstrings promise: the order of digits, the draw
of sampled pixels, the nets, the densities. Nets of `mlp` and `linear` are known, on `digits`.
"""

import json
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logsumexp
from sklearn.datasets import load_digits

ENDS = {"train": (0, 1197), "valid": (1197, 1497), "test": (1497, 1797)}
SEEDS = {"train": 0, "valid": 1, "test": 2}  # of the one draw of sampled pixels
REPEATS = 20  # of a bound, for its standard error
LOG_2PI = np.log(2 * np.pi)


class Sampled(NamedTuple):
    """A mean over samples of z, and the standard error of its difference from another such mean."""

    mean: float
    error: float


def images(config, split):
    """Returns images in [0, 1], ND, as the run of `config` saw them, and labels."""
    grey, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(grey))[slice(*ENDS[split])]
    grey, labels = grey[order] / 16, labels[order]
    if config["binarize"] == "sampled":
        levels = np.random.RandomState(SEEDS[split]).random_sample((len(grey), 8, 8, 1))
        grey = (grey > levels.reshape(grey.shape)).astype(float)
    return grey, labels


class Files:
    """What a finished run left behind: `config`, `result`, `lines` of metrics, `arrays` in float64."""

    def __init__(self, path):
        self.config = json.loads((path / "config.json").read_text())
        self.result = json.loads((path / "result.json").read_text())
        self.lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        with np.load(path / "checkpoints" / "best.npz") as stored:
            self.arrays = {name: stored[name].astype(float) for name in stored.files}


def net(files, part, x):
    """Returns the outputs of 'encoder' or 'decoder': relu between layers, none or a sigmoid at the end."""
    layers = sum(name.startswith(f"params/{part}/") for name in files.arrays) // 2
    for layer in range(layers):
        kernel, bias = (files.arrays[f"params/{part}/Dense_{layer}/{name}"] for name in ("kernel", "bias"))
        x = x @ kernel + bias
        x = np.maximum(x, 0) if layer < layers - 1 else x
    return {"identity": x, "sigmoid": expit(x)}[files.config[part]["output_activation"]]


def posterior(files, x):
    """Returns mean and log-variance of q(z|x), each NZ; an autoencoder's code has no variance."""
    outputs = net(files, "encoder", x)
    if files.config["posterior"] == "delta":
        return outputs, None
    return outputs[:, ::2], 14 * np.tanh(outputs[:, 1::2] / 14)


def decoded(files, z):
    """Returns the mean of p(x|z)."""
    outputs = net(files, "decoder", z)
    return expit(outputs) if files.config["likelihood"] == "bernoulli" else outputs


def log_px(files, x, z):
    """Returns log p(x|z), nats, summed over pixels; `z` may have more axes in front."""
    outputs = net(files, "decoder", z)
    if files.config["likelihood"] == "bernoulli":
        return (x * outputs - np.logaddexp(0, outputs)).sum(-1)
    log_sigma = np.log(files.config["sigma"])
    if files.config["likelihood"] == "gaussian_learned":
        log_sigma = log_sigma + 7 * np.tanh(files.arrays["params/likelihood/log_sigma_ratio"] / 7)
    return (-0.5 * ((x - outputs) / np.exp(log_sigma)) ** 2 - log_sigma - 0.5 * LOG_2PI).sum(-1)


def kl(mean, logvar):
    """Returns KL(q(z|x)‖N(0, I)), nats, mean over images."""
    return (0.5 * (np.exp(logvar) + mean**2 - 1 - logvar)).sum(-1).mean()


def exact(files):
    """Returns the test metrics in which nothing is random, by name."""
    x, labels = images(files.config, "test")
    references, known = images(files.config, "train")
    mean, logvar = posterior(files, x)
    nearest = neighbor_labels(posterior(files, references)[0], known, mean, 5)
    found = {"mse": ((x - decoded(files, mean)) ** 2).mean(), "knn_accuracy": (nearest == labels).mean()}
    if logvar is not None:
        found |= {"kl": kl(mean, logvar), "active_units": (mean.var(0) > 0.01).sum()}
    return found


def neighbor_labels(known_codes, known_labels, codes, count):
    """Returns the label that most of the `count` nearest have; the smallest of those as frequent."""
    squares = ((codes[:, None] - known_codes) ** 2).sum(-1)
    nearest = known_labels[np.argsort(squares, axis=1, kind="stable")[:, :count]]
    return np.array([np.bincount(row).argmax() for row in nearest])


def sampled(files, seed=0):
    """Returns the test metrics that are means over samples of z, by name, from samples of its own."""
    x, _ = images(files.config, "test")
    mean, logvar = posterior(files, x)
    samples, random = files.result["iwae_samples"], np.random.default_rng(seed)
    pairs = np.array([_bounds(files, x, mean, logvar, samples, random) for _ in range(REPEATS)])
    reconstruction, nll = (_over_repeats(values) for values in pairs.T)
    elbo = Sampled(-reconstruction.mean - kl(mean, logvar), reconstruction.error)
    return {"reconstruction": reconstruction, "elbo": elbo, "nll": nll}


def _bounds(files, x, mean, logvar, samples, random):
    """Returns -log p(x|z) and minus the importance-weighted bound of k = `samples`, means over images."""
    noise = random.normal(size=(samples, *mean.shape))
    z = mean + np.exp(logvar / 2) * noise
    log_p = log_px(files, x, z)
    ratio = -0.5 * (z**2).sum(-1) + 0.5 * (noise**2 + logvar).sum(-1)  # log p(z) - log q(z|x)
    bound = logsumexp(log_p + ratio, axis=0) - np.log(samples)
    return -log_p.mean(), -bound.mean()


def _over_repeats(values):
    """The run's own number is one more repeat: its error and that of the mean over `values` add up."""
    return Sampled(values.mean(), values.std(ddof=1) * np.sqrt(1 + 1 / len(values)))


def squared_error(files, split):
    """Returns |x - x'|² of an autoencoder, mean over images: its loss."""
    x, _ = images(files.config, split)
    return ((x - decoded(files, posterior(files, x)[0])) ** 2).sum(-1).mean()
