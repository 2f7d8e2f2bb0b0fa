"""Models of several sizes in one program: the smaller are filled up with zeros to the largest.

It is exact for the parts of this package, not for any: `sweeps.filling` tries it before runs share one.
The parameters of a smaller model are the leading corner of the larger one's; the rest is 0 and, with its
gradient masked, stays 0. A unit filled in then feeds nothing on, gets no gradient, and adds
KL(N(0, 1)‖N(0, 1)) = 0; no random number changes, because parameters are drawn at the model's own size and
the noise of a latent dimension does not depend on how many there are.
"""

from typing import Any

import jax
import numpy as np


def pad(tree: Any, like: Any) -> Any:
    """Returns `tree` with every array filled up with zeros to the shape of its partner in `like`."""
    return jax.tree.map(_padded, tree, like)


def crop(tree: Any, like: Any) -> Any:
    """Undoes `pad`: the leading corner of every array, of the shape of its partner in `like`."""
    return jax.tree.map(_cropped, tree, like)


def mask(tree: Any, like: Any) -> Any:
    """Returns float32 arrays of the shapes in `like`: 1 where `tree` has a number, else 0."""
    return pad(jax.tree.map(lambda x: np.ones(x.shape, np.float32), tree), like)


# With NumPy, because every shape would be a program to compile; random keys, which it does not
# know, have the same shape in all models.


def _padded(x: Any, to: Any) -> Any:
    if x.shape == to.shape:
        return x
    return np.pad(np.asarray(x), [(0, large - small) for small, large in zip(x.shape, to.shape, strict=True)])


def _cropped(x: Any, to: Any) -> Any:
    return x if x.shape == to.shape else np.asarray(x)[tuple(slice(side) for side in to.shape)]
