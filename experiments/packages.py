"""The package `configs` beside this one, also where the user has a package or module of that name.

Python looks into the current directory first. A user's `experiments.py` there hides this whole package,
before a line of it runs: then `python -P -m experiments.NAME` helps, which leaves that directory out.
"""

import importlib.util
import pathlib
import sys
from importlib.machinery import PathFinder

BESIDE = pathlib.Path(__file__).parent.parent  # the folder that holds both packages


def use_own_configs() -> None:
    """Imports the package `configs` that belongs here; says so where another one would have been found.

    A process that has imported the other one already keeps it.
    """
    own = PathFinder.find_spec("configs", [str(BESIDE)])
    if own is None or "configs" in sys.modules:
        return
    found = importlib.util.find_spec("configs")
    if found is not None and found.origin == own.origin:
        return
    module = importlib.util.module_from_spec(own)
    sys.modules["configs"] = module
    own.loader.exec_module(module)
    if found is not None and sys.argv[:1] == ["-m"]:
        place = found.origin or next(iter(found.submodule_search_locations), "")
        print(
            f"note: 'configs' is vae_jax's own package here, not '{place}'; rename yours to import from it",
            file=sys.stderr,
        )
