"""Launch a sweep: the product of named sweeps that stand beside a config.

    python -m experiments.sweep --config=configs/vae.py --sweep=latent_size,seed --workdir=results
    python -m experiments.sweep --config=configs/vae.py --sweep=latent_size,seed --workdir=results --dry_run

Runs that are done are not trained again, a failure does not stop the others, and after an
interruption the same command goes on.
"""

import pathlib
import sys
import time
from collections import Counter
from collections.abc import Sequence

from experiments import cli
from vae_jax import sweeps
from vae_jax.config import differing
from vae_jax.errors import UsageError, lookup
from vae_jax.launch import load_dataset
from vae_jax.sweeps import Outcome, Planned


def main(argv: Sequence[str]) -> int:
    parser = cli.parser(__doc__)
    cli.add_config(parser)
    parser.add_argument("--sweep", required=True, help="names of sweeps in the config file, joined by commas")
    parser.add_argument("--dry_run", action="store_true", help="list the runs and their costs, do nothing")
    parser.add_argument("--executor", default="local", help="how runs are executed: local")
    cli.add_workdir(parser)
    arguments = parser.parse(argv)
    lookup("executor", arguments.executor, sweeps.EXECUTORS)
    module, config = cli.load_config(arguments.config, arguments.overrides)
    named = cli.named_sweeps(module, arguments.sweep)
    for name in {field for sweep in named for overrides in sweep for field in overrides}:
        if name in arguments.overrides:
            raise UsageError(f"--config.{name} cannot be set here: the sweep sets it")
    configs = sweeps.expand(config, named)
    planned = sweeps.plan(configs, cli.writable(arguments.workdir))
    if arguments.dry_run:
        print_plan(planned)
        return 0
    outcomes = execute(planned, arguments.workdir, arguments.manual_dir, arguments.executor)
    return 0 if all(outcome.status == "completed" for outcome in outcomes) else 1


def execute(
    planned: Sequence[Planned],
    workdir: pathlib.Path,
    manual_dir: pathlib.Path | None,
    executor: str = "local",
) -> list[Outcome]:
    """Runs a plan with a progress bar, prints a line for every run that fails, and a count."""
    for name in {entry.config.dataset for entry in planned if entry.state != "completed"}:
        load_dataset(name, manual_dir)  # missing data then stops the sweep, not every run of it
    names, clock = labels(planned), Clock(planned)
    outcomes: list[Outcome] = []
    with cli.progress_bar("sweep", 1) as bar:

        def show(progress, metrics):
            entry = planned[len(outcomes)]
            label = f"run {len(outcomes) + 1}/{len(planned)}{clock.left(len(outcomes))} {names[entry.run.id]}"
            bar(label, int(progress.epoch), entry.config.num_epochs, cli.brief(metrics))

        for outcome in sweeps.EXECUTORS[executor](planned, workdir, manual_dir, show):
            outcomes.append(outcome)
            _report(outcome, f"run {len(outcomes)}/{len(planned)} {names[outcome.planned.run.id]}")
    counts = Counter(outcome.status for outcome in outcomes)
    print(f"{len(outcomes)} runs in {workdir}: " + ", ".join(f"{n} {s}" for s, n in sorted(counts.items())))
    return outcomes


class Clock:
    """How long the rest of a sweep takes, if its work goes on at the pace so far."""

    def __init__(self, planned: Sequence[Planned]):
        self._work = [0.0 if entry.state == "completed" else entry.flops for entry in planned]
        self._began = time.perf_counter()

    def left(self, finished: int) -> str:
        """Returns ', 3 min left' once a run has shown the pace."""
        done, todo = sum(self._work[:finished]), sum(self._work[finished:])
        if not done:
            return ""
        seconds = (time.perf_counter() - self._began) * todo / done
        return f", {seconds / 60:.0f} min left" if seconds > 90 else f", {seconds:.0f} s left"


def labels(planned: Sequence[Planned]) -> dict[str, str]:
    """Returns a name for each run id: the fields in which the runs differ."""
    names = [*differing([entry.fields for entry in planned]), "seed"]
    return {entry.run.id: " ".join(f"{name}={entry.fields[name]}" for name in names) for entry in planned}


def _report(outcome: Outcome, label: str) -> None:
    if outcome.status == "diverged":
        print(f"{label}: diverged at step {outcome.result['diverged_step']}", file=sys.stderr)
    if outcome.status == "failed":
        print(f"{label}: failed: {' '.join(outcome.error.split())}", file=sys.stderr)


def print_plan(planned: Sequence[Planned]) -> None:
    """Prints a line for each run: id, state, fields, parameters, work and its least time."""
    from vae_jax.cost import matrix_rate

    names, rate = labels(planned), matrix_rate()
    print(f"{'run':<14}{'state':<11}{'parameters':>11}{'TFLOP':>9}{'at least':>10}  config")
    for entry in planned:
        work = f"{entry.cost.parameters:>11,}{entry.flops / 1e12:>9.3f}{entry.flops / rate:>8.1f} s"
        print(f"{entry.run.id:<14}{entry.state:<11}{work}  {names[entry.run.id]}")
    todo = [entry for entry in planned if entry.state not in ("completed", "diverged")]
    seconds = sum(entry.flops for entry in todo) / rate
    print(
        f"{len(planned)} runs, {len(todo)} to do: at least {seconds:.0f} s of arithmetic at this "
        f"machine's {rate / 1e9:.0f} GFLOP/s, plus compilation, data traffic and evaluation"
    )


if __name__ == "__main__":
    cli.run(main)
