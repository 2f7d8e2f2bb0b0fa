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
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from vae_jax import build, checkpoints, files
from vae_jax.attempt import Attempt
from vae_jax.check import check_fields
from vae_jax.compilation import shapes
from vae_jax.config import canonical, flatten, hash_text, override, read_fields, read_json
from vae_jax.errors import DamagedError, UsageError
from vae_jax.identity import resolved_json
from vae_jax.launch import Outcome, launch_together, quiet
from vae_jax.paths import becomes, is_locked, locked, make_inside, move_aside, write_whole
from vae_jax.pool import Show
from vae_jax.runs import DAMAGED, Run
from vae_jax.train import Task

FOLDER = "populations"
TOLD = "told"
ID = re.compile(r"[0-9a-f]{12}")
SIZES = ("latent_size", "bottleneck_width")  # in which runs that share a program may differ


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
        configs = [json.loads(text) for text in texts]
        return _written({"configs": configs, "sizes": self.sizes, "width": self.width})

    @property
    def id(self) -> str:
        return hash_text(self.text)[:12]

    @property
    def task(self) -> Task:
        """The program that the runs share."""
        return build.task(at_sizes(self.configs[0], self.sizes))

    def run_ids(self) -> set[str]:
        return set(self._ordered_ids())

    def _ordered_ids(self) -> list[str]:
        return [hash_text(canonical(content))[:12] for content in json.loads(self.text)["configs"]]

    def runs(self, workdir: pathlib.Path) -> dict[str, Run]:
        """Returns its runs under `workdir` by their ids, in their order, whether or not they exist."""
        return {run_id: Run(workdir / run_id) for run_id in self._ordered_ids()}

    def how(self, position: int, executor: str) -> dict[str, Any]:
        """Returns how the run at this place in the order trains; see `attempt.by_itself`."""
        sizes = dict(zip(SIZES, self.sizes, strict=True))
        place = {"population": self.id, "width": self.width, "position": position}
        return place | {"sizes": sizes, "executor": executor}

    def folder(self, workdir: pathlib.Path) -> pathlib.Path:
        return workdir / FOLDER / self.id

    def write(self, workdir: pathlib.Path) -> pathlib.Path:
        """Writes the population's file, unless it is there; returns its path.

        Only then: another launch that `remove`s it just now would take what is half-written along.
        """
        path = make_inside(workdir, FOLDER) / f"{self.id}.json"
        try:
            read(path)
        except UsageError:
            write_whole(path, self.text)
        return path

    def lock(self, workdir: pathlib.Path) -> pathlib.Path:
        return workdir / FOLDER / f"{self.id}.lock"

    def is_held(self, workdir: pathlib.Path) -> bool:
        """Whether a process trains it. Writes nothing."""
        return is_locked(self.lock(workdir))

    def remove(self, workdir: pathlib.Path) -> None:
        """Deletes its files, which none of its runs needs any more, and what a kill left half-written."""
        folder, beside = self.folder(workdir), workdir / FOLDER
        if not folder.is_symlink():
            _remove(folder / "checkpoints", lambda path: checkpoints.is_ours(becomes(path.name) or path.name))
            _remove(folder / TOLD, lambda path: path.suffix == ".jsonl")
            _remove(folder, lambda path: False)
        own = f"{self.id}.json"
        for name in (name for name in os.listdir(beside) if becomes(name) == own):
            (beside / name).unlink(missing_ok=True)
        self.lock(workdir).unlink(missing_ok=True)
        (beside / own).unlink(missing_ok=True)  # last: it is what tells the next launch of the others


def _remove(folder: pathlib.Path, is_ours: Callable[[pathlib.Path], bool]) -> None:
    """Deletes the files of our own in a folder, and the folder if that is all; never through a link."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in filter(is_ours, folder.iterdir()):
        with contextlib.suppress(OSError):
            path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def at_sizes(config: ConfigDict, sizes: Sequence[int]) -> ConfigDict:
    return override(config, dict(zip(SIZES, sizes, strict=True)))


def sizes_of(config: ConfigDict) -> tuple[int, int]:
    """Returns a run's own sizes, in the order of SIZES."""
    return config.latent_size, config.bottleneck_width


def read(path: pathlib.Path) -> Population:
    """Returns the population whose file this is; UsageError where it is missing or damaged."""
    try:
        content = _content(path)
    except FileNotFoundError:
        raise UsageError(f"cannot read '{path}'") from None
    try:
        configs = [read_json(json.dumps(fields))[0] for fields in content["configs"]]
        for config in configs:
            check_fields(flatten(config))
        latent_size, bottleneck_width = content["sizes"]
        sizes = latent_size, bottleneck_width
        return Population(tuple(configs), sizes, content["width"], _written(content))
    except (ValueError, TypeError, KeyError, AttributeError):  # its hash is right, but no config is in it
        raise DamagedError(path) from None


def _content(path: pathlib.Path) -> dict[str, Any]:
    """Returns what a population's file holds; DamagedError, or FileNotFoundError where there is none."""
    text = files.read_text(path, path.parent.parent)
    if hash_text(text)[:12] != path.stem:
        raise DamagedError(path)
    try:
        return files.parse_object(text)
    except ValueError:
        raise DamagedError(path) from None


def _written(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True) + "\n"


def planned(workdir: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Returns, by run id, the flattened config of every run of the populations that are not finished.

    Quick, for thousands: no config is built or checked. Damaged ones are left out.
    """
    texts = []
    for path in _paths(workdir):
        with contextlib.suppress(FileNotFoundError, UsageError, TypeError, KeyError, AttributeError):
            texts += [canonical(fields) for fields in _content(path)["configs"] if "seed" in fields]
    return {hash_text(text)[:12]: read_fields(text) for text in texts}


def unfinished(workdir: pathlib.Path) -> list[Population]:
    """Returns the populations that earlier launches left; see `damaged` for the others."""
    found = []
    for path in _paths(workdir):
        with contextlib.suppress(UsageError):
            found.append(read(path))
    return found


def damaged(workdir: pathlib.Path) -> list[DamagedError]:
    """Returns what is wrong with the files and folders of populations."""
    found = []
    for check, path in _checks(workdir):
        with contextlib.suppress(FileNotFoundError):
            try:
                check(path)
            except DamagedError as error:
                found.append(error)
    return found


def set_aside(workdir: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Moves damaged files and folders of populations out of the way; returns from where to where."""
    moved = []
    for path in (error.path for error in damaged(workdir)):
        with contextlib.suppress(FileNotFoundError):
            moved.append((path, move_aside(path, make_inside(workdir, DAMAGED), path.name)))
    return moved


def _checks(workdir: pathlib.Path) -> Iterator[tuple[Callable[[pathlib.Path], Any], pathlib.Path]]:
    """Yields what must be so for populations to be read and trained, and of which path."""
    yield files.check_folder, workdir / FOLDER
    for name in _names(workdir):
        path = workdir / FOLDER / name
        match name.partition("."):
            case (stem, ".", "json") if ID.fullmatch(stem):
                yield _content, path
            case (stem, ".", "lock") if ID.fullmatch(stem):
                yield files.check_file, path
            case (stem, "", "") if ID.fullmatch(stem):
                yield files.check_folder, path
                yield files.check_folder, path / TOLD


def _names(workdir: pathlib.Path) -> list[str]:
    """Returns what the folder of populations holds, if it is one."""
    folder = workdir / FOLDER
    return sorted(os.listdir(folder)) if folder.is_dir() and not folder.is_symlink() else []


def _paths(workdir: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files of populations."""
    return [workdir / FOLDER / name for name in _names(workdir) if name.endswith(".json")]


def launch(
    population: Population,
    workdir: pathlib.Path,
    manual_dir: pathlib.Path | None = None,
    show: Show = quiet,
    executor: str = "local",
) -> Iterator[Outcome]:
    """Trains what is left of a population, yielding each run's outcome; see `launch_together`.

    Where another process trains it, this one waits: it then finds the runs done, or goes on with
    them if that process died. Where another process trains a run of it in another population, the
    run's outcome is HELD: whoever waits for it holds nothing meanwhile, so that no two launches wait
    for each other. What is wrong with all of them, such as missing data, fails each.

    Args:
      executor: the name of the one that does it, for the record.
    """
    left = population.runs(workdir)
    try:
        population.write(workdir)
        with locked(population.lock(workdir)), shapes.using((population.task, population.width)):
            attempts = [
                Attempt(config, workdir, population.how(position, executor))
                for position, config in enumerate(population.configs)
            ]
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
