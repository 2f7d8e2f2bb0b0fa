"""What happens to the posterior during training? He et al. (2019), Fig. 1 and 3: posterior means.

With a code of one dimension the model's own posterior p(z|x) can be summed up on a grid, and each
image is a dot: the mean of p(z|x) against that of the encoder's q(z|x). At the diagonal the encoder
is right; at the origin the code says nothing. Beside it the KL and the part of it that is
information, I(x; z), the rest being the distance of q(z) from the prior. A VAE is set beside one
whose KL weighs so much that its posterior collapses.

Every moment is a run of its own, which `stop_epoch` ends: what is trained up to then does not depend
on it, so that a shorter training is the beginning of a longer one of the same seed. (A run keeps its
best parameters on validation: those of its last epoch while it gets better.)

Claims, after the longest training:
- the encoder, which lagged behind the model at first, has caught up: the distance of their means
  (root mean square) is at most half of what it was after the shortest;
- the code tells more than 1 nat about the image, and that is most of its KL: 80% or more;
- under the large weight it tells nothing: less than 0.05 nats.

    python -m experiments.trajectories --workdir=results
    python -m experiments.trajectories --dataset=mnist --workdir=results
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from configs.common import sweep_seed
from experiments import study
from experiments.claims import Claim, Report
from experiments.study import families
from vae_jax import launch
from vae_jax.budgets import budget
from vae_jax.config import override
from vae_jax.evaluate.codes import posterior
from vae_jax.evaluate.information import mutual_information
from vae_jax.evaluate.model_posterior import model_posterior_means
from vae_jax.figures.trajectories import Trajectory, trajectories
from vae_jax.results import Row, group
from vae_jax.statistics import estimate
from vae_jax.sweeps import expand

MOMENTS = 5
BETAS = (1.0, 20.0)
IMAGES = 500  # of test, at most
SAMPLES = 20  # of z for each, for the information


class Moment(NamedTuple):
    """A run's means of p(z|x) and of q(z|x), Nx2, its KL and its information, nats."""

    means: np.ndarray
    kl: float
    information: float


def configs(dataset: str) -> list[ConfigDict]:
    """Weights of the KL term x lengths of training x seeds."""
    base = override(families(dataset)["VAE"], {"latent_size": 1})
    epochs = np.geomspace(1, base.num_epochs, MOMENTS).round().astype(int)
    lengths = [{"stop_epoch": int(number) % base.num_epochs} for number in epochs]  # 0 for all
    return expand(base, [[{"beta": beta} for beta in BETAS], lengths, sweep_seed()])


def report(dataset: str, rows: Sequence[Row]) -> Report:
    """The figure's dots are of the first seed."""
    epochs = sorted({budget(row.fields) for row in rows})
    moments = {
        beta: [[_moment(row) for row in own if budget(row.fields) == length] for length in epochs]
        for (beta,), own in group(rows, ["beta"]).items()
    }
    models = {f"β = {beta:g}": _trajectory(seeds) for beta, seeds in moments.items()}
    labels = launch.load(rows[0].run).dataset.test.labels
    figure = trajectories(epochs, models, None if labels is None else labels[:IMAGES], dataset)
    return Report({"trajectories": figure}, _claims(*moments.values()))


def _moment(row: Row) -> Moment:
    trained = launch.load(row.run)
    given = trained.model, trained.variables, trained.images("test")[:IMAGES]
    q = posterior(*given)
    means = np.stack([model_posterior_means(*given), q.mean_BxZ[:, 0]], axis=1)
    kl = float(trained.model.prior.kl(q).sum(-1).mean())
    return Moment(means, kl, float(mutual_information(q, jax.random.key(0), SAMPLES)))


def _trajectory(moments: Sequence[Sequence[Moment]]) -> Trajectory:
    """Takes, for each moment, the runs of all seeds."""
    kl, information = (
        [estimate([getattr(one, name) for one in seeds]) for seeds in moments]
        for name in ("kl", "information")
    )
    return Trajectory([seeds[0].means for seeds in moments], kl, information)


def _claims(plain: Sequence[Sequence[Moment]], collapsed: Sequence[Sequence[Moment]]) -> list[Claim]:
    """For each moment, the runs of all seeds: with β = 1, and with the large β."""
    first, last = ([_lag(moment) for moment in plain[index]] for index in (0, -1))
    return [
        Claim(
            "the encoder lags behind the model and catches up (distance of means, last / first)",
            estimate(np.divide(last, first)),
            at_most=0.5,
        ),
        Claim(
            "the code tells about the image (mutual information, nats)",
            estimate([moment.information for moment in plain[-1]]),
            at_least=1.0,
        ),
        Claim(
            "which is most of its KL (information / KL)",
            estimate([moment.information / moment.kl for moment in plain[-1]]),
            at_least=0.8,
        ),
        Claim(
            f"it collapses with β = {BETAS[1]:g} (mutual information, nats)",
            estimate([moment.information for moment in collapsed[-1]]),
            at_most=0.05,
        ),
    ]


def _lag(moment: Moment) -> float:
    """Returns the root mean square distance of the two means."""
    return float(np.sqrt((np.diff(moment.means, axis=1) ** 2).mean()))


if __name__ == "__main__":
    study.run(sys.modules[__name__])
