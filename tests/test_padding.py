import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import ae, vae
from vae_jax import build, fit, padding
from vae_jax.config import override

few = settings(max_examples=25, deadline=None)
sides = st.lists(st.integers(0, 4), min_size=0, max_size=3)
PIXELS = np.random.default_rng(0).integers(0, 17, (20, 8, 8, 1)).astype(np.uint8)
IMAGES = fit.Images(jnp.asarray(PIXELS), jnp.asarray(PIXELS[:6] > 8, jnp.float32))
BASE = {"batch_size": 5, "num_epochs": 4, "learning_rate": 1e-2}


@given(sides, st.data())
@few
def test_cropping_undoes_padding(small, data):
    large = [side + data.draw(st.integers(0, 3)) for side in small]
    tree = {"a": jnp.arange(1.0, 1 + np.prod(small)).reshape(small)}
    like = {"a": jax.ShapeDtypeStruct(tuple(large), jnp.float32)}
    padded = padding.pad(tree, like)
    assert padded["a"].shape == tuple(large)
    assert jnp.count_nonzero(padded["a"]) == np.prod(small)
    np.testing.assert_array_equal(padding.crop(padded, tree)["a"], tree["a"])
    np.testing.assert_array_equal(padding.mask(tree, like)["a"], padded["a"] != 0)


def member(config, task):
    """A run before its first epoch, filled up to the sizes of `task`."""
    progress = fit.start(build.task(config), config.seed, IMAGES)
    like = fit.shapes(task, IMAGES.train.shape[1:])
    hyper = build.hyper(config).replace(mask=padding.mask(progress.state.params, like.state.params))
    return fit.Member(hyper, build.limits(config), padding.pad(progress, like))


def train(task, members, num_epochs=4):
    told = []
    for _ in range(num_epochs):
        members, metrics, _ = fit.advance(task, IMAGES, members)
        told.append({name: float(values[0]) for name, values in metrics.items()})
    return fit.take(members.progress, 0), told


FAMILIES = {
    "vae": vae.get_config(),
    "vae of learned sigma": vae.get_config("grey"),
    "autoencoder": ae.get_config(),
    "conv": override(
        vae.get_config("conv"), {f"{side}.hidden_sizes": (2, 3) for side in ("encoder", "decoder")}
    ),
    "weight decay and clipping": override(
        vae.get_config(), {"optimizer.weight_decay": 0.1, "optimizer.max_grad_norm": 1.0}
    ),
}
FAMILIES |= {
    name: override(vae.get_config(), {f"{side}.activation": name for side in ("encoder", "decoder")})
    for name in ("sigmoid", "softplus")  # those that are not 0 at 0
}


@functools.cache
def trained(family):
    """A small run's progress and metrics, trained as it is and filled up to a larger one's sizes."""
    config = override(FAMILIES[family], BASE | {"latent_size": 2, "bottleneck_width": 3})
    task, large = build.task(config), build.task(override(config, {"latent_size": 5, "bottleneck_width": 7}))
    alone = fit.Member(build.hyper(config), build.limits(config), fit.start(task, config.seed, IMAGES))
    return train(task, fit.repeat(alone, 1)), train(large, fit.repeat(member(config, large), 1))


@pytest.mark.parametrize("family", FAMILIES)
def test_padded_run_trains_like_the_run_itself(family):
    (last, metrics), (padded, padded_metrics) = trained(family)
    for own, other in zip(metrics, padded_metrics, strict=True):
        np.testing.assert_allclose(list(other.values()), list(own.values()), rtol=1e-4, atol=1e-5)
    cropped = padding.crop(padded, last)
    for found, expected in [
        (cropped.best_params, last.best_params),
        (cropped.state.params, last.state.params),
    ]:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), found, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_filled_in_stays_exactly_zero(family):
    (last, _), (padded, _) = trained(family)
    filled = jax.tree.map(lambda x: 1 - x, padding.mask(last.state.params, padded.state.params))
    moments = [part for part in padded.state.opt_state if hasattr(part, "mu")]
    trees = [padded.state.params, padded.best_params, *(tree for m in moments for tree in (m.mu, m.nu))]
    for tree in trees:
        jax.tree.map(lambda x, where: np.testing.assert_array_equal(x * where, 0 * x), tree, filled)
    assert sum(float(leaf.sum()) for leaf in jax.tree.leaves(filled)) > 0


def test_latent_dimension_filled_in_has_no_kl():
    config = override(vae.get_config(), BASE | {"latent_size": 2, "bottleneck_width": 3})
    large = build.task(override(config, {"latent_size": 5}))
    padded, _ = train(large, fit.repeat(member(config, large), 1))
    terms = large.model.apply({"params": padded.state.params}, IMAGES.valid, jax.random.key(0))
    assert (terms.kl_BxZ[:, :2] != 0).all()
    np.testing.assert_array_equal(terms.kl_BxZ[:, 2:], 0)
