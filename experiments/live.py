"""The live view of a sweep in a terminal, drawn with rich."""

import contextlib
import itertools
import math
import threading
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.watch import Tally, duration
from vae_jax import streams

REDRAWS = 2.0  # per second: so often however often a run makes an epoch
SHOWN = 8  # runs in training that are listed
KINDS = 4  # of losses whose best run is listed
STYLES = {"completed": "green", "diverged": "yellow", "failed": "bold red", "running": "cyan", "waiting": ""}


@contextlib.contextmanager
def drawn(tally: Tally, lock: threading.Lock, console: Console | None = None) -> Iterator[None]:
    """Draws a tally over and over, and leaves nothing of it in the terminal at the end.

    Args:
      lock: held by whoever changes the tally, and by this where it reads it.
      console: standard error, unless given.
    """
    console = console or streams.console(stderr=True)

    def render() -> Group:
        with lock:
            return view(tally)

    live = Live(
        get_renderable=render,
        console=console,
        refresh_per_second=REDRAWS,
        transient=True,
        redirect_stdout=False,  # it may be a file; what is printed while this is drawn goes to stderr
    )
    with live:
        yield


def view(tally: Tally) -> Group:
    """Returns a few lines: counts, a bar over epochs, time, runs in training, the best so far."""
    return Group(_counts(tally), _bar(tally), _time(tally), *_running(tally), *_best(tally))


def _counts(tally: Tally) -> Text:
    told = [
        Text(f"{number} {name}", STYLES[name])
        for name, number in tally.counts().items()
        if number or name not in ("diverged", "failed")
    ]
    return _line(Text(f"{tally.count} runs: "), Text(", ").join(told))


def _bar(tally: Tally) -> Table:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    total = max(tally.total, 1)
    share = f"{tally.done:,}/{tally.total:,} epochs {tally.done / total:4.0%}"
    row.add_row(ProgressBar(total=total, completed=tally.done), share)
    return row


def _time(tally: Tally) -> Text:
    told = [duration(tally.seconds())]
    if math.isnan(tally.speed()):
        told.append("measuring the speed and compiling" if not tally.running else "just begun")
    else:
        told += [f"about {duration(tally.seconds_left())} left", f"{tally.speed():.3g} epochs/s"]
    told += [] if math.isnan(tally.planned_seconds) else [f"planned {duration(tally.planned_seconds)}"]
    return _line(Text(", ".join(told)))


def _running(tally: Tally) -> list[Text]:
    if not tally.running:
        return []
    rows = [f"{'run':<12}  {'epoch':>9}  {'train':>8}  {'valid':>8}"]
    for run_id in itertools.islice(tally.running, SHOWN):
        epoch, metrics = tally.running[run_id]
        train, valid = (metrics.get(f"{part}/loss", math.nan) for part in ("train", "valid"))
        made = f"{epoch}/{tally.epochs[run_id]}"
        rows.append(f"{run_id:<12}  {made:>9}  {train:>8.5g}  {valid:>8.5g}  {tally.names[run_id]}")
    more = len(tally.running) - SHOWN
    rows += [f"... and {more} more"] if more > 0 else []
    return [_line(Text(row, "dim" if row is rows[0] else "")) for row in rows]


def _best(tally: Tally) -> list[Text]:
    return [
        _line(
            Text(f"best valid {best.loss:.5g}", "bold"), Text(f"  {best.run.id}  {tally.names[best.run.id]}")
        )
        for best in [*tally.best.values()][:KINDS]
    ]


def _line(*parts: Text) -> Text:
    """One line in however narrow a terminal."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        line.append_text(part)
    return line
