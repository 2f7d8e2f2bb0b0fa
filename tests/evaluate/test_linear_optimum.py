import numpy as np
import pytest

from vae_jax.evaluate.linear_optimum import train_to_the_end
from vae_jax.evaluate.pca import fit_pca
from vae_jax.evaluate.subspace import principal_angles

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(400, 12)) @ RNG.normal(size=(12, 12)) + 3
MEAN, AXES = fit_pca(IMAGES)
VARIANCES = ((IMAGES - MEAN) @ AXES.T).var(0)


@pytest.mark.parametrize("size", [1, 3])
def test_training_ends_at_the_principal_components_from_anywhere(size):
    decoder, error = train_to_the_end(RNG.normal(size=(size, 12)), VARIANCES, AXES)
    assert error == pytest.approx(VARIANCES[size:].sum(), rel=1e-9)
    assert principal_angles(decoder, AXES[:size]).max() < 1e-3


def test_each_step_lowers_the_error_of_the_images():
    decoder, errors = RNG.normal(size=(2, 12)), []
    for _ in range(6):
        decoder, error = train_to_the_end(decoder, VARIANCES, AXES, steps=1)
        errors.append(error)
        # The decoder is the best for its encoder; with the best encoder for it, it is better still.
        codes = (IMAGES - MEAN) @ np.linalg.pinv(decoder)
        assert ((IMAGES - MEAN - codes @ decoder) ** 2).sum(1).mean() <= error * (1 + 1e-12)
    assert errors == sorted(errors, reverse=True)
