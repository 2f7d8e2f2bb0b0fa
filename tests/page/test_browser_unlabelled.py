"""The page of images without labels, in a browser: beside `test_browser`, whose own stays open."""

import pytest

from configs import ae
from tests.data import own
from tests.page import browser
from vae_jax import launch, page
from vae_jax.config import override

pytestmark = [pytest.mark.slow, browser.needed]


def test_without_labels_all_dots_are_of_one_colour_and_no_class_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache"))
    own.register(monkeypatch, own.images(), classes=())
    launch.launch(
        override(ae.get_config("mine,smoke,linear"), {"latent_size": 2, "batch_size": 16}), tmp_path
    )
    with browser.opened(page.write(tmp_path, {}).path) as view:
        traces = view.evaluate("explorer.chart.data.map((trace) => [trace.name, trace.x.length])")
        assert traces == [["test images", 24]]
        assert view.locator(".legend li").count() == 0
        caption = view.locator(".picture", has=view.locator("#nearest")).inner_text()
        assert "Nearest test image: number 0" in caption
        assert "class" not in caption
