"""Search for the best values of a config's fields, in a space that stands beside the config.

    python -m experiments.search --config=configs/vae.py --search=sizes --algorithm=asha --workdir=results
    python -m experiments.search --config=configs/vae.py --search=sizes --algorithm=random --trials=64 \\
        --workdir=results

random trains every trial to its end. asha (Li et al. 2020) trains all of them for a few epochs, the best
of them for more, and so forth. optuna learns from the trials so far where to look next. The best is that
of the lowest validation loss; a trial that diverges counts as worst.

A search has no state but its runs: after an interruption the same command goes on, and one with more
--trials takes over what is there. Exit code 1: a run failed, or no trial was completed.
"""

import argparse
import math
import shlex
import sys
from collections.abc import Mapping, Sequence

from ml_collections import ConfigDict

from experiments import cli
from experiments.sweep import add_executor, carry_out, check_executor, chosen, dry_run
from vae_jax import build, streams, sweeps
from vae_jax.budgets import budget
from vae_jax.config import override
from vae_jax.errors import UsageError, lookup
from vae_jax.identity import run_of
from vae_jax.sweeps import Executor, Job, Outcome, Place, Search, Settings

SHOWN = 10  # trials
TRIES = 2  # of a run that fails
CHECKED = 200  # trials at the start, a second or two; the others before their batch is trained
METRICS = ("test/nll", "test/mse")


def main(argv: Sequence[str]) -> int:
    arguments = _parse(argv)
    module, config = cli.load_config(arguments.config, arguments.overrides)
    settings = _settings(arguments, cli.named_search(module, arguments.search), config)
    search = sweeps.ALGORITHMS[arguments.algorithm].search(settings)
    place = Place(cli.writable(arguments.workdir), arguments.manual_dir)
    for number in range(min(settings.trials, CHECKED)):  # before any is trained, says what cannot run
        build.task(override(config, sweeps.draw(settings.space, settings.seed, number)))
    if arguments.dry_run:
        _print_rungs(search.rungs, settings)
        first = [config_of(search, job, config) for job in search.jobs({})]
        plan = sweeps.plan(first, place.workdir)
        dry_run(plan, place.workdir, arguments.executor, arguments.alone)
        return 0
    with chosen(arguments.executor, place.workdir) as executor:
        outcomes = train(search, config, place, executor, arguments.alone)
    _print_table(search, outcomes)
    _print_epochs(outcomes, settings)
    failed = any(outcome.status == "failed" for outcome in outcomes.values())
    return 1 if failed or not ranked(outcomes) else 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = cli.parser(__doc__)
    cli.add_config(parser)
    add, number = parser.add_argument, {"type": int, "metavar": "NUMBER"}
    add("--search", required=True, help="name of a search in the config file")
    add("--algorithm", required=True, help=", ".join(sweeps.ALGORITHMS))
    add("--trials", default=32, help="how many (32)", **number)
    add("--seed", default=0, help="of the trials' values (0); the runs' own is --config.seed", **number)
    usual = ", ".join(f"{name} {algorithm.batch}" for name, algorithm in sweeps.ALGORITHMS.items())
    add("--batch", help=f"runs that are decided on at once and train together ({usual})", **number)
    add("--min_epochs", help="asha: of the first rung (for three rungs more)", **number)
    add("--eta", help="asha: one trial in so many goes on, for so many times the epochs (3)", **number)
    add("--dry_run", action="store_true", help="list the first runs and what all cost, do nothing")
    add_executor(parser)
    cli.add_workdir(parser)
    arguments = parser.parse(argv)
    check_executor(arguments.executor)
    lookup("algorithm", arguments.algorithm, sweeps.ALGORITHMS)
    return arguments


def _settings(arguments: argparse.Namespace, space: sweeps.Space, config: ConfigDict) -> Settings:
    """Returns what the search is made of; UsageError for a number or field that does not fit."""
    cli.check_free(arguments.overrides, space, "search")
    sweeps.check_space(space, config)
    usual = sweeps.ALGORITHMS[arguments.algorithm].batch
    numbers = {"seed": arguments.seed, "trials": arguments.trials}
    numbers["batch"] = usual if arguments.batch is None else arguments.batch
    for name, value in numbers.items():
        least = 0 if name == "seed" else 1
        if not least <= value < 2**31:
            raise UsageError(f"--{name} must be from {least} to 2**31 - 1, not {value}")
    return Settings(space, **numbers, epochs=budget(config), **_of_asha(arguments))


def _of_asha(arguments: argparse.Namespace) -> dict[str, int]:
    numbers = {"min_epochs": arguments.min_epochs, "eta": arguments.eta}
    given = {name: value for name, value in numbers.items() if value is not None}
    if given and arguments.algorithm != "asha":
        raise UsageError(f"--{next(iter(given))} is for --algorithm=asha alone")
    return given


def train(
    search: Search, config: ConfigDict, place: Place, executor: Executor | None, alone: bool = False
) -> dict[Job, Outcome]:
    """Trains one batch after the other, each planned as a sweep, until the search asks for no more.

    A run that fails is tried again before the next batch is decided on: were it completed only by a
    later launch, the search would not ask for the same.
    """
    outcomes: dict[Job, Outcome] = {}
    while jobs := search.jobs({job: loss(outcome) for job, outcome in outcomes.items()}):
        print(_told(jobs, search.rungs), flush=True)
        configs = {job: config_of(search, job, config) for job in jobs}
        for _ in range(TRIES):
            planned = sweeps.plan(list(configs.values()), place.workdir)
            ended = {outcome.run.id: outcome for outcome in carry_out(planned, place, executor, alone)}
            if all(outcome.status != "failed" for outcome in ended.values()):
                break
        outcomes |= {job: ended[run_of(own, place.workdir).id] for job, own in configs.items()}
    return outcomes


def config_of(search: Search, job: Job, config: ConfigDict) -> ConfigDict:
    """Returns the config of the run that a job is."""
    last = job.rung == len(search.rungs) - 1
    end = {} if last else {"stop_epoch": search.rungs[job.rung]}
    return override(config, search.values(job.trial) | end)


def loss(outcome: Outcome) -> float:
    """Returns the best validation loss of a run; infinity where it is worth nothing."""
    found = outcome.result.get("valid_loss") if outcome.status == "completed" else None
    return math.inf if found is None else found


def ranked(outcomes: Mapping[Job, Outcome]) -> list[tuple[int, Outcome]]:
    """Returns the completed trials with their longest run, the best first."""
    longest = {job.trial: outcome for job, outcome in sorted(outcomes.items())}
    sound = [(trial, outcome) for trial, outcome in longest.items() if loss(outcome) < math.inf]
    return sorted(sound, key=lambda one: loss(one[1]))


def _told(jobs: Sequence[Job], rungs: Sequence[int]) -> str:
    counts = [(sum(job.rung == rung for job in jobs), epochs) for rung, epochs in enumerate(rungs)]
    parts = [f"{n} {'trial' if n == 1 else 'trials'} to epoch {epochs}" for n, epochs in counts if n]
    return ", ".join(parts[::-1])


def _print_rungs(rungs: Sequence[int], settings: Settings) -> None:
    """Prints how many trials go how far, and the share of the epochs of all of them to the end."""
    counts = [settings.trials // settings.eta**rung for rung in range(len(rungs))]
    steps = [epochs - before for before, epochs in zip((0, *rungs), rungs, strict=False)]
    total = sum(count * step for count, step in zip(counts, steps, strict=True))
    told = ", ".join(f"{count} to epoch {epochs}" for count, epochs in zip(counts, rungs, strict=True))
    print(f"{settings.trials} trials: about {told}; {_share(total, settings)}")


def _print_epochs(outcomes: Mapping[Job, Outcome], settings: Settings) -> None:
    """Prints what the trials took; a run that goes on from a shorter one counts it in."""
    longest = {job.trial: outcome.result.get("epochs", 0) for job, outcome in sorted(outcomes.items())}
    print(f"{len(longest)} trials, {len(outcomes)} runs: {_share(sum(longest.values()), settings)}")


def _share(epochs: int, settings: Settings) -> str:
    whole = settings.trials * settings.epochs
    return f"{epochs:,} epochs, {epochs / whole:.0%} of the {whole:,} of every trial to its end"


def _print_table(search: Search, outcomes: Mapping[Job, Outcome]) -> None:
    """Prints the best trials and, as it is typed, what makes the best of them."""
    from rich.table import Table
    from rich.text import Text

    best = ranked(outcomes)
    if not best:
        print("no trial was completed")
        return
    metrics = [name for name in METRICS if name in best[0][1].result["metrics"]]
    table = Table(box=None, pad_edge=False)
    for name in ("trial", *search.values(best[0][0]), "epochs", "valid loss", *metrics, "run"):
        table.add_column(Text(name), no_wrap=True)
    for trial, outcome in best[:SHOWN]:
        result = outcome.result
        numbers = [loss(outcome), *(result["metrics"].get(name, math.nan) for name in metrics)]
        values = [trial, *search.values(trial).values(), result["epochs"], *(f"{n:.5g}" for n in numbers)]
        table.add_row(*(Text(str(value)) for value in values), outcome.run.id)
    streams.console(width=None if sys.stdout.isatty() else 240, highlight=False).print(table)
    flags = (shlex.quote(f"--config.{name}={value}") for name, value in search.values(best[0][0]).items())
    print(f"best: {' '.join(flags)}")


if __name__ == "__main__":
    cli.run(main)
