"""The host's loop over the epochs of a population: runs that train together in one program.

There is a fixed number of slots. A run that finishes makes room for the next one in the queue; when
the queue is empty, the runs that are left move together: into half as many slots each time, or an
eighth less where that pays.

The same plan, the same place in it and the same type of processor give a run the same bits, whatever was
killed meanwhile. In another place, or among others, its sums may be added up in another order: one step is
then the same to rounding, and over a training that grows.
"""

import math
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import budgets, build, checkpoints, cost, devices, fit, padding
from vae_jax.attempt import Attempt
from vae_jax.errors import HeldError, UsageError
from vae_jax.runs import DAMAGED, Run
from vae_jax.train import Task

CHECKPOINT_SECONDS = 10.0  # at most so much training is lost by a kill,
CHECKPOINT_SHARE = 0.05  # unless writing would take more than this share of the time
IDLE = -1
WORTH_A_PROGRAM = {"cpu": 4e12, "gpu": 1e14}  # FLOPs of idle slots that take longer than to compile one

Show = Callable[[Run, int, dict[str, float]], None]
Ended = tuple[Attempt, fit.Progress | UsageError]


def train(
    task: Task, attempts: Sequence[Attempt], images: fit.Images, width: int, folder: pathlib.Path, show: Show
) -> Iterator[Ended]:
    """Trains every run, yielding each with its progress, or with the error that kept it out.

    Args:
      task: at the largest sizes of all.
      attempts: the runs, in the order in which they get a slot.
      images: shared by all.
      width: number of slots.
      folder: where the population is checkpointed as a whole, to go on from to the same bits.
      show: called for every run after each of its epochs, with the metrics.
    """
    pool = Pool(task, attempts, images, width, show)
    yield from pool.restore(folder)
    yield from pool.fill()
    due = time.perf_counter() + CHECKPOINT_SECONDS
    while (slots := pool.busy()).size and pool.has_work():
        pool.advance(slots)
        yield from pool.finished()
        yield from pool.fill()
        if time.perf_counter() > due and pool.busy().size:
            began = time.perf_counter()
            pool.save(folder)
            took = time.perf_counter() - began
            due = time.perf_counter() + max(CHECKPOINT_SECONDS, took / CHECKPOINT_SHARE)
    pool.leave(folder)


class Tick(NamedTuple):
    """An epoch of the runs that were in slots, a value for each: what they give, and where they are."""

    attempts: Sequence[Attempt]
    seconds: float
    metrics: dict[str, np.ndarray]
    where: dict[str, np.ndarray]


class Pool:
    """The slots of a population, and the queue before them.

    What an epoch gives is told (written and shown) while the next one computes.

    Attributes:
      slots: for each slot, the index of its run, or IDLE.
      queue: indices of the runs that wait for one.
      elsewhere: indices of the runs that another process trains.
      members: what is trained in the slots, a leading axis on every array.
      ticks: epochs that the population has made.
    """

    def __init__(self, task: Task, attempts: Sequence[Attempt], images: fit.Images, width: int, show: Show):
        self.task, self.attempts, self.images, self._show = task, attempts, images, show
        self.slots = np.full(min(width, len(attempts)), IDLE, np.int32)
        self.queue, self.elsewhere = list(range(len(attempts))), []
        self.ticks = self._kept = 0
        self._untold: Tick | None = None
        self._over = np.zeros(len(self.slots), bool)
        self._padded = any(attempt.task != task for attempt in attempts)
        self._shapes = self._shapes_of(task)
        self.members = fit.repeat(self._member(attempts[0]), len(self.slots))  # idle, for their shapes

    def busy(self) -> np.ndarray:
        """Returns the slots that hold a run."""
        return np.flatnonzero(self.slots != IDLE)

    def has_work(self) -> bool:
        """Whether any run is not trained yet; the others only keep company."""
        return any(not self.attempts[index].trained for index in [*self.slots[self.busy()], *self.queue])

    def fill(self) -> Iterator[Ended]:
        """Gives idle slots to the runs that wait; yields those that cannot begin."""
        for slot in np.flatnonzero(self.slots == IDLE):
            while self.queue and self.slots[slot] == IDLE:
                yield from self._seat(slot, self.queue.pop(0))

    def advance(self, slots: np.ndarray) -> None:
        """Trains the runs in these slots for an epoch."""
        began = time.perf_counter()
        rows, after = self._compute(slots)
        try:
            self.tell()
        finally:
            jax.block_until_ready(after)  # an error must not leave it computing: the process may end
        metrics, where = jax.tree.map(lambda leaf: leaf[rows], jax.device_get(after))
        attempts = [self.attempts[index] for index in self.slots[slots]]
        self._untold = Tick(attempts, (time.perf_counter() - began) / len(slots), metrics, where)
        self._over[slots] = where["finished"]
        self.ticks += 1

    def tell(self) -> None:
        """Writes and shows what the last epoch gave, if that is not done yet."""
        tick, self._untold = self._untold, None
        for row, attempt in enumerate(tick.attempts if tick else ()):
            if not attempt.trained:
                epoch, step = int(tick.where["epoch"][row]), int(tick.where["step"][row])
                metrics = {name: float(values[row]) for name, values in tick.metrics.items()}
                attempt.record(epoch, step, tick.seconds, metrics)
                self._show(attempt.run, epoch, metrics)

    def finished(self) -> Iterator[Ended]:
        """Frees the slots of the runs that are finished and yields these, at their own sizes."""
        over = self.busy()[self._over[self.busy()]]
        if over.size:
            self.tell()
        for slot in over:
            attempt = self.attempts[self.slots[slot]]
            self.slots[slot] = IDLE
            if not attempt.trained:
                progress = fit.take(self.members.progress, slot)
                yield attempt, padding.crop(progress, self._shapes_of(attempt.task))

    def save(self, folder: pathlib.Path) -> None:
        """Checkpoints all slots at once, so that what goes on from there is one moment's state."""
        self.tell()
        for attempt in (self.attempts[self.slots[slot]] for slot in self.busy()):
            if not attempt.trained:
                attempt.sync()
        checkpoints.save_numbered(folder, self.ticks, self._content())

    def leave(self, folder: pathlib.Path) -> None:
        """Keeps which runs are left to another process: who takes them over trains these alone."""
        if self.elsewhere and self.ticks > self._kept:
            self.slots[:] = IDLE
            self.save(folder)

    def restore(self, folder: pathlib.Path) -> Iterator[Ended]:
        """Goes on from the newest checkpoint, if there is one; yields runs that cannot.

        A run that ended between that checkpoint and a kill trains along, unheard, to its end: what
        else shares the program, and when, must not depend on a kill. Runs that failed come last.
        """
        aside = self.attempts[0].run.path.parent / DAMAGED
        saved = checkpoints.restore_newest(folder, self._content(), aside)
        self.ticks = self._kept = int(saved["ticks"])
        seated, waiting = np.asarray(saved["slots"]), np.asarray(saved["waiting"])
        gone = [index for index in self.queue if not waiting[index] and index not in seated]
        self.queue = [index for index in self.queue if waiting[index]]
        self.queue += [index for index in gone if not self.attempts[index].trained]
        for slot, index in enumerate(seated):
            if index != IDLE:
                attempt, progress = self.attempts[index], fit.take(saved["progress"], slot)
                known = attempt.trained or attempt.reaches(int(progress.epoch), int(saved["marks"][slot]))
                yield from self._seat(slot, index, progress if known else None)

    def _content(self) -> dict[str, Any]:
        waiting = np.isin(np.arange(len(self.attempts)), self.queue + self.elsewhere)
        marks = [0 if index == IDLE else self.attempts[index].mark for index in self.slots]
        where = {"slots": self.slots.copy(), "waiting": waiting, "ticks": np.int32(self.ticks)}
        return {"progress": self.members.progress, "marks": np.array(marks, np.uint32)} | where

    def _seat(self, slot: int, index: int, progress: fit.Progress | None = None) -> Iterator[Ended]:
        attempt, earlier = self.attempts[index], None
        if progress is None:
            earlier, progress = self._earlier(attempt)
        try:
            if not attempt.trained:
                attempt.begin(0 if progress is None else int(progress.epoch), earlier)
        except UsageError as error:
            self.elsewhere += [index] if isinstance(error, HeldError) else []
            yield attempt, error
            return
        member = self._member(attempt)
        member = member if progress is None else member.replace(progress=progress)
        self.members = fit.put(self.members, slot, member)
        self.slots[slot] = index

    def _earlier(self, attempt: Attempt) -> tuple[Run | None, fit.Progress | None]:
        """Returns the longest run of the same training with a smaller budget, and its state.

        Those of this population do not count: whether they have ended yet would depend on a kill.
        """
        for run in attempt.shorter():
            if run not in [own.run for own in self.attempts]:
                progress = budgets.state(run, lambda: self._shapes_of(attempt.task))
                if progress is not None:
                    return run, padding.pad(progress, self._shapes)
        return None, None

    def _member(self, attempt: Attempt) -> fit.Member:
        """Returns a run before its first epoch, filled up to the population's sizes."""
        config = attempt.config
        hyper, progress = build.hyper(config), fit.start(attempt.task, config.seed, self.images)
        if self._padded:
            hyper = hyper.replace(mask=padding.mask(progress.state.params, self._shapes.state.params))
            progress = padding.pad(progress, self._shapes)
        return fit.Member(hyper, build.limits(config), progress)

    def _shapes_of(self, task: Task) -> fit.Progress:
        return fit.shapes(task, self.images.train.shape[1:])

    def _count(self, slots: np.ndarray) -> int:
        """Returns with how many slots to compute: every number is a program to compile.

        By what is left to do, and no clock: a run that goes on after a kill must compute with as many.
        """
        count, least = len(self.slots), len(slots)
        part = max(1, count // 8)
        finer = math.ceil(least / part) * part
        while count > 2 and count >= 2 * least:
            count //= 2
        worth = WORTH_A_PROGRAM["cpu" if jax.default_backend() == "cpu" else "gpu"]
        return finer if finer < count and part * self._flops_left(slots) > worth else count

    def _flops_left(self, slots: np.ndarray) -> float:
        """Returns the work of the run among these that has most left, at the population's sizes."""
        members = fit.take(self.members, slots)
        epochs = np.max(members.limits.num_epochs - members.progress.epoch)
        images = self.images.train.shape
        return float(epochs) * images[0] * cost.cost(self.task, images[1:]).flops_per_image

    def _compute(self, slots: np.ndarray) -> tuple[np.ndarray, Any]:
        """Begins an epoch of the runs in these slots; returns their rows in what comes of it, and that."""
        count = self._count(slots)
        if count == len(self.slots):
            self.members, *after = devices.advance(self.task, self.images, self.members)
            return slots, after
        chosen = np.resize(slots, count)  # a run that comes up twice is put back twice, the same
        part, *after = devices.advance(self.task, self.images, fit.take(self.members, chosen))
        self.members = fit.put(self.members, chosen, part)
        return np.arange(len(slots)), after
