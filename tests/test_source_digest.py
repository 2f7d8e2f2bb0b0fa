import functools
import importlib.util
import itertools

import numpy as np
import optax
import pytest
from flax import linen as nn

from vae_jax import check, evaluate, objectives
from vae_jax.errors import UsageError
from vae_jax.source_digest import digest, is_own

counter = itertools.count()

BASE = """
import functools
import math

import numpy as np

from vae_jax import objectives

WIDTH = 3
TABLE = np.arange(3)
OTHER = 1


class Base:
    def __call__(self, x):
        return helper(x)


class Part(Base):
    width = WIDTH

    def again(self, x):
        return math.exp(x) + TABLE[0]


def helper(x):
    return 2 * x


def unused(x):
    return x


def loss(terms, beta=0.5):
    return helper(terms) * beta


def made(factor):
    def inner(x):
        return factor * x

    return inner


scaled = made(2.0)


@functools.wraps(objectives.elbo)
def wrapping(terms, beta):
    return objectives.elbo(terms, 7 * beta)
"""


def module(tmp_path, changes=None):
    """A user's module, some of its text replaced."""
    text = BASE
    for before, after in (changes or {}).items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    path = tmp_path / f"own_{next(counter)}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[path.stem] = found
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize("name", ["Part", "loss", "scaled"])
def test_same_code_has_the_same_digest_wherever_it_stands(tmp_path, name):
    one, other = module(tmp_path), module(tmp_path, {"OTHER = 1": "OTHER = 2\n\n# further down"})
    assert digest(getattr(one, name)) == digest(getattr(other, name))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Part", {"WIDTH = 3": "WIDTH = 4"}),
        ("Part", {"np.arange(3)": "np.arange(4)"}),
        ("Part", {"2 * x": "3 * x"}),  # what its base class calls
        ("Part", {"return helper(x)": "return 0 * helper(x)"}),
        ("Part", {"math.exp": "math.sin"}),
        ("loss", {"2 * x": "3 * x"}),
        ("loss", {"beta=0.5": "beta=0.6"}),
        ("wrapping", {"7 * beta": "8 * beta"}),
        ("scaled", {"made(2.0)": "made(3.0)"}),
        ("scaled", {"return factor * x": "return factor + x"}),
    ],
)
def test_other_code_has_another_digest(tmp_path, name, changes):
    one, other = module(tmp_path), module(tmp_path, changes)
    assert digest(getattr(one, name)) != digest(getattr(other, name))


@pytest.mark.parametrize("name", ["Part", "loss", "scaled"])
def test_what_a_part_does_not_use_is_no_matter(tmp_path, name):
    one, other = (
        module(tmp_path),
        module(tmp_path, {"def unused(x):\n    return x": "def unused(x):\n    return -x"}),
    )
    assert digest(getattr(one, name)) == digest(getattr(other, name))


def test_part_in_a_container_or_a_partial_is_found(tmp_path):
    one, other = module(tmp_path), module(tmp_path, {"2 * x": "3 * x"})
    for wrapped in (
        lambda m: objectives.Objective(m.loss, uses_kl=True, uses_likelihood=True),
        lambda m: functools.partial(m.loss, beta=2.0),
        lambda m: optax.join_schedules([m.loss], []),
    ):
        assert is_own(wrapped(one))
        assert digest(wrapped(one)) != digest(wrapped(other))
    assert digest(functools.partial(one.loss, beta=2.0)) != digest(functools.partial(one.loss, beta=3.0))


def test_no_part_of_the_package_is_own():
    found = [name for name, table in check.NAMES.items() for part in table.values() if is_own(part)]
    assert found == []
    assert not any(map(is_own, evaluate.EVALUATIONS))
    assert not any(map(is_own, (nn.relu, np.sum, optax.adam, 3.0, "text")))


def test_code_without_a_file_is_refused():
    space = {}
    exec("def made_up(x):\n    return x\n", space)
    with pytest.raises(UsageError, match="made_up has no source file"):
        digest(space["made_up"])
