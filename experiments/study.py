"""Running studies from the command line: their runs, their figures, the table of their claims.

A study is a module with a docstring (the question), `configs(dataset)` (the runs it needs) and
`report(dataset, rows)` (its figures and its claims). Where it compares seconds, `timed(configs)` are
runs that it needs beside those, each of which trains alone, before all others. Where it cannot be done
with any data set and any configs, `check(dataset, configs)` raises a UsageError that says why.
"""

import argparse
import itertools
import pathlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from ml_collections import ConfigDict

from configs import ae, common, vae
from experiments import cli
from experiments.claims import print_claims, write_claims
from experiments.drawing import Study, draw_all
from experiments.sweep import AUTO, dry_run, execute
from vae_jax import sweeps
from vae_jax.config import differing, flatten
from vae_jax.data import SOURCES, source
from vae_jax.errors import UsageError, lookup
from vae_jax.paths import make_inside
from vae_jax.results import Row, read, select
from vae_jax.runs import Run

ONE_AT_A_TIME = "local:1"  # executor of the runs whose seconds are compared


def families(dataset: str) -> dict[str, ConfigDict]:
    """The two models that the studies set side by side, both on grey pixels.

    The VAE's likelihood is Gaussian, so that both rebuild real values and the mean squared error
    compares them; with a learned σ, but for large images (see `configs/vae.py`).
    """
    pixels = "smooth" if dataset == "trees" else "grey"
    return {"autoencoder": ae.get_config(dataset), "VAE": vae.get_config(f"{dataset},{pixels}")}


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
    workdir = cli.writable(arguments.workdir)
    needed = _needed(studies, arguments)
    chosen = {name: studies[name] for name in needed}
    timed = {name: timed_of(study, needed[name]) for name, study in chosen.items()}
    alone, others = (list(itertools.chain(*configs.values())) for configs in (timed, needed))
    if arguments.dry_run:
        for configs, by_itself in ((alone, True), (others, False)):
            if configs or not alone:
                how = ONE_AT_A_TIME if by_itself else AUTO
                dry_run(sweeps.plan(configs, workdir), workdir, how, by_itself)
        return 0
    outcomes = _train(alone, others, workdir, arguments.manual_dir)
    if not all(outcome.status == "completed" for outcome in outcomes):
        return cli.fail(
            "no figures: some runs did not complete; the same command tries the failed ones again", 1
        )
    output = make_inside(workdir, "figures", _folder(arguments))
    rows = {name: _rows(needed[name] + timed[name], workdir) for name in chosen}
    claims = draw_all(chosen, arguments.dataset, rows, output)
    print_claims(claims)
    print(f"wrote {write_claims(output, claims)}")
    at_end(arguments)
    verdicts = [claim.verdict for group in claims.values() for claim in group]
    return 0 if set(verdicts) <= {"reproduced", "inconclusive"} else 1


def _needed(studies: Mapping[str, Study], arguments: argparse.Namespace) -> dict[str, list[ConfigDict]]:
    """Returns the configs of each study asked for; where all are, of those that suit the data set."""
    needed, asked = {}, arguments.studies or list(studies)
    for name in asked:
        configs = _configs(studies[name], arguments, alone=len(asked) == 1)
        check = getattr(studies[name], "check", None)
        try:
            if check:
                check(arguments.dataset, configs)
            needed[name] = configs
        except UsageError as error:
            if arguments.studies or len(studies) == 1:
                raise
            print(f"left out: {error}", file=sys.stderr)
    return needed


def require_classes(study: str, dataset: str, count: int) -> None:
    """Raises UsageError unless the data set has labels of `count` classes or more."""
    found = len(source(dataset).classes)
    if found < count:
        has = f"has {found} of them" if found else "has none"
        raise UsageError(
            f"study '{study}' needs labels of {count} classes or more, data set '{dataset}' {has}"
        )


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
    plan = sweeps.plan(alone, workdir)
    outcomes = execute(plan, workdir, manual_dir, ONE_AT_A_TIME, alone=True) if alone else []
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
    parser.epilog = "Any field of every run's config: --config.batch_size=64"
    cli.add_workdir(parser)
    arguments = parser.parse(argv)
    arguments.studies = getattr(arguments, "studies", None) or []
    for name in arguments.studies:
        lookup("study", name, studies)
    lookup("dataset", arguments.dataset, SOURCES)
    return arguments


def _folder(arguments: argparse.Namespace) -> str:
    """Figures of runs that were changed must not stand in the place of the study's own."""
    changes = [f"{name}={value}" for name, value in sorted(arguments.overrides.items())]
    parts = [arguments.dataset, *(["smoke"] if arguments.smoke else []), *changes]
    return "-".join(parts).replace("/", "_")


def _configs(study: Study, arguments: argparse.Namespace, alone: bool) -> list[ConfigDict]:
    configs = study.configs(arguments.dataset)
    every = [flatten(config) for config in configs + timed_of(study, configs)]
    if not every:  # nothing is trained: what is misspelled is refused all the same
        cli.apply_overrides(common.base(arguments.dataset), arguments.overrides)
        _check_needed(study, arguments.overrides if alone else ())
    fixed = {"dataset", "seed", "latent_size", *differing(every)}
    for name in fixed & set(arguments.overrides):
        study_name = pathlib.Path(study.__file__).stem
        raise UsageError(f"--config.{name} cannot be set here: the study '{study_name}' itself sets it")
    shrunk = [common.smoke(config) for config in configs] if arguments.smoke else configs
    return [cli.apply_overrides(config, arguments.overrides) for config in shrunk]


def _check_needed(study: Study, names: Iterable[str]) -> None:
    """Raises UsageError for a field that is set for a study that trains nothing."""
    for name in names:
        study_name = pathlib.Path(study.__file__).stem
        raise UsageError(f"--config.{name} cannot be set here: the study '{study_name}' trains nothing")


def _rows(configs: Sequence[ConfigDict], workdir: pathlib.Path) -> list[Row]:
    return [row(entry.run) for entry in sweeps.plan(configs, workdir)]


def row(run: Run) -> Row:
    """Returns a finished run as a row; raises UsageError if it is not finished."""
    found = read(run)
    if found is None:
        raise UsageError(f"run '{run.path}' is not finished")
    return found
