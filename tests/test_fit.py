import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from configs import ae, vae
from vae_jax import build, fit
from vae_jax.config import override
from vae_jax.evaluate.bounds import bounds
from vae_jax.evaluate.mse import mse
from vae_jax.model import variables
from vae_jax.train import all_finite, validate

SMALL = {"latent_size": 2, "bottleneck_width": 4, "batch_size": 5}
PIXELS = np.random.default_rng(0).integers(0, 17, (20, 8, 8, 1)).astype(np.uint8)
LARGE_RATES = (1e3, 1e10, 1e18)  # from harmless to the square root of float32's largest number
LINEAR = {"encoder.net": "linear", "decoder.net": "linear", "bottleneck_width": 0}


@pytest.fixture(scope="module")
def task():
    return build.task(override(vae.get_config(), SMALL))


@pytest.fixture(scope="module")
def images():
    return fit.Images(train=jnp.asarray(PIXELS[:15]), valid=jnp.asarray(PIXELS[15:] > 8, jnp.float32))


def hyper(**numbers):
    return build.hyper(override(vae.get_config(), {**SMALL, **numbers}))


def limits(num_epochs=1000, patience=0, kl_warmup_epochs=0):
    return fit.Limits(*map(jnp.int32, (num_epochs, patience, kl_warmup_epochs)))


def progress(**numbers):
    """A progress of which only the numbers matter."""
    fields = dict.fromkeys(field.name for field in dataclasses.fields(fit.Progress))
    fields |= {name: jnp.int32(number) for name, number in ({"diverged_step": -1} | numbers).items()}
    return fit.Progress(**fields)


@pytest.mark.parametrize(
    ("epoch", "best_epoch", "numbers", "over"),
    [
        (0, 0, (5, 0, 0), False),
        (4, 0, (5, 0, 0), False),
        (5, 5, (5, 0, 0), True),
        (99, 1, (100, 0, 0), False),  # patience 0 never stops early
        (12, 10, (100, 3, 0), False),
        (13, 10, (100, 3, 0), True),
        (22, 10, (100, 3, 20), False),  # patience counts from the end of the warm-up
        (23, 10, (100, 3, 20), True),
        (13, 10, (100, 3, 20), False),
    ],
)
def test_training_ends_by_its_limits(epoch, best_epoch, numbers, over):
    assert fit.finished(progress(epoch=epoch, best_epoch=best_epoch), limits(*numbers)) == over


def test_training_ends_where_it_diverged():
    assert fit.finished(progress(diverged_step=0, epoch=1, best_epoch=1), limits())


def run(task, numbers, images, limits, progress=None):
    """Returns (progress, metrics) of every epoch of one run alone; the progress on the host."""
    member, rows = fit.Member(numbers, limits, progress or fit.start(task, 0, images)), []
    members = fit.repeat(member, 1)
    while not fit.take(fit.finished(members.progress, members.limits), 0):
        members, metrics, _ = fit.advance(task, images, members)
        rows.append((fit.take(members.progress, 0), {name: float(v[0]) for name, v in metrics.items()}))
    return rows


def test_every_epoch_is_told_with_the_metrics_of_train_and_valid(task, images):
    rows = run(task, hyper(), images, limits(num_epochs=3))
    assert [int(now.epoch) for now, _ in rows] == [1, 2, 3]
    assert [int(now.state.step) for now, _ in rows] == [3, 6, 9]
    names = {
        f"{part}/{name}" for part in ("train", "valid") for name in ("loss", "reconstruction", "kl", "elbo")
    }
    for _, metrics in rows:
        assert metrics.keys() == names


def test_best_parameters_are_those_of_the_lowest_validation_loss(task, images):
    # On the way to pixels lit 7 times in 8, training passes the best for those lit 5 times in 8.
    lit = jnp.asarray(np.arange(64).reshape(1, 8, 8, 1) % 8 < 5, jnp.float32)
    images = fit.Images(train=jnp.full_like(images.train, 14), valid=lit.repeat(5, axis=0))
    numbers = hyper(learning_rate=0.03)
    rows = run(task, numbers, images, limits(num_epochs=30))
    losses = [metrics["valid/loss"] for _, metrics in rows]
    best = int(np.argmin(losses))
    assert 0 < best < len(rows) - 1
    last, _ = rows[-1]
    assert last.best_epoch == best + 1
    np.testing.assert_allclose(last.best_loss, losses[best], rtol=1e-6)  # summed twice, to rounding
    jax.tree.map(np.testing.assert_array_equal, last.best_params, rows[best][0].state.params)
    again = validate(task, numbers, last.best_params, images.valid, fit.validation_key())
    np.testing.assert_allclose(again["loss"], last.best_loss, rtol=1e-6)


def test_validation_loss_has_the_full_kl_weight_during_the_warmup(task, images):
    ((_, metrics),) = run(task, hyper(kl_warmup_epochs=100), images, limits(num_epochs=1))
    np.testing.assert_allclose(metrics["valid/loss"], -metrics["valid/elbo"], rtol=1e-6)
    assert metrics["train/loss"] < -metrics["train/elbo"]


def test_early_stopping_waits_for_its_patience(task, images):
    rows = run(task, hyper(learning_rate=0.03), images, limits(patience=4))
    last, _ = rows[-1]
    assert last.epoch == last.best_epoch + 4
    assert len(rows) < 100


def test_stopped_and_continued_training_gives_the_same_bits(task, images):
    whole = run(task, hyper(), images, limits(num_epochs=4))
    rest = run(
        task, hyper(), images, limits(num_epochs=4), run(task, hyper(), images, limits(num_epochs=2))[-1][0]
    )
    assert [metrics for _, metrics in rest] == [metrics for _, metrics in whole[2:]]
    jax.tree.map(np.testing.assert_array_equal, rest[-1][0].state.params, whole[-1][0].state.params)


def test_divergence_ends_the_training_and_keeps_what_was_best(task, images):
    rows = run(task, hyper(learning_rate=1e10), images, limits())
    last, _ = rows[-1]
    assert last.diverged_step >= 0
    assert 0 <= last.diverged_step <= 3 * len(rows)
    assert len(rows) < 3
    for params in (last.best_params, last.state.params):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "rmsprop", "sgd"])
@pytest.mark.parametrize("learning_rate", LARGE_RATES)
def test_whatever_the_rate_what_is_kept_is_finite(images, optimizer, learning_rate):
    config = override(vae.get_config(), SMALL | {"optimizer.name": optimizer})
    rows = run(build.task(config), hyper(learning_rate=learning_rate), images, limits(num_epochs=4))
    for now, metrics in rows:
        assert all_finite((now.state, now.best_params))
        assert now.diverged_step >= 0 or np.isfinite(metrics["train/loss"] + metrics["valid/loss"])


def test_an_infinite_moment_is_divergence_though_every_loss_is_finite(task, images):
    progress = fit.start(task, 0, images)
    progress.state.opt_state[0].nu["decoder"]["Dense_0"]["bias"] += np.inf  # steps of size 0 from now on
    (last, metrics), *_ = run(task, hyper(), images, limits(), progress)
    assert all(np.isfinite(list(metrics.values())))
    assert last.diverged_step == 3


def converged(config, pixels, num_epochs):
    """Returns the model and its variables after a training with a cosine schedule."""
    images = fit.Images(train=jnp.asarray(pixels), valid=jnp.asarray(pixels[:1] / 16, jnp.float32))
    changes = {"schedule": "cosine", "learning_rate": 0.03, "num_epochs": num_epochs}
    config = override(config, {**LINEAR, "decoder.output_activation": "identity", **changes})
    task = build.task(config)
    num_steps = jnp.float32(num_epochs * (len(pixels) // config.batch_size))
    numbers = build.hyper(config).replace(num_steps=num_steps)
    *_, (last, _) = run(task, numbers, images, limits(num_epochs))
    return task.model, variables(last.state.params, config.sigma)


def test_linear_autoencoder_reaches_the_pca_floor_on_train():
    pixels = load_digits().data.astype(np.uint8).reshape(-1, 8, 8, 1)
    model, known = converged(override(ae.get_config(), {"latent_size": 5}), pixels, 600)
    eigenvalues = np.linalg.eigvalsh(np.cov(load_digits().data.T / 16, bias=True))[::-1]
    floor = eigenvalues[5:].sum() / 64
    error = float(mse(model, known, jnp.asarray(pixels / 16, jnp.float32)))
    np.testing.assert_allclose(error, floor, rtol=1e-5)  # quadratic about the optimum, in float32


def test_linear_vae_trained_with_a_learned_sigma_reaches_probabilistic_pca():
    pixels = load_digits().data.astype(np.uint8).reshape(-1, 8, 8, 1)
    model, known = converged(override(vae.get_config("grey"), {"latent_size": 2}), pixels, 1000)
    images = jnp.asarray(pixels / 16, jnp.float32)
    result = bounds(model, known, images, jax.random.key(0), 10)
    # log p can be no greater than at the maximum; Adam's noise leaves it a few 1e-4 nats below.
    assert -1e-4 < 0.0057067 + result["nll"] < 2e-3


POPULATION = [  # seed, numbers, limits: one diverges, one stops early, one ends before the others
    (0, {}, {"num_epochs": 6}),
    (1, {"learning_rate": 1e30}, {"num_epochs": 6}),
    (2, {"learning_rate": 0.1, "beta": 0.5}, {"num_epochs": 200, "patience": 3}),
    (3, {"kl_warmup_epochs": 2}, {"num_epochs": 3}),
]


@pytest.fixture(scope="module")
def population(task, images):
    """The members trained together until all are finished, and the progress after each epoch."""
    members = [
        fit.Member(hyper(**numbers), limits(**ends), fit.start(task, seed, images))
        for seed, numbers, ends in POPULATION
    ]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    rows = []
    while not fit.finished(together.progress, together.limits).all():
        together, metrics, where = fit.advance(task, images, together)
        rows.append((fit.take(together.progress, np.arange(4)), metrics, where))
    return rows


@pytest.mark.parametrize("index", range(4))
def test_member_of_a_population_trains_as_if_it_were_alone(task, images, population, index):
    seed, numbers, ends = POPULATION[index]
    alone = run(task, hyper(**numbers), images, limits(**ends), fit.start(task, seed, images))
    last, _ = alone[-1]
    together = fit.take(population[-1][0], index)
    assert (together.epoch, together.best_epoch) == (last.epoch, last.best_epoch)
    assert together.diverged_step == last.diverged_step
    whole = alone if last.diverged_step < 0 else alone[:-1]  # beyond its bounds rounding decides
    for (_, metrics), (_, shared, _) in zip(whole, population, strict=False):
        for name, value in metrics.items():
            np.testing.assert_allclose(shared[name][index], value, rtol=1e-4)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4)
    jax.tree.map(close, together.best_params, last.best_params)


def test_members_end_each_on_their_own(population):
    finished = np.stack([where["finished"] for *_, where in population])
    ends = finished.argmax(axis=0) + 1
    assert (ends[0], ends[1], ends[3]) == (6, 1, 3)
    assert 3 < ends[2] < 200


def test_finished_member_stays_as_it_is(population):
    ends = np.stack([where["finished"] for *_, where in population]).argmax(axis=0)
    for index, end in enumerate(ends):
        kept = [fit.take(progress, index) for progress, *_ in population[end:]]
        for later in kept[1:]:
            jax.tree.map(np.testing.assert_array_equal, later.state.params, kept[0].state.params)
            assert later.epoch == kept[0].epoch


def test_taking_and_putting_back_changes_nothing(task, images):
    member = fit.Member(hyper(), limits(), fit.start(task, 0, images))
    members = fit.repeat(member, 3)
    expected = jax.tree.map(np.asarray, members.progress.state.params)
    members = fit.put(members, np.array([0, 2]), fit.take(members, np.array([2, 0])))
    jax.tree.map(np.testing.assert_array_equal, members.progress.state.params, expected)
