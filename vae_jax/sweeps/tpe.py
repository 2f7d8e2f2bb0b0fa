"""Search by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), through ask and tell.

Optuna keeps nothing on disk: its study lives in memory, is seeded, and gets the losses of the
finished runs told again in their order, which brings it back to where it was.
"""

from typing import Any

from vae_jax.errors import UsageError
from vae_jax.sweeps.search import Job, Losses, Settings
from vae_jax.sweeps.space import Choice, Integers, Uniform


class Tpe:
    """See `search.Search`. Every trial is trained to its end; one that came to nothing counts as worst."""

    def __init__(self, settings: Settings):
        self.rungs = (settings.epochs,)
        self._settings, self._trials = settings, []
        self._told = 0
        try:
            import optuna
        except ImportError:
            raise UsageError("algorithm 'optuna' needs Optuna: pip install -e .[optuna]") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=settings.seed, multivariate=True, constant_liar=True)
        self._study = optuna.create_study(sampler=sampler)
        self._distributions = {name: _distribution(values) for name, values in settings.space.items()}

    def jobs(self, losses: Losses) -> list[Job]:
        for number in range(self._told, len(self._trials)):
            self._study.tell(number, losses[Job(number, 0)])
        first = self._told = len(self._trials)
        last = min(first + self._settings.batch, self._settings.trials)
        self._trials += [self._study.ask(self._distributions) for _ in range(first, last)]
        return [Job(number, 0) for number in range(first, last)]

    def values(self, trial: int) -> dict[str, Any]:
        drawn = self._trials[trial].params
        return {name: _value(values, drawn[name]) for name, values in self._settings.space.items()}


def _distribution(values: Uniform | Integers | Choice) -> Any:
    from optuna import distributions

    if isinstance(values, Choice):  # by their places: Optuna knows no tuples
        return distributions.CategoricalDistribution(tuple(range(len(values.values))))
    kind = distributions.FloatDistribution if isinstance(values, Uniform) else distributions.IntDistribution
    return kind(values.low, values.high, log=values.log)


def _value(values: Uniform | Integers | Choice, drawn: Any) -> Any:
    if isinstance(values, Choice):
        return values.values[drawn]
    return values.rounded(drawn) if isinstance(values, Uniform) else drawn
