import itertools

import numpy as np
import pytest

from tests.figures.drawing import draw, is_cut_off
from vae_jax.figures.latent_map import latent_map
from vae_jax.figures.style import CLASS_COLORS

CLASSES = ("zero", "one", "two")
LABELS = np.repeat([0, 1, 2], 40)
MIDDLES = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
CODES = MIDDLES[LABELS] + np.random.RandomState(0).normal(scale=0.3, size=(len(LABELS), 2))
NOTES = {"autoencoder": "purity 0.90; most mixed: zero–one", "VAE": "purity 0.80; most mixed: one–two"}


def figure():
    return draw(latent_map({"autoencoder": CODES, "VAE": 2 * CODES}, LABELS, CLASSES, NOTES))


def test_every_image_is_a_dot_in_the_colour_of_its_class():
    for axes, scale in zip(figure().axes, (1, 2), strict=True):
        (dots,) = axes.collections
        drawn = {
            tuple(place): tuple(color)
            for place, color in zip(dots.get_offsets(), dots.get_facecolors(), strict=True)
        }
        rgb = {
            label: tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
            for label, color in enumerate(CLASS_COLORS)
        }
        assert len(drawn) == len(CODES)
        for code, label in zip(scale * CODES, LABELS, strict=True):
            np.testing.assert_allclose(drawn[tuple(code)][:3], rgb[label], atol=1e-6)


def test_every_class_is_named_among_its_codes():
    for axes, scale in zip(figure().axes, (1, 2), strict=True):
        assert [text.get_text() for text in axes.texts] == list(CLASSES)
        for text, middle in zip(axes.texts, MIDDLES, strict=True):
            assert np.linalg.norm(np.array(text.get_position()) - scale * middle) < 0.5 * scale


def test_panels_are_named_with_their_notes():
    drawn = figure()
    assert [axes.get_title() for axes in drawn.axes] == [f"{name}\n{note}" for name, note in NOTES.items()]
    assert not is_cut_off(drawn)


def test_a_few_far_codes_do_not_squeeze_the_rest():
    codes = np.concatenate([np.tile(CODES, (10, 1)), [[1e4, -1e4]]])
    drawn = draw(latent_map({"VAE": codes}, np.append(np.tile(LABELS, 10), 0), CLASSES, NOTES))
    assert max(*np.abs(drawn.axes[0].get_xlim()), *np.abs(drawn.axes[0].get_ylim())) < 20


def test_long_notes_stay_over_their_panel():
    long = "purity 0.311 ± 0.022 over 5 seeds\nnearest pairs: pine–Douglas fir, Douglas fir–oak, pine–oak"
    drawn = draw(
        latent_map({"autoencoder": CODES, "VAE": CODES}, LABELS, CLASSES, dict.fromkeys(NOTES, long))
    )
    assert all(axes.get_title().replace("\n", " ").endswith("pine–oak") for axes in drawn.axes)
    assert not is_cut_off(drawn)


@pytest.mark.parametrize("seed", range(4))
def test_names_of_classes_that_lie_on_each_other_stand_apart(seed):
    codes, labels = np.random.RandomState(seed).normal(size=(240, 2)), np.tile(np.arange(6), 40)
    drawn = draw(latent_map({"VAE": codes}, labels, ["Douglas fir"] * 6, NOTES))
    boxes = [text.get_window_extent() for text in drawn.axes[0].texts]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
