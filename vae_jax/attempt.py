"""One run while it trains: its lock, its metrics.jsonl, its TensorBoard events."""

import contextlib
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from vae_jax import budgets, build, checkpoints, identity
from vae_jax.config import flatten
from vae_jax.errors import DamagedError, UsageError
from vae_jax.files import check_folder
from vae_jax.formats import checksum
from vae_jax.identity import resolved_json, run_of
from vae_jax.paths import make_dir
from vae_jax.runs import Run
from vae_jax.train import Task


class Attempt:
    """A run from `hold` or `begin` to `end`.

    Attributes:
      task: at the run's own sizes.
      result: if it stands already, else None.
      trained: whether training is over, though perhaps not the evaluation.
      begun: whether its directory is there and was held.
      seconds: that its epochs took.
      mark: checksum of its newest line of metrics, with its seconds; 0 before there is one.
      how: the way it trains, on which its last digits depend; see `by_itself`.
    """

    def __init__(self, config: ConfigDict, workdir: pathlib.Path, how: dict[str, Any] | None = None):
        """Raises UsageError for a bad config; that a run is damaged, `begin` says."""
        self.how = how or by_itself(config)
        self.config, self.run = config, run_of(config, workdir)
        self.task: Task = build.task(config)
        self.result, self._damage = _result(self.run)
        self.trained = self.result is not None or checkpoints.is_intact(self.best)
        self.begun, self.seconds, self.mark = False, 0.0, 0
        self._is_held, self._held = False, contextlib.ExitStack()

    @property
    def best(self) -> pathlib.Path:
        return self.run.checkpoints / "best.npz"

    def shorter(self) -> Iterator[Run]:
        """Yields the runs whose state this one may go on from; see `budgets.shorter`."""
        return budgets.shorter(self.run, self.config, resolved_json(self.config))

    def reaches(self, epoch: int, mark: int | None = None) -> bool:
        """Whether the run's directory holds so many epochs: another launch may have begun it anew.

        Args:
          mark: as it was after `epoch`; None where the number of epochs is all that is known. Trained
            in another population, or in another place of it, the last digits of a run's losses are others.

        That it is damaged, or that another process has it, `begin` says.
        """
        if self._damage:
            return True
        if not self._is_held and self.run.is_held:
            return False
        try:
            lines = self.run.metrics()
        except DamagedError:
            return True
        there = self.run.exists and len(lines) >= epoch
        same = there and mark in (None, self._mark(lines[:epoch]))
        if self.run.exists and not same:
            print(f"'{self.run.path}' is not as its checkpoint left it: to be trained again", file=sys.stderr)
        return same

    def hold(self) -> None:
        """Takes the run's directory, which is made if need be, for this process until `end`.

        Raises:
          HeldError: another process has it.
          UsageError: it cannot be made.
        """
        if not self._is_held:
            check_folder(self.run.path)
            make_dir(self.run.path)
            self._held.enter_context(self.run.lock())
            self._is_held = True
            self.run.create(resolved_json(self.config))
            identity.remember(self.config)

    def begin(self, epoch: int, earlier: Run | None = None) -> None:
        """Makes the run's directory as it was after `epoch`, and holds it.

        Args:
          earlier: the run that trained so far, where it was another with a smaller budget.

        Raises:
          HeldError: another process has it.
          UsageError: what it holds is damaged.
        """
        if self._damage:
            raise self._damage
        self.hold()
        try:
            self.result = self.run.final_result()
            if self.result is not None:
                raise UsageError(f"run '{self.run.path}' was finished by another process just now")
            self.run.reopen()
            if earlier:
                self.run.copy_metrics(earlier)
            lines = self.run.rewind_metrics(epoch)
            self._events = self._held.enter_context(_events(self.run, self.config, lines))
        except BaseException:
            self.end()
            raise
        self.begun = True
        self.seconds, self.mark = lines[-1].get("seconds") or 0.0 if lines else 0.0, self._mark(lines)

    def record(self, epoch: int, step: int, seconds: float, metrics: dict[str, float]) -> None:
        """Writes the metrics of an epoch, which took so many seconds."""
        self.seconds += seconds
        where = {"step": step, "epoch": epoch, "seconds": round(self.seconds, 6)}
        self.mark = self.run.append_metrics(where | metrics)
        self._events.write(epoch, metrics)

    def draw(self, epoch: int, images: dict[str, Any]) -> None:
        """Writes images HxWxC in [0, 1] for TensorBoard."""
        self._events.write_images(epoch, images)

    def conclude(self, epoch: int, completed: bool, metrics: dict[str, float | None]) -> None:
        """Writes for TensorBoard how the run ended, and the metrics that it ended with."""
        self._events.write(epoch, metrics)
        self._events.end(completed)

    def sync(self) -> None:
        """Brings what is written to the disk, before a checkpoint relies on it."""
        self.run.sync_metrics()
        self._events.flush()

    def end(self) -> None:
        """Lets go of the run. What must be on the disk was brought there before, by `sync`."""
        self._is_held = False
        with contextlib.suppress(OSError):  # the events' last bytes, on a full disk
            self._held.close()

    def _mark(self, lines: list[dict[str, Any]]) -> int:
        return checksum(self.run.id, lines[-1]) if lines else 0


def by_itself(config: ConfigDict) -> dict[str, Any]:
    """Returns how a run trains that is no part of a population.

    Of any run: the id of its population, how many of that train at a time, the run's place in the order of
    all of them (from 0), the sizes that it is filled up to, and the executor; None where there is none.
    """
    sizes = {"latent_size": config.latent_size, "bottleneck_width": config.bottleneck_width}
    return {"population": None, "width": 1, "position": 0, "sizes": sizes, "executor": None}


def _result(run: Run) -> tuple[dict[str, Any] | None, UsageError | None]:
    try:
        return run.final_result(), None
    except UsageError as error:
        return None, error


def _events(run: Run, config: ConfigDict, lines: list[dict[str, Any]]) -> Any:
    """Returns a writer of events that has written the config and the epochs so far."""
    from vae_jax.tensorboard import EventWriter  # 0.2 s: only where something is trained

    writer = EventWriter(run.path)
    writer.begin(flatten(config))
    for line in lines:
        writer.write(line["epoch"], {name: value for name, value in line.items() if "/" in name})
    return writer
