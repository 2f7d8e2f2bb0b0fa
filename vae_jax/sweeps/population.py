"""A population as a file: the runs that train together, complete enough for any process to train them.

<workdir>/populations/<id>.json         the population
                      <id>.lock         held by the process that trains it
                      <id>/checkpoints  of all its runs together
                           told/        what workers in other processes say of its runs
"""

import contextlib
import dataclasses
import functools
import json
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from ml_collections import ConfigDict

from vae_jax import build
from vae_jax.attempt import Attempt
from vae_jax.config import canonical, hash_text, override, read_fields, read_json
from vae_jax.errors import UsageError
from vae_jax.identity import resolved_json
from vae_jax.launch import Outcome, launch_together, quiet
from vae_jax.paths import locked, make_dir, write_whole
from vae_jax.pool import Show
from vae_jax.runs import Run
from vae_jax.train import Task

FOLDER = "populations"


@dataclasses.dataclass(frozen=True)
class Population:
    """Runs of one data set whose programs differ in sizes alone.

    Attributes:
      configs: of its runs, in the order in which they train.
      sizes: the largest `latent_size` and `bottleneck_width`, to which all are filled up.
      width: how many train at once.
      written: the content of its file, where it was read from one: its runs may be of data or parts
        that are not here.
    """

    configs: tuple[ConfigDict, ...]
    sizes: tuple[int, int]
    width: int
    written: str = dataclasses.field(default="", compare=False)

    @functools.cached_property
    def text(self) -> str:
        """The content of population.json."""
        if self.written:
            return self.written
        texts = map(resolved_json, self.configs)
        content = {"configs": [json.loads(text) for text in texts], "sizes": self.sizes, "width": self.width}
        return json.dumps(content, sort_keys=True) + "\n"

    @property
    def id(self) -> str:
        return hash_text(self.text)[:12]

    @property
    def task(self) -> Task:
        """The program that the runs share."""
        return build.task(at_sizes(self.configs[0], self.sizes))

    def run_ids(self) -> set[str]:
        return {hash_text(canonical(content))[:12] for content in json.loads(self.text)["configs"]}

    def runs(self, workdir: pathlib.Path) -> dict[str, Run]:
        """Returns its runs under `workdir` by their ids, whether or not they exist."""
        return {run_id: Run(workdir / run_id) for run_id in self.run_ids()}

    def folder(self, workdir: pathlib.Path) -> pathlib.Path:
        return workdir / FOLDER / self.id

    def write(self, workdir: pathlib.Path) -> pathlib.Path:
        """Writes the population's file, unless it is there; returns its path.

        Only then: another launch that `remove`s it just now would take what is half-written along.
        """
        path = make_dir(workdir / FOLDER) / f"{self.id}.json"
        try:
            read(path)
        except UsageError:
            write_whole(path, self.text)
        return path

    def lock(self, workdir: pathlib.Path) -> pathlib.Path:
        return workdir / FOLDER / f"{self.id}.lock"

    def is_held(self, workdir: pathlib.Path) -> bool:
        """Whether a process trains it. Writes nothing."""
        if not self.lock(workdir).exists():
            return False
        try:
            with locked(self.lock(workdir), wait=False):
                return False
        except BlockingIOError:
            return True

    def remove(self, workdir: pathlib.Path) -> None:
        """Deletes its files, which none of its runs needs any more, and what a kill left half-written."""
        shutil.rmtree(self.folder(workdir), ignore_errors=True)
        own = workdir / FOLDER / f"{self.id}.json"
        for path in (workdir / FOLDER).glob(f"*{self.id}.*"):
            if path != own:
                path.unlink(missing_ok=True)
        own.unlink(missing_ok=True)  # last: it is what tells the next launch of the others


def at_sizes(config: ConfigDict, sizes: Sequence[int]) -> ConfigDict:
    return override(config, dict(zip(("latent_size", "bottleneck_width"), sizes, strict=True)))


def read(path: pathlib.Path) -> Population:
    """Returns the population whose file this is; UsageError where it is missing or damaged."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read '{path}'") from error
    if hash_text(text)[:12] != path.stem:
        raise UsageError(f"'{path}' is damaged: delete it and run again")
    content = json.loads(text)
    configs = [read_json(json.dumps(fields))[0] for fields in content["configs"]]
    return Population(tuple(configs), tuple(content["sizes"]), content["width"], text)


def planned(workdir: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Returns, by run id, the flattened config of every run of the populations that are not finished.

    Quick, for thousands: no config is built or checked.
    """
    texts = []
    for path in (workdir / FOLDER).glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            texts += [canonical(content) for content in json.loads(path.read_text())["configs"]]
    return {hash_text(text)[:12]: read_fields(text) for text in texts}


def unfinished(workdir: pathlib.Path) -> list[Population]:
    """Returns the populations that earlier launches left; damaged ones are no loss and are skipped."""
    found = []
    for path in sorted((workdir / FOLDER).glob("*.json")):
        with contextlib.suppress(UsageError):
            found.append(read(path))
    return found


def launch(
    population: Population,
    workdir: pathlib.Path,
    manual_dir: pathlib.Path | None = None,
    show: Show = quiet,
) -> Iterator[Outcome]:
    """Trains what is left of a population, yielding each run's outcome; see `launch_together`.

    Where another process trains it, this one waits: it then finds the runs done, or goes on with
    them if that process died. What is wrong with all of them, such as missing data, fails each.
    """
    left = population.runs(workdir)
    try:
        population.write(workdir)
        with locked(population.lock(workdir)):
            attempts = [Attempt(config, workdir) for config in population.configs]
            _check_same(population, attempts)
            folder, task = population.folder(workdir) / "checkpoints", population.task
            for outcome in launch_together(attempts, task, population.width, folder, manual_dir, show):
                left.pop(outcome.run.id, None)
                yield outcome
    except Exception as error:
        yield from (Outcome(run, "failed", {}, error) for run in left.values())


def _check_same(population: Population, attempts: Sequence[Attempt]) -> None:
    """Raises UsageError where this process has other parts or data than the one that made the population."""
    if {attempt.run.id for attempt in attempts} != population.run_ids():
        raise UsageError("parts or data of its runs have changed since it was launched: launch it again")
