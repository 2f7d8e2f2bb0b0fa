"""Drawing studies from their finished runs, as many at the same time as there are cores."""

import importlib
import multiprocessing
import os
import pathlib
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Protocol

from ml_collections import ConfigDict

from experiments.claims import Claim, Report
from experiments.tables import csv_text
from vae_jax import figures, streams
from vae_jax.compilation import set_up
from vae_jax.paths import write_whole
from vae_jax.results import Row
from vae_jax.sweeps.cores import most
from vae_jax.sweeps.worker import end_with


class Study(Protocol):
    """The module of a study."""

    __name__: str
    __file__: str
    __doc__: str
    configs: Callable[[str], list[ConfigDict]]
    report: Callable[[str, Sequence[Row]], Report]


def draw_all(
    studies: Mapping[str, Study], dataset: str, rows: Mapping[str, Sequence[Row]], output: pathlib.Path
) -> dict[str, Sequence[Claim]]:
    """Draws studies, as many at the same time as there are cores, and returns their claims."""
    processes = min(most(), len(studies))
    if processes == 1:
        return {name: _draw(study, dataset, rows[name], output) for name, study in studies.items()}
    context = multiprocessing.get_context("spawn")  # JAX has threads, which a fork would lose
    pool = ProcessPoolExecutor(processes, context, initializer=_begin, initargs=[os.getpid()])
    try:
        # A Ctrl-C is for the process that they work for. They begin with what is blocked here.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        drawn = {
            name: pool.submit(_draw_module, study.__name__, dataset, rows[name], output)
            for name, study in studies.items()
        }
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return {name: future.result() for name, future in drawn.items()}
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """In a process that draws, for the process `parent`."""
    end_with(parent)
    streams.set_up()
    set_up()


def _draw_module(name: str, dataset: str, rows: Sequence[Row], output: pathlib.Path) -> Sequence[Claim]:
    return _draw(importlib.import_module(name), dataset, rows, output)


def _draw(study: Study, dataset: str, rows: Sequence[Row], output: pathlib.Path) -> Sequence[Claim]:
    """Writes a study's figures and tables, and returns its claims."""
    report = study.report(dataset, rows)
    for stem, figure in report.figures.items():
        paths = figures.save(figure, output / stem, [row.run.id for row in rows])
        print(f"wrote {', '.join(str(path) for path in paths)}")
    for stem, table in report.tables.items():
        write_whole(output / f"{stem}.csv", csv_text(table))
        print(f"wrote {output / stem}.csv")
    return report.claims
