"""Are there gaps in a latent space, and does a Gaussian close them? The autoencoder and the VAE.

The post: "there will be gaps in the latent space where the autoencoder has never seen a training
example", it "may have mixed up points for 0's and 9's because they look so similar", and with a
Gaussian "we can randomly sample a point from anywhere inside that distribution and decode it. This
approach will not have any gaps". So: the runs of latent_map, whose codes have two dimensions. Where
the decoder was trained is where the codes of training images are: of the VAE those are draws from
q(z|x). From where one would sample it, points are drawn: from the VAE's prior; the autoencoder has
none, and is given the Gaussian with its codes' own mean and covariance. A point lies in a hole if it
is farther from every training code than 95% of the test codes are: 5% is as good as none. What the
decoder makes of the points should look like data: their distance to the nearest training image is
set against that of the same model's reconstructions of test images.

Claims:
- the autoencoder has gaps: 10% or more of the points lie in holes;
- the VAE has none to speak of: 10% or less;
- at least it has fewer (the difference of the shares, seed by seed);
- what it decodes at the points looks more like data than the autoencoder's (ratio / ratio);
- the autoencoder mixes classes: 5% or more of its codes' ten nearest neighbours are of another;
- and does so where they look alike: the rank correlation over pairs of classes between the share
  of mixed neighbours and the distance of mean images is below that of 95% of shuffled classes.

    python -m experiments.gaps --workdir=results
    python -m experiments.gaps --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import latent_map, study
from experiments.claims import Claim, Report
from experiments.study import families, of_family
from vae_jax import data, launch
from vae_jax.evaluate import codes, neighbors, reconstruct
from vae_jax.evaluate.codes import posterior
from vae_jax.evaluate.decoded import decoded
from vae_jax.evaluate.holes import empty_share, gaussian_of
from vae_jax.evaluate.nearest import nearest
from vae_jax.figures.gaps import Space, gaps
from vae_jax.results import Row
from vae_jax.statistics import estimate

configs = latent_map.configs
POINTS = 500  # drawn from where the model would be sampled
REFERENCES = 10_000  # training images among which the nearest are looked for
SIDE, SAMPLES_SIDE, FINE = 12, 8, 32  # images or cells along a side of grid, samples and map
REACH = 2.5  # standard deviations of the codes that grid and map show to each side
NAMED = {"digits": ("0", "9"), "mnist": ("0", "9")}  # the post's own example


class Measures(NamedTuple):
    """What one run's latent space is like.

    Attributes:
      empty: share of points in holes.
      unlike: distance of decoded points to the nearest training image, over that of reconstructions.
      mixing: CxC, shares of neighbours.
    """

    empty: float
    unlike: float
    mixing: np.ndarray


def check(dataset: str, configs: Sequence[ConfigDict]) -> None:
    study.require_classes("gaps", dataset, 3)  # fewer have no ranks of their pairs


def report(dataset: str, rows: Sequence[Row]) -> Report:
    images = data.load(dataset)
    runs = {name: of_family(rows, family) for name, family in families(dataset).items()}
    found = {name: [_measures(row) for row in of_model] for name, of_model in runs.items()}
    spaces = {name: _space(of_model[0]) for name, of_model in runs.items()}
    notes = {name: _note(found[name], dataset, images.source.classes) for name in runs}
    return Report({"gaps": gaps(spaces, notes, dataset)}, _claims(found, images))


def _measures(row: Row) -> Measures:
    trained, seed = launch.load(row.run), row.fields["seed"]
    model = trained.model, trained.variables
    train, test = (trained.images(split) for split in ("train", "test"))
    known, asked = (_drawn(trained, split, seed) for split in ("train", "test"))
    points = _points(trained, known, POINTS, seed)
    far, usual = (
        np.median(nearest(images, train[:REFERENCES])[0])
        for images in (decoded(*model, points), reconstruct(*model, test[:POINTS]))
    )
    mixing = neighbors.mixing(codes(*model, test), trained.dataset.test.labels)
    return Measures(empty_share(known, asked, points), far / usual, mixing)


def _drawn(trained: launch.Trained, split: str, seed: int) -> np.ndarray:
    """Returns a code z ~ q(z|x) of each image of a split, Nx2."""
    q = posterior(trained.model, trained.variables, trained.images(split))
    return np.asarray(q.sample(_key(seed, split)))


def _points(trained: launch.Trained, known: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns points from where the model would be sampled, count x 2."""
    prior = trained.model.prior
    if prior.is_random:
        return np.asarray(prior.sample(_key(seed, "points"), (count, known.shape[1])))
    return gaussian_of(known, count, seed)


def _key(seed: int, what: str) -> jax.Array:
    """One key for each of the things that are drawn: under the same, they would share their noise."""
    return jax.random.fold_in(jax.random.key(seed), ("train", "test", "points").index(what))


def _space(row: Row) -> Space:
    """Returns what is drawn of one run."""
    trained = launch.load(row.run)
    model = trained.model, trained.variables
    train = trained.images("train")
    known = _drawn(trained, "train", 0)
    middle, spread = known.mean(0), REACH * known.std(0)
    low, high = middle - spread, middle + spread
    fine = decoded(*model, _lattice(low, high, FINE))
    distances = nearest(fine, train[:REFERENCES])[0].reshape(FINE, FINE)
    return Space(
        low,
        high,
        codes=codes(*model, trained.images("test")),
        grid=_square(decoded(*model, _lattice(low, high, SIDE))),
        distances=distances,
        samples=_square(decoded(*model, _points(trained, known, SAMPLES_SIDE**2, 0))),
    )


def _lattice(low: np.ndarray, high: np.ndarray, side: int) -> np.ndarray:
    """Returns the middles of side x side cells between two corners, from the top left, by rows."""
    steps = (np.arange(side) + 0.5) / side
    across, down = np.meshgrid(steps, steps[::-1])
    return low + np.stack([across.ravel(), down.ravel()], axis=1) * (high - low)


def _square(images_NxHxWxC: np.ndarray) -> np.ndarray:
    side = round(len(images_NxHxWxC) ** 0.5)
    return np.asarray(images_NxHxWxC).reshape(side, side, *images_NxHxWxC.shape[1:])


def _note(found: Sequence[Measures], dataset: str, classes: Sequence[str]) -> str:
    """Shares of points in holes and of mixed neighbours, over seeds."""
    shares = neighbors.pairs(np.mean([measures.mixing for measures in found], axis=0))[::-1]
    named = [
        pair for pair in shares if {classes[pair.first], classes[pair.second]} == set(NAMED.get(dataset, ()))
    ]
    mixed = [f"{classes[p.first]}–{classes[p.second]} {100 * p.value:.0f}%" for p in [shares[0], *named]]
    return f"{100 * np.mean([m.empty for m in found]):.0f}% in holes\nmixed: {', '.join(mixed)}"


def _claims(found: dict[str, list[Measures]], images: data.Dataset) -> list[Claim]:
    plain, variational = found.values()
    test = images.test.images.reshape(len(images.test.images), -1) / images.source.max_value
    looks = neighbors.class_distances(test, images.test.labels)
    return [
        Claim(
            "the autoencoder has gaps (share of points in holes; 0.05 is none)",
            estimate([measures.empty for measures in plain]),
            at_least=0.1,
        ),
        Claim(
            "the VAE has none to speak of (its share of points in holes)",
            estimate([measures.empty for measures in variational]),
            at_most=0.1,
        ),
        Claim(
            "at least it has fewer (its share of points in holes, less the autoencoder's)",
            estimate([v.empty - a.empty for v, a in zip(variational, plain, strict=True)]),
            at_most=0.0,
        ),
        Claim(
            "the VAE's decoded points look more like data (distance to the nearest training image over "
            "that of its own reconstructions: VAE's / autoencoder's)",
            estimate([v.unlike / a.unlike for v, a in zip(variational, plain, strict=True)]),
            at_most=1.0,
        ),
        Claim(
            "the autoencoder mixes classes (share of neighbours that are of another)",
            estimate([1 - neighbors.purity(a.mixing, images.test.labels) for a in plain]),
            at_least=0.05,
        ),
        Claim(
            "and does so where they look alike (rank correlation of mixing and distance of mean images; "
            "bound: 95% of shuffled classes)",
            estimate([neighbors.rank_correlation(a.mixing, looks) for a in plain]),
            at_most=-round(max(neighbors.chance_correlation(-a.mixing, looks) for a in plain), 3),
        ),
    ]


if __name__ == "__main__":
    study.run(sys.modules[__name__])
