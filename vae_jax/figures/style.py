"""One style for every figure: legible in a paper's column, safe for colour-blind readers."""

import contextlib
import io
import json
import math
import pathlib
import warnings
from collections.abc import Iterator, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, LogLocator, NullLocator

from vae_jax import files
from vae_jax.errors import DamagedError
from vae_jax.paths import make_dir, write_whole
from vae_jax.statistics import Estimate

PAGE, COLUMN = 7.0, 3.4  # inches: the width of a page of a paper, and of one of its two columns

# Okabe & Ito (2008), black first; then shapes, so that colour is never the only cue.
COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# Petroff (2021): ten colours that stay apart for colour-blind readers.
CLASS_COLORS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)

UNKNOWN_COLOR = "#717581"  # of an image without a class

RC = {
    "axes.grid": True,
    "axes.labelsize": 8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "figure.dpi": 200,
    "font.size": 8,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw inside this; saving keeps what was drawn."""
    with matplotlib.rc_context(RC):
        yield


def class_colors(labels_N: np.ndarray | None, count: int) -> list[str]:
    """Returns the colour of each of `count` images: that of its class, or grey where there are no labels."""
    if labels_N is None:
        return [UNKNOWN_COLOR] * count
    return [CLASS_COLORS[label % len(CLASS_COLORS)] for label in labels_N]


def subplots(columns: int, rows: int = 1, width: float = PAGE, height: float = 2.4):
    """Returns a Figure without a window, and its axes as a flat list."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def curve(
    axes: Axes, x: Sequence[float], estimates: Sequence[Estimate], label: str | None, index: int = 0
) -> None:
    """Draws means as a line with markers, and their 95% intervals as a band."""
    color = COLORS[index % len(COLORS)]
    marker = MARKERS[(index + index // len(COLORS)) % len(MARKERS)]  # no pair twice before the 50th
    axes.plot(x, [e.mean for e in estimates], marker + "-", color=color, label=label)
    if len(estimates) == 1:  # a band of one point has no width
        axes.errorbar(
            x, [e.mean for e in estimates], [e.half_width for e in estimates], color=color, capsize=2
        )
    low, high = [e.low for e in estimates], [e.high for e in estimates]
    axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)


def doubling_axis(axes: Axes, values: Sequence[float]) -> None:
    """Makes x logarithmic with ticks at `values`, written in full: at all that leave room to read them."""
    shown = _apart(sorted(values), axes.get_window_extent().width / axes.figure.dpi)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{value:g}" for value in shown])


def _apart(values: Sequence[float], inches: float) -> list[float]:
    """Returns those of the sorted `values` whose names do not overlap on a logarithmic axis."""
    whole = math.log(values[-1] / values[0]) or 1.0
    letter = whole * 0.07 / inches  # the width of one, with some air
    shown = [values[0]]
    for value in values[1:]:
        if math.log(value / shown[-1]) > letter * (len(f"{value:g}") + len(f"{shown[-1]:g}")) / 2:
            shown.append(value)
    return shown


def log_ticks(axis: Axis) -> None:
    """Writes 1, 2 and 5 times each power of ten in full."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def cost_axis(axes: Axes, unit: str = "", most: int = 3) -> None:
    """Makes x logarithmic with a few round numbers, at `most` in a decade, as 2 k, 10 k or 5 ms."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    fitting = 3 if high / low < 30 else 2 if high / low < 300 else 1
    steps = {1: (1,), 2: (1, 3), 3: (1, 2, 5)}[min(fitting, most)]
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(EngFormatter(unit))
    axes.xaxis.set_minor_locator(NullLocator())


def save(figure: Figure, stem: pathlib.Path, run_ids: Sequence[str]) -> list[pathlib.Path]:
    """Writes `stem`.png and `stem`.pdf; the ids of the runs behind it stand in the metadata."""
    make_dir(stem.parent)
    ids = json.dumps(sorted(run_ids))
    metadata = {
        "png": {"Description": f"runs {ids}"},
        "pdf": {"Keywords": f"runs {ids}", "CreationDate": None},
    }
    contents = {kind: io.BytesIO() for kind in metadata}
    with style():
        for kind, content in contents.items():
            figure.savefig(content, format=kind, metadata=metadata[kind])
    for kind, content in contents.items():
        write_whole(stem.with_name(f"{stem.name}.{kind}"), content.getvalue())
    return [stem.with_name(f"{stem.name}.{kind}") for kind in contents]


def run_ids(png: pathlib.Path) -> list[str]:
    """Returns the ids that `save` wrote into a PNG, or none where it was drawn by something else.

    Raises:
      DamagedError: the file is no PNG, or not whole.
    """
    from PIL import Image

    content = files.read(png)
    try:
        opened = Image.open(io.BytesIO(content), formats=["PNG"])
        with warnings.catch_warnings(action="error"), opened as image:
            told = str(image.info.get("Description", ""))  # `image.text` would decode it: no verifying then
            image.verify()
    except Exception:  # Pillow has many
        raise DamagedError(png) from None
    return _ids(told)


def _ids(told: str) -> list[str]:
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(told.removeprefix("runs ")) if told.startswith("runs ") else []
        return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else []
    return []
