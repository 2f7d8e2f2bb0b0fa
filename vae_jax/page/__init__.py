"""One HTML file that shows a work directory: claims, figures, runs, curves, and decoders that run in it.

Everything is in the file: it opens from disk and asks the network for nothing. Text of configs and
results reaches it as JSON and becomes text nodes, never markup.
"""

import html
import json
import pathlib
import string
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from vae_jax.page.collect import collect
from vae_jax.paths import write_whole
from vae_jax.streams import printable

NAME = "report.html"
SCRIPTS = ("elements", "decoder", "charts", "claims", "runs", "curves", "pictures", "explorer", "main")


class Written(NamedTuple):
    """A page that was written.

    Attributes:
      left_out: why a latent space that was to be in the page is not, by the id of its run.
    """

    path: pathlib.Path
    left_out: dict[str, str]


def write(
    workdir: pathlib.Path,
    questions: Mapping[str, str],
    explore: Sequence[str] = (),
    manual_dir: pathlib.Path | None = None,
) -> Written:
    """Writes <workdir>/report.html; see `collect` for arguments and errors."""
    found = collect(workdir, questions, explore, manual_dir)
    write_whole(workdir / NAME, render(found))
    return Written(workdir / NAME, found["explorer"]["left_out"])


def render(value: Mapping[str, Any]) -> str:
    """Returns the page that shows what `collect` found."""
    from plotly.offline import get_plotlyjs  # 0.3 s: only where it is needed

    return string.Template(_asset("page.html")).substitute(
        title=html.escape(printable(value["name"])),
        style=_asset("page.css"),
        data=_json(value),
        plotly=get_plotlyjs(),
        scripts="\n".join(_asset(f"{name}.js") for name in SCRIPTS),
    )


def _json(value: Any) -> str:
    """Returns JSON that can stand in a script element: nothing in it ends one or begins a comment."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")
