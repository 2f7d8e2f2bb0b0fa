"""What every study shares: claims with verdicts, and running studies from the command line.

A study is a module with a docstring (the question), `configs(dataset)` (the runs it needs) and
`report(dataset, rows)` (its figures and its claims). Where it compares seconds, `timed(configs)` are
runs that it needs beside those, each of which trains alone, before all others.
"""

import argparse
import csv
import importlib
import io
import itertools
import math
import multiprocessing
import pathlib
import signal
import types
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple, Protocol

from matplotlib.figure import Figure
from ml_collections import ConfigDict

from configs import ae, common, vae
from experiments import cli
from experiments.sweep import execute, print_plan
from vae_jax import figures, sweeps
from vae_jax.compilation import enable_cache
from vae_jax.config import differing, flatten
from vae_jax.data import SOURCES
from vae_jax.errors import UsageError, lookup
from vae_jax.paths import make_dir, write_whole
from vae_jax.results import Row, read, select
from vae_jax.runs import Run
from vae_jax.statistics import Estimate
from vae_jax.sweeps.cores import most


class Claim(NamedTuple):
    """A statement about a number, and the bound that the number must keep for it to hold.

    Attributes:
      statement: in words, with what is measured.
      estimate: mean and 95% interval of the number over seeds.
      at_least, at_most: the bound; one of the two.
    """

    statement: str
    estimate: Estimate
    at_least: float = -math.inf
    at_most: float = math.inf

    @property
    def verdict(self) -> str:
        """'reproduced' if the whole interval keeps the bound, 'not reproduced' if none of it."""
        if math.isnan(self.estimate.mean):
            return "not computed"
        low, high = self.estimate.low, self.estimate.high
        if low >= self.at_least and high <= self.at_most:
            return "reproduced"
        return "not reproduced" if high < self.at_least or low > self.at_most else "inconclusive"

    @property
    def bound(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least > -math.inf else f"≤ {self.at_most:g}"


class Report(NamedTuple):
    """What a study makes of its runs: figures and tables (rows, the first the header) by file name."""

    figures: Mapping[str, Figure]
    claims: Sequence[Claim]
    tables: Mapping[str, Sequence[Sequence[Any]]] = types.MappingProxyType({})


class Study(Protocol):
    """The module of a study."""

    __name__: str
    __file__: str
    __doc__: str
    configs: Callable[[str], list[ConfigDict]]
    report: Callable[[str, Sequence[Row]], Report]


def families(dataset: str) -> dict[str, ConfigDict]:
    """The two models that the studies set side by side, both on grey pixels.

    The VAE's likelihood is Gaussian with a learned σ, so that both rebuild real values and the
    mean squared error compares them.
    """
    return {"autoencoder": ae.get_config(dataset), "VAE": vae.get_config(f"{dataset},grey")}


def of_family(rows: Sequence[Row], family: ConfigDict) -> list[Row]:
    return select(rows, posterior=family.posterior)


def run(study: Study) -> None:
    """Runs one study as a command."""
    name = pathlib.Path(study.__file__).stem
    cli.run(lambda argv: main({name: study}, argv, study.__doc__))


def main(
    studies: Mapping[str, Study],
    argv: Sequence[str],
    doc: str,
    at_end: Callable[[argparse.Namespace], None] = lambda arguments: None,
) -> int:
    """Trains what the studies need, draws their figures, prints the table of their claims.

    Args:
      at_end: called with the arguments once figures and claims are written.
    """
    arguments = _parse(studies, argv, doc)
    chosen = {name: studies[name] for name in arguments.studies}
    workdir = cli.writable(arguments.workdir)
    needed = {name: _configs(study, arguments) for name, study in chosen.items()}
    timed = {name: timed_of(study, needed[name]) for name, study in chosen.items()}
    alone, others = (list(itertools.chain(*configs.values())) for configs in (timed, needed))
    if arguments.dry_run:
        print_plan(sweeps.plan(alone + others, workdir))
        return 0
    outcomes = _train(alone, others, workdir, arguments.manual_dir)
    if not all(outcome.status == "completed" for outcome in outcomes):
        return cli.fail(
            "no figures: some runs did not complete; the same command tries the failed ones again", 1
        )
    output = make_dir(workdir / "figures" / _folder(arguments))
    rows = {name: _rows(needed[name] + timed[name], workdir) for name in chosen}
    claims = _draw_all(chosen, arguments.dataset, rows, output)
    print_claims(claims)
    print(f"wrote {_write_claims(output, claims)}")
    at_end(arguments)
    verdicts = [claim.verdict for group in claims.values() for claim in group]
    return 0 if set(verdicts) <= {"reproduced", "inconclusive"} else 1


def timed_of(study: Study, configs: Sequence[ConfigDict]) -> list[ConfigDict]:
    """Returns the runs whose seconds the study compares, if any."""
    return study.timed(configs) if hasattr(study, "timed") else []


def _train(
    alone: Sequence[ConfigDict],
    others: Sequence[ConfigDict],
    workdir: pathlib.Path,
    manual_dir: pathlib.Path | None,
) -> list[sweeps.Outcome]:
    """Trains first those that are timed, one at a time, then the others as is cheapest."""
    outcomes = execute(sweeps.plan(alone, workdir), workdir, manual_dir, alone=True) if alone else []
    return outcomes + (execute(sweeps.plan(others, workdir), workdir, manual_dir) if others else [])


def _parse(studies: Mapping[str, Study], argv: Sequence[str], doc: str) -> argparse.Namespace:
    parser = cli.parser(doc)
    if len(studies) > 1:
        listed = f"of {', '.join(studies)}; default: all"
        parser.add_argument("studies", nargs="*", metavar="STUDY", help=listed)
    parser.add_argument("--dataset", default="digits", help=f"one of {', '.join(SOURCES)}")
    parser.add_argument(
        "--smoke", action="store_true", help="shrink the runs to seconds; verdicts mean nothing"
    )
    parser.add_argument("--dry_run", action="store_true", help="list the runs and their costs, do nothing")
    parser.epilog = "Any field of every run's config: --config.num_epochs=5"
    cli.add_workdir(parser)
    arguments = parser.parse(argv)
    arguments.studies = getattr(arguments, "studies", None) or list(studies)
    for name in arguments.studies:
        lookup("study", name, studies)
    lookup("dataset", arguments.dataset, SOURCES)
    return arguments


def _folder(arguments: argparse.Namespace) -> str:
    """Figures of runs that were changed must not stand in the place of the study's own."""
    changes = [f"{name}={value}" for name, value in sorted(arguments.overrides.items())]
    parts = [arguments.dataset, *(["smoke"] if arguments.smoke else []), *changes]
    return "-".join(parts).replace("/", "_")


def _configs(study: Study, arguments: argparse.Namespace) -> list[ConfigDict]:
    configs = study.configs(arguments.dataset)
    every = [flatten(config) for config in configs + timed_of(study, configs)]
    fixed = {"dataset", "seed", "latent_size", *differing(every)}
    for name in fixed & set(arguments.overrides):
        raise UsageError(f"--config.{name} cannot be set here: the study itself sets it")
    shrunk = [common.smoke(config) for config in configs] if arguments.smoke else configs
    return [cli.apply_overrides(config, arguments.overrides) for config in shrunk]


def _rows(configs: Sequence[ConfigDict], workdir: pathlib.Path) -> list[Row]:
    return [row(entry.run) for entry in sweeps.plan(configs, workdir)]


def row(run: Run) -> Row:
    """Returns a finished run as a row; raises UsageError if it is not finished."""
    found = read(run)
    if found is None:
        raise UsageError(f"run '{run.path}' is not finished")
    return found


def _draw_all(
    studies: Mapping[str, Study], dataset: str, rows: Mapping[str, Sequence[Row]], output: pathlib.Path
) -> dict[str, Sequence[Claim]]:
    """Draws studies, as many at the same time as there are cores, and returns their claims."""
    processes = min(most(), len(studies))
    if processes == 1:
        return {name: _draw(study, dataset, rows[name], output) for name, study in studies.items()}
    context = multiprocessing.get_context("spawn")  # JAX has threads, which a fork would lose
    with ProcessPoolExecutor(processes, context, initializer=_begin_drawing) as pool:
        drawn = {
            name: pool.submit(_draw_module, study.__name__, dataset, rows[name], output)
            for name, study in studies.items()
        }
        return {name: future.result() for name, future in drawn.items()}


def _begin_drawing() -> None:
    """In a process that draws: a Ctrl-C is for the one that it works for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    enable_cache()


def _draw_module(name: str, dataset: str, rows: Sequence[Row], output: pathlib.Path) -> Sequence[Claim]:
    return _draw(importlib.import_module(name), dataset, rows, output)


def _draw(study: Study, dataset: str, rows: Sequence[Row], output: pathlib.Path) -> Sequence[Claim]:
    """Writes a study's figures and tables, and returns its claims."""
    report = study.report(dataset, rows)
    for stem, figure in report.figures.items():
        paths = figures.save(figure, output / stem, [row.run.id for row in rows])
        print(f"wrote {', '.join(str(path) for path in paths)}")
    for stem, table in report.tables.items():
        text = io.StringIO()
        csv.writer(text).writerows(table)
        write_whole(output / f"{stem}.csv", text.getvalue())
        print(f"wrote {output / stem}.csv")
    return report.claims


def print_claims(claims: Mapping[str, Sequence[Claim]]) -> None:
    """Prints the table of claims: verdict, number with interval, bound, statement."""
    print(f"\n{'verdict':<16}{'measured (95% CI over seeds)':<32}{'bound':<10}claim")
    for study, group in claims.items():
        for claim in group:
            print(f"{claim.verdict:<16}{claim.estimate!s:<32}{claim.bound:<10}{study}: {claim.statement}")


def _write_claims(output: pathlib.Path, claims: Mapping[str, Sequence[Claim]]) -> pathlib.Path:
    """Writes claims.csv; rows of studies that were not asked for this time stay."""
    path, text = output / "claims.csv", io.StringIO()
    kept = list(csv.reader(path.read_text().splitlines()))[1:] if path.exists() else []
    rows = [row for row in kept if row and row[0] not in claims]
    for study, group in claims.items():
        rows += [[study, c.statement, c.verdict, *c.estimate, c.bound] for c in group]
    writer = csv.writer(text)
    writer.writerow(["study", "claim", "verdict", "mean", "ci95_half_width", "seeds", "bound"])
    writer.writerows(rows)
    write_whole(path, text.getvalue())
    return path
