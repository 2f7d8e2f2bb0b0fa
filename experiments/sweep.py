"""Launch a sweep: the product of named sweeps that stand beside a config.

    python -m experiments.sweep --config=configs/vae.py --sweep=latent_size,seed --workdir=results
    python -m experiments.sweep --config=configs/vae.py --sweep=latent_size,seed --workdir=results --dry_run

Runs that are done are not trained again, a failure does not stop the others, and after an
interruption the same command goes on.
"""

import contextlib
import json
import math
import pathlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments import cli
from experiments.watch import View
from vae_jax import sweeps
from vae_jax.config import differing
from vae_jax.errors import DamagedError, UsageError, lookup
from vae_jax.launch import load_dataset
from vae_jax.paths import append
from vae_jax.streams import printable
from vae_jax.sweeps import Outcome, Planned

AUTO = "auto"  # the executor that costs least on this machine


def main(argv: Sequence[str]) -> int:
    parser = cli.parser(__doc__)
    cli.add_config(parser)
    parser.add_argument("--sweep", required=True, help="names of sweeps in the config file, joined by commas")
    parser.add_argument("--dry_run", action="store_true", help="list the runs and their costs, do nothing")
    add_executor(parser)
    cli.add_workdir(parser)
    arguments = parser.parse(argv)
    check_executor(arguments.executor)
    module, config = cli.load_config(arguments.config, arguments.overrides)
    named = cli.named_sweeps(module, arguments.sweep)
    cli.check_free(arguments.overrides, {f for sweep in named for part in sweep for f in part}, "sweep")
    configs = sweeps.expand(config, named)
    planned = sweeps.plan(configs, cli.writable(arguments.workdir))
    if arguments.dry_run:
        dry_run(planned, arguments.workdir, arguments.executor, arguments.alone)
        return 0
    how = arguments.executor, arguments.alone
    outcomes = execute(planned, arguments.workdir, arguments.manual_dir, *how)
    return 0 if all(outcome.status == "completed" for outcome in outcomes) else 1


def add_executor(parser: cli.Parser) -> None:
    parser.add_argument(
        "--executor",
        default=AUTO,
        help="auto (by measured cost), local[:NUMBER] (so many populations in threads of this process), "
        "processes[:NUMBER] (one for each core or GPU), ray[:ADDRESS], "
        "submitit[:jobs=8,timeout_min=60,...] (SLURM)",
    )
    parser.add_argument(
        "--alone",
        action="store_true",
        help="every run by itself, at its own sizes, by the program that experiments.train uses: to the same "
        "bits as that, and slower than together",
    )


def check_executor(spec: str) -> None:
    """Raises UsageError for an unknown name."""
    lookup("executor", spec.partition(":")[0], {AUTO: None} | sweeps.EXECUTORS)


def execute(
    planned: Sequence[Planned],
    workdir: pathlib.Path,
    manual_dir: pathlib.Path | None,
    executor: str = AUTO,
    alone: bool = False,
) -> list[Outcome]:
    """Carries out a plan by an executor of its own: AUTO, or see `sweeps.executor`."""
    with chosen(executor, workdir) as given:
        return carry_out(planned, sweeps.Place(workdir, manual_dir), given, alone)


def carry_out(
    planned: Sequence[Planned], place: sweeps.Place, executor: sweeps.Executor | None, alone: bool = False
) -> list[Outcome]:
    """Runs a plan with a live view, prints a line for every run that fails, and a count.

    Args:
      executor: None for the one that costs least.
      alone: every run by itself, though several may train at the same time.
    """
    workdir = place.workdir
    for name in {entry.config.dataset for entry in planned if not entry.over}:
        load_dataset(name, place.manual_dir)  # missing data then stops the sweep, not every run of it
    names = labels(planned)
    view = View(planned, names)
    number = {entry.run.id: f"run {number}/{len(planned)}" for number, entry in enumerate(planned, 1)}

    def end(outcome: Outcome) -> None:
        view.end(outcome)
        _report(outcome, f"{number[outcome.run.id]} {names[outcome.run.id]}")

    for entry in planned:
        if entry.over:
            end(_found(entry))
        if entry.damaged:
            _set_aside(entry, names[entry.run.id])
    if alone:
        _tell_together(planned)
    with view.shown():
        schedule = sweeps.settle(planned, workdir, executor and executor.slots, alone)
        print(*(f"{line}\n" for line in schedule.own_sizes), sep="", end="", file=sys.stderr)
        view.tally.planned_seconds = schedule.seconds if schedule.measured else math.nan
        began = time.perf_counter()
        using = executor or sweeps.executor(sweeps.cheapest(schedule.slots), workdir)
        for outcome in _new(using.execute(schedule.populations, place, view.epoch), view):
            end(outcome)
    print(_count(view.outcomes, workdir, [entry.run.id for entry in planned if entry.over]))
    sweeps.learn(schedule, view.outcomes)
    _compare_with_plan(schedule, time.perf_counter() - began, workdir)
    return view.outcomes


def _set_aside(entry: Planned, name: str) -> None:
    """Moves a damaged run out of the way and says so; one that stays fails when its turn comes."""
    try:
        aside = entry.run.set_aside()
        why = f"set aside as '{aside}', trained again" if aside else ""
    except (UsageError, OSError) as error:
        why = f"not set aside: {error}"
    if why:
        print(f"{name}: '{entry.damaged}' is damaged: {why}", file=sys.stderr)


@contextlib.contextmanager
def chosen(spec: str, workdir: pathlib.Path) -> Iterator[sweeps.Executor | None]:
    """Yields the executor by name; None where the schedule is to choose."""
    executor = None if spec == AUTO else sweeps.executor(spec, workdir)
    try:
        yield executor
    finally:
        if executor:
            executor.close()


def _new(outcomes: Iterator[Outcome], view: View) -> Iterator[Outcome]:
    """Yields each run's outcome once, though its population may tell it again; failures as often as told."""
    sound = {outcome.run.id for outcome in view.outcomes}
    for outcome in outcomes:
        if outcome.run.id not in sound:
            if outcome.status != "failed":
                sound.add(outcome.run.id)
            yield outcome


def _found(entry: Planned) -> Outcome:
    result = entry.run.final_result()
    return Outcome(entry.run, result["status"], result)


def _count(outcomes: Sequence[Outcome], workdir: pathlib.Path, found: Sequence[str]) -> str:
    """Returns how many runs ended in which way, and how many of them were found done."""
    counts = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    before = [outcome.result["finished"] for outcome in outcomes if outcome.run.id in found]
    if before:
        told += f"; {len(before)} found, finished by {max(before)[:16]} UTC"
    return f"{len(outcomes)} runs in {workdir}: {told}"


def _tell_together(planned: Sequence[Planned]) -> None:
    """Says how many runs were done before by a population: they are not trained anew."""
    others = sum(entry.over and not _was_alone(entry) for entry in planned)
    if others:
        told = f"{others} of these runs were done before, and not known to be alone"
        print(f"{told}: in another --workdir they would be", file=sys.stderr)


def _was_alone(entry: Planned) -> bool:
    """Whether a finished run's result says so; those of earlier versions say nothing."""
    way = entry.run.final_result().get("trained", {})
    own = dict(zip(sweeps.SIZES, sweeps.sizes_of(entry.config), strict=True))
    return way.get("width") == 1 and way.get("sizes") == own


def _compare_with_plan(schedule: sweeps.Schedule, seconds: float, workdir: pathlib.Path) -> None:
    """Keeps what a sweep was estimated to take beside what it took; a mere guess is not told."""
    if not schedule.populations:
        return
    if schedule.measured:
        print(f"planned {schedule.seconds:.0f} s, took {seconds:.0f} s")
    line = {"planned_seconds": schedule.seconds, "measured": schedule.measured, "seconds": seconds}
    line |= {"slots": schedule.slots}
    line |= {"populations": [[len(p.configs), p.width, *p.sizes] for p in schedule.populations]}
    try:
        append(workdir / "schedules.jsonl", json.dumps(line) + "\n")
    except OSError:  # a full disk
        pass
    except DamagedError as error:
        print(error, file=sys.stderr)


def labels(planned: Sequence[Planned]) -> dict[str, str]:
    """Returns a name for each run id: the fields in which the runs differ."""
    names = [*differing([entry.fields for entry in planned]), "seed"]
    return {entry.run.id: named(entry.fields, names) for entry in planned}


def named(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    """Returns 'name=value name=value' on one line, whatever is in a value."""
    return printable(" ".join(f"{name}={fields.get(name)}" for name in names))


def _report(outcome: Outcome, label: str) -> None:
    if outcome.status == "diverged":
        print(f"{label}: diverged at step {outcome.result['diverged_step']}", file=sys.stderr)
    if outcome.status == "failed":
        print(f"{label}: failed: {_told(outcome.error)}", file=sys.stderr)


def _told(error: Exception) -> str:
    """One line; the kind of an error that was not written for the user is part of it."""
    kind = "" if isinstance(error, UsageError) else f"{type(error).__name__}: "
    return kind + " ".join(str(error).split())


def dry_run(
    planned: Sequence[Planned], workdir: pathlib.Path, executor: str = AUTO, alone: bool = False
) -> None:
    """Prints the runs of a plan, how they would be trained, and what that would take; see `execute`."""
    print_plan(planned)
    with chosen(executor, workdir) as given:
        print_schedule(sweeps.schedule(planned, workdir, given and given.slots, alone))


def print_plan(planned: Sequence[Planned]) -> None:
    """Prints a line for each run: id, state, fields, parameters, work and its least time."""
    from vae_jax.cost import matrix_rate

    names, rate = labels(planned), matrix_rate()
    print(f"{'run':<14}{'state':<11}{'parameters':>11}{'TFLOP':>9}{'at least':>10}  config")
    for entry in planned:
        work = f"{entry.cost.parameters:>11,}{entry.flops / 1e12:>9.3f}{entry.flops / rate:>8.1f} s"
        print(f"{entry.run.id:<14}{entry.state:<11}{work}  {names[entry.run.id]}")
    todo = [entry for entry in planned if not entry.over]
    seconds = sum(entry.flops for entry in todo) / rate
    print(
        f"{len(planned)} runs, {len(todo)} to do: at least {seconds:.0f} s of arithmetic at this "
        f"machine's {rate / 1e9:.0f} GFLOP/s, plus compilation, data traffic and evaluation"
    )


def print_schedule(schedule: sweeps.Schedule) -> None:
    """Prints how the runs to do would be trained, and the estimate."""
    for population in schedule.populations:
        latent_size, width = population.sizes
        runs = f"{len(population.configs)} runs, {population.width} at a time"
        print(f"population {population.id}: {runs}, at latent_size={latent_size} bottleneck_width={width}")
    print(*(f"{line}\n" for line in schedule.own_sizes), sep="", end="")
    how = "as measured" if schedule.measured else "guessed"
    print(
        f"{len(schedule.populations)} populations, {schedule.programs} programs to compile, "
        f"{schedule.slots} at the same time; about {schedule.seconds:.0f} s, {how}, "
        f"and {schedule.memory / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    cli.run(main)
