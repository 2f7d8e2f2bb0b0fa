"""What a study comes to: figures, tables, and claims that have a number, an interval, and a verdict."""

import math
import pathlib
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from experiments.tables import csv_text
from vae_jax.errors import DamagedError
from vae_jax.files import read_csv
from vae_jax.page.collect import CLAIMS
from vae_jax.paths import move_aside, write_whole
from vae_jax.statistics import Estimate


class Claim(NamedTuple):
    """A statement about a number, and the bound that the number must keep for it to hold.

    Attributes:
      statement: in words, with what is measured.
      estimate: mean and 95% interval of the number over seeds.
      at_least, at_most: the bound; one of the two.
    """

    statement: str
    estimate: Estimate
    at_least: float = -math.inf
    at_most: float = math.inf

    @property
    def verdict(self) -> str:
        """'reproduced' if the whole interval keeps the bound, 'not reproduced' if none of it."""
        if math.isnan(self.estimate.mean):
            return "not computed"
        low, high = self.estimate.low, self.estimate.high
        if low >= self.at_least and high <= self.at_most:
            return "reproduced"
        return "not reproduced" if high < self.at_least or low > self.at_most else "inconclusive"

    @property
    def bound(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least > -math.inf else f"≤ {self.at_most:g}"


class Report(NamedTuple):
    """What a study makes of its runs: figures and tables (rows, the first the header) by file name."""

    figures: Mapping[str, Figure]
    claims: Sequence[Claim]
    tables: Mapping[str, Sequence[Sequence[Any]]] = types.MappingProxyType({})


def print_claims(claims: Mapping[str, Sequence[Claim]]) -> None:
    """Prints the table of claims: verdict, number with interval, bound, statement."""
    print(f"\n{'verdict':<16}{'measured (95% CI over seeds)':<32}{'bound':<10}claim")
    for study, group in claims.items():
        for claim in group:
            print(f"{claim.verdict:<16}{claim.estimate!s:<32}{claim.bound:<10}{study}: {claim.statement}")


def write_claims(output: pathlib.Path, claims: Mapping[str, Sequence[Claim]]) -> pathlib.Path:
    """Writes claims.csv; rows of studies that were not asked for this time stay."""
    path = output / "claims.csv"
    rows = [list(row.values()) for row in _written(path) if row["study"] not in claims]
    for study, group in claims.items():
        rows += [[study, c.statement, c.verdict, *c.estimate, c.bound] for c in group]
    write_whole(path, csv_text([CLAIMS, *rows]))
    return path


def _written(path: pathlib.Path) -> list[dict[str, str]]:
    """Returns the rows that stand in a table of claims; a damaged one is set aside, which is said."""
    try:
        return read_csv(path, CLAIMS)
    except FileNotFoundError:
        return []
    except DamagedError as error:
        aside = move_aside(path, path.parent, f"{path.name}-damaged")
        print(f"'{error.path}' is damaged: set aside as '{aside}'", file=sys.stderr)
        return []
