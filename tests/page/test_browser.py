"""The page in a real browser: one headless Chromium, one page, everything that it promises."""

import itertools

import numpy as np
import pytest

from tests.page import browser
from tests.page.models import autoencoder
from tests.page.workdir import HOSTILE, decoded
from vae_jax import evaluate, launch, nets, page
from vae_jax.data import draw_once
from vae_jax.page.program import program

ROWS = "#runs tbody tr"
PIXELS = """canvas => Array.from(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 == 0)
)"""

pytestmark = [pytest.mark.slow, browser.needed]


@pytest.fixture(scope="module")
def view(workdir, written):
    """The page of the work directory, with `errors` and `requests` that it has made so far."""
    with browser.opened(page.write(workdir, {"latent_map": "Where do classes live?"}).path) as view:
        yield view


@pytest.fixture(scope="module")
def trained(written):
    return {run.id: launch.load(run) for run in written[:3]}


def texts(view, selector):
    return view.locator(selector).all_inner_texts()


def ids(view):
    return texts(view, f"{ROWS} .id")


def column(view, name):
    """The texts of one column of the table of runs."""
    heads = [text.split("\n")[0] for text in texts(view, "#runs thead th")]
    return texts(view, f"{ROWS} td:nth-child({heads.index(name) + 1})")


def explore(view, run):
    """Shows the latent space of a run."""
    index = view.evaluate("page.explorer.models.map((model) => model.run)").index(run.id)
    view.select_option("#model", str(index))


def code(view):
    return np.array(view.evaluate("Array.from(explorer.code)"), np.float32)


def pixels(view, canvas="#decoded"):
    return np.array(view.locator(canvas).evaluate(PIXELS))


def assert_picture_is_the_decoders(view, trained):
    expected = decoded(trained, code(view))
    sides = view.locator("#decoded").evaluate("canvas => [canvas.height, canvas.width]")
    assert sides == [*expected.shape[:2]]
    assert np.abs(pixels(view) / 255 - np.clip(expected, 0, 1).ravel()).max() <= 1 / 255


def place(view, x, y):
    """Returns where a place of the map, from 0 to 1 from its left and its top, is in the window."""
    view.locator("#pad").scroll_into_view_if_needed()
    box = view.locator("#pad").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_it_loads_without_errors_and_asks_the_network_for_nothing(view):
    assert view.errors == []
    assert [url for url in view.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert view.title() == f"{view.evaluate('page.name')}: report"
    assert view.evaluate("[...document.images].every((image) => image.alt)")
    assert view.locator("#summary").inner_text() == "4 runs: 3 completed, 1 not finished."


def test_text_of_configs_and_claims_is_no_markup(view, written):
    cells = texts(view, "#claims td")
    assert any(HOSTILE in cell for cell in cells)
    assert HOSTILE in column(view, "decoder.activation")
    view.evaluate("ids => runs.choose(ids)", [written[3].id, written[0].id])
    assert view.evaluate("window.harmed") is None
    assert view.locator("main img").count() == 1
    named = view.locator("#curve-chart .legendtext", has_text=HOSTILE)
    browser.sync_api.expect(named).to_have_count(1)


def test_a_click_on_a_head_sorts_and_another_turns_it_round(view, written):
    errors = {run.id: run.result()["metrics"]["test/mse"] for run in written[:3]}
    ascending = [*sorted(errors, key=errors.get), written[3].id]
    view.click("#runs thead button:text-is('test/mse')")
    assert ids(view) == ascending
    assert view.locator("#runs th[aria-sort=ascending]").inner_text() == "test/mse"
    view.click("#runs thead button:text-is('test/mse')")
    assert ids(view) == [*ascending[2::-1], written[3].id]  # what has no number stays last


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("latent_size=2", [0, 1]),
        ("latent_size>2 latent_size<6", [2]),
        ("latent_size!=2 status=completed", [2]),
        ("latent_size=5|8", [2, 3]),
        ("not finished", [3]),
        ("test/mse>=0", [0, 1, 2]),
        ("CONV", [2]),
        ("nothing_like_it=3", []),
        ("", [0, 1, 2, 3]),
    ],
)
def test_filters(view, written, query, kept):
    view.fill("#query", query)
    assert set(ids(view)) == {written[index].id for index in kept}
    assert f"{len(kept)} of 4 runs" in view.locator("#runs [role=status]").inner_text()


def test_a_menu_in_a_head_filters(view, written):
    menu = view.get_by_label("Only latent_size")
    menu.select_option(label="5")
    assert ids(view) == [written[2].id]
    menu.select_option(label="any")
    assert len(ids(view)) == 4


def test_curves_are_those_of_the_chosen_runs(view, written):
    view.click("#runs button:text-is('No curves')")
    assert view.evaluate("curves.chart.data.length") == 0
    for run in written[:2]:
        view.get_by_label(f"Curve of run {run.id}").click()
    traces = view.evaluate("curves.chart.data.map(({name, x, y}) => ({name, x, y}))")
    assert [trace["name"] for trace in traces] == ["seed=0", "seed=1"]  # all that tells them apart
    for run, trace in zip(written[:2], traces, strict=True):
        lines = run.metrics()
        assert trace["x"] == [line["epoch"] for line in lines]
        np.testing.assert_allclose(trace["y"], [line["valid/loss"] for line in lines], rtol=1e-4)
    view.click(f"{ROWS}#run-{written[0].id}")
    assert view.evaluate("curves.chart.data.length") == 1


def test_a_figure_leads_to_its_runs(view, written):
    view.click("#figures summary")
    view.click("#figures button")
    assert sorted(ids(view)) == sorted(run.id for run in written[:2])
    view.click(f"#figures a:text-is('{written[1].id}')")
    assert len(ids(view)) == 4
    assert view.locator("tr:target .id").inner_text() == written[1].id


def test_the_picture_follows_the_pointer_and_is_what_the_decoder_makes(view, written, trained):
    explore(view, written[0])
    seen = []
    for x, y in [(0.2, 0.3), (0.5, 0.5), (0.8, 0.7)]:
        view.mouse.move(*place(view, x, y))
        assert_picture_is_the_decoders(view, trained[written[0].id])
        seen.append(pixels(view))
        # The code is that of the map under the pointer, as the chart's own axes have it.
        under = view.evaluate(
            """([x, y]) => { const {xaxis, yaxis} = explorer.chart._fullLayout;
            return [xaxis.p2d(x * xaxis._length), yaxis.p2d(y * yaxis._length)]; }""",
            [x, y],
        )
        np.testing.assert_allclose(code(view), under, rtol=1e-2, atol=1e-2)
    assert not any((a == b).all() for a, b in itertools.pairwise(seen))


def test_a_touch_moves(view, written, trained):
    explore(view, written[0])
    view.touchscreen.tap(*place(view, 0.9, 0.1))
    low, high = np.transpose(view.evaluate("explorer.range"))
    np.testing.assert_allclose((code(view) - low) / (high - low), [0.9, 0.9], atol=0.01)
    assert_picture_is_the_decoders(view, trained[written[0].id])


def test_arrow_keys_move(view, written, trained):
    explore(view, written[0])
    before = code(view)
    view.locator("#pad").press("ArrowRight")
    view.locator("#pad").press("ArrowUp")
    assert (code(view) > before).all()
    assert_picture_is_the_decoders(view, trained[written[0].id])


def test_sliders_are_the_dimensions_that_the_map_leaves(view, written, trained):
    explore(view, written[2])
    model = view.evaluate("explorer.model")
    axes = [int(slider.get_attribute("data-axis")) for slider in view.locator(".sliders input").all()]
    assert axes == model["order"][2:]
    before, picture = code(view), pixels(view)
    view.locator(".sliders input").first.focus()
    for _ in range(3):
        view.keyboard.press("PageUp")
    changed = np.flatnonzero(code(view) != before)
    assert changed.tolist() == axes[:1]
    assert (pixels(view) != picture).any()
    view.mouse.move(*place(view, 0.4, 0.6))
    assert_picture_is_the_decoders(view, trained[written[2].id])
    assert set(np.flatnonzero(code(view) != before)) == {axes[0], *model["order"][:2]}


def test_the_nearest_test_image_is_shown(view, written, trained):
    explore(view, written[2])
    view.mouse.move(*place(view, 0.5, 0.5))
    own = trained[written[2].id]
    images = draw_once(own.preprocess, own.dataset.test.images, "test")
    codes = evaluate.codes(own.model, own.variables, images)
    nearest = np.linalg.norm(codes - code(view), axis=1).argmin()
    np.testing.assert_allclose(pixels(view, "#nearest"), 255 * images[nearest].ravel(), atol=0.51)
    view.click("text=Go to the nearest test image")
    np.testing.assert_allclose(code(view), codes[nearest], atol=1e-5)


@pytest.mark.parametrize("net", nets.DECODERS)
def test_every_net_and_activation_agrees_with_jax(view, net):
    codes = np.random.default_rng(2).normal(0, 2, (3, 3)).astype(np.float32)
    for activation in nets.ACTIVATIONS:
        model, variables = autoencoder(net, activation, "bernoulli", image_shape=(5, 6, 3))
        found = view.evaluate(
            "([program, codes]) => codes.map((code) => Array.from(decoder(program)(code).data))",
            [program(model, variables, 3), codes.tolist()],
        )
        expected = model.apply(variables, codes, method="decode").mean.reshape(3, -1)
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=activation)
