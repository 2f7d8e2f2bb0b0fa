"""Does the way between two codes lead past images? Interpolation in the latent space.

The post: "the VAE can sample from points in the latent space and generate new outputs that have the
same key characteristics as the input data". So: the straight line between the codes of two test
images of different classes, decoded, beside the blend of the two images' reconstructions, pixel by
pixel, which shows both at once and looks like neither. Half way, how far is each from the nearest
training image? The code has 8 dimensions; the runs are those of latent_size.

Claims, for each model, over pairs of test images:
- half way the decoded image looks more like data than the blend (median distance / distance);
and of the VAE alone:
- the way is smooth: no step of eight changes the image by more than half of what the whole way does
  (root mean square, the median over pairs of the largest).

    python -m experiments.interpolation --workdir=results
    python -m experiments.interpolation --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families, of_family
from vae_jax import data, launch
from vae_jax.evaluate import codes
from vae_jax.evaluate.decoded import decoded
from vae_jax.evaluate.nearest import flat, nearest
from vae_jax.figures.interpolation import interpolation
from vae_jax.results import Row
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

LATENT_SIZE = 8
STEPS = 9  # images on the way, both ends among them
SHOWN = 6  # pairs
REFERENCES = 10_000  # training images among which the nearest are looked for


def configs(dataset: str) -> list[ConfigDict]:
    """Both families x seeds."""
    sweeps = [[{"latent_size": LATENT_SIZE}], list(sweep_seed())]
    return [config for family in families(dataset).values() for config in expand(family, sweeps)]


def report(dataset: str, rows: Sequence[Row]) -> Report:
    pairs = _pairs(data.load(dataset).test)
    runs = {name: of_family(rows, family) for name, family in families(dataset).items()}
    ways = {name: [_ways(row, pairs) for row in of_model] for name, of_model in runs.items()}
    train = launch.load(rows[0].run).images("train")[:REFERENCES]
    shown = {name: seeds[0][:SHOWN] for name, seeds in ways.items()}
    ratios = {name: [_unlike(way, train) for way in seeds] for name, seeds in ways.items()}
    notes = {name: str(estimate(seeds)) for name, seeds in ratios.items()}
    figure = interpolation(shown, _blends(shown["autoencoder"]), notes, dataset)
    return Report({"interpolation": figure}, _claims(ratios, ways["VAE"]))


def _pairs(split: data.Split, count: int = 200) -> np.ndarray:
    """Returns pairs of different classes among the first test images, Px2; the same for every run.

    Any two images are a pair where less than two classes are known.
    """
    numbers = np.random.RandomState(0).permutation(min(len(split.images), 4 * count))
    couples = numbers[: len(numbers) // 2 * 2].reshape(-1, 2)
    if split.labels is None or len(np.unique(split.labels)) < 2:
        return couples[:count]
    return couples[split.labels[couples[:, 0]] != split.labels[couples[:, 1]]][:count]


def _ways(row: Row, pairs_Px2: np.ndarray) -> np.ndarray:
    """Returns the decoded images between each pair's codes, PxSxHxWxC."""
    trained = launch.load(row.run)
    z = codes(trained.model, trained.variables, trained.images("test"))[pairs_Px2]
    between = np.linspace(0, 1, STEPS)[:, None]
    z_PxSxZ = z[:, :1] * (1 - between) + z[:, 1:] * between
    images = np.asarray(decoded(trained.model, trained.variables, z_PxSxZ.reshape(-1, LATENT_SIZE)))
    return images.reshape(len(pairs_Px2), STEPS, *images.shape[1:])


def _blends(ways_PxSxHxWxC: np.ndarray) -> np.ndarray:
    """Returns the blends of both ends of each way, PxSxHxWxC."""
    between = np.linspace(0, 1, STEPS).reshape(-1, 1, 1, 1)
    return ways_PxSxHxWxC[:, :1] * (1 - between) + ways_PxSxHxWxC[:, -1:] * between


def _unlike(ways_PxSxHxWxC: np.ndarray, train: np.ndarray) -> float:
    """Returns how far half way is from the nearest training image, over the same of the blend; medians."""
    middle = STEPS // 2
    between, blended = (nearest(w[:, middle], train)[0] for w in (ways_PxSxHxWxC, _blends(ways_PxSxHxWxC)))
    return float(np.median(between) / np.median(blended))


def _largest_step(ways_PxSxHxWxC: np.ndarray) -> float:
    """Returns the largest change from one image to the next, over that from end to end; the median."""
    ways = np.stack([flat(way) for way in ways_PxSxHxWxC])
    steps = np.linalg.norm(np.diff(ways, axis=1), axis=-1).max(1)
    return float(np.median(steps / np.linalg.norm(ways[:, -1] - ways[:, 0], axis=-1)))


def _claims(ratios: dict[str, list[float]], ways: Sequence[np.ndarray]) -> list[Claim]:
    return [
        *(
            Claim(
                f"{name}: half way the image looks more like data than a blend (distance / distance)",
                estimate(seeds),
                at_most=1.0,
            )
            for name, seeds in ratios.items()
        ),
        Claim(
            f"VAE: the way is smooth (largest of {STEPS - 1} steps / the whole change)",
            estimate([_largest_step(seed) for seed in ways]),
            at_most=0.5,
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
