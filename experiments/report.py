"""One page of everything in a work directory: claims, figures, runs, curves, decoders to walk in.

    python -m experiments.report results
    python -m experiments.report results --explore=0123456789ab,ba9876543210

Writes DIR/report.html, one file that opens from disk without a network: the tables of claims and
the figures that studies left there, the runs as a table to sort, filter and pick curves from, and
the latent spaces of some of them, decoded in the page. --explore names the runs to take for that;
else up to twelve are chosen, those behind the latent maps and with small codes first. Trains nothing.
"""

import pathlib
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

from experiments import cli
from vae_jax import page


def main(argv: Sequence[str]) -> int:
    from experiments.reproduce import STUDIES  # which ends by this report

    parser = cli.parser(__doc__)
    parser.add_argument("dir", type=pathlib.Path, metavar="DIR", help="work directory of runs")
    parser.add_argument(
        "--explore", default="", metavar="RUN,...", help="runs whose latent spaces can be walked in"
    )
    cli.add_import(parser)
    cli.add_manual_dir(parser)
    arguments = parser.parse(argv, overridable=False)
    cli.import_own(arguments)
    wanted = [run.strip() for run in arguments.explore.split(",") if run.strip()]
    write(arguments.dir, STUDIES, wanted, arguments.manual_dir)
    return 0


def write(
    workdir: pathlib.Path,
    studies: Mapping[str, ModuleType],
    explore: Sequence[str] = (),
    manual_dir: pathlib.Path | None = None,
) -> None:
    """Writes the page of `workdir` and prints its path; `studies` give their figures a question."""
    path, left_out = page.write(workdir, questions(studies), explore, manual_dir)
    for run, why in left_out.items():
        print(f"latent space of {run} left out: {why}", file=sys.stderr)
    print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB): open it in a browser")


def questions(studies: Mapping[str, ModuleType]) -> dict[str, str]:
    """Returns the first paragraph of each study's docstring: what it asks."""
    return {name: study.__doc__.split("\n\n")[0] for name, study in studies.items()}


if __name__ == "__main__":
    cli.run(main)
