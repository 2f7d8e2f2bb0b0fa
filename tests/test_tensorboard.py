import errno
import json
import math
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image
from tensorboard import default, program
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from configs import ae
from vae_jax import launch, pool
from vae_jax.attempt import Attempt
from vae_jax.config import flatten, override
from vae_jax.tensorboard import EventWriter, _harmless

IMAGE = np.linspace(0, 1, 6 * 4).reshape(6, 4, 1)
COLOUR = np.linspace(0, 1, 6 * 4 * 3).reshape(6, 4, 3)


def write(path, epochs, image=None):
    with EventWriter(path) as events:
        for epoch in epochs:
            events.write(epoch, {"train/loss": 1 / epoch, "valid/loss": 2 / epoch})
        if image is not None:
            events.write_images(epochs[-1], {"valid/reconstructions": image})


def read(path):
    return EventAccumulator(str(path)).Reload()


def test_scalars_are_read_back(tmp_path):
    write(tmp_path, (1, 2, 4))
    events = read(tmp_path)
    assert sorted(events.Tags()["scalars"]) == ["train/loss", "valid/loss"]
    points = events.Scalars("valid/loss")
    assert [(point.step, point.value) for point in points] == [(1, 2.0), (2, 1.0), (4, 0.5)]


@pytest.mark.parametrize(("drawn", "mode"), [(IMAGE, "L"), (COLOUR, "RGB")])
def test_image_is_read_back(tmp_path, drawn, mode):
    write(tmp_path, (1, 2, 3), drawn)
    (image,) = read(tmp_path).Images("valid/reconstructions")
    assert (image.step, image.height, image.width) == (3, 6, 4)
    (tmp_path / "image.png").write_bytes(image.encoded_image_string)
    with Image.open(tmp_path / "image.png") as pixels:
        found = np.asarray(pixels.convert(mode)).reshape(drawn.shape)
        np.testing.assert_allclose(found / 255, drawn, atol=1 / 255)


METHODS = {
    "write": (1, {"train/loss": 1.0}),
    "write_images": (1, {"valid/reconstructions": IMAGE}),
    "begin": ({"seed": 0},),
    "end": (True,),
    "flush": (),
}


class Full:
    """A disk without space under a writer that has opened its file."""

    def write_event(self, event):
        raise OSError(errno.ENOSPC, "No space left on device")

    flush = close = lambda self: self.write_event(None)


@pytest.mark.parametrize("method", METHODS)
def test_log_that_fails_is_told_once_and_ends(tmp_path, capsys, method):
    with EventWriter(tmp_path) as events:
        events._writer.close()
        events._writer = Full()
        for _ in range(2):
            getattr(events, method)(*METHODS[method])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"'{tmp_path}': TensorBoard's log failed, the run goes on: ")
    assert line.endswith("No space left on device")


def test_picture_that_cannot_be_drawn_is_told_and_what_was_written_is_kept(tmp_path, capsys):
    write(tmp_path, (1, 2), np.zeros((6, 4, 5)))
    assert "TensorBoard's log failed" in capsys.readouterr().err
    assert len(read(tmp_path).Scalars("train/loss")) == 2


def test_log_that_cannot_be_opened_is_told_and_every_call_goes_by(tmp_path, capsys):
    with EventWriter(tmp_path / "none") as events:
        for method, arguments in METHODS.items():
            getattr(events, method)(*arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert "No such file or directory" in line


@pytest.mark.parametrize("method", ["write", "write_images", "flush"])
def test_run_whose_log_fails_completes_and_is_whole(tmp_path, monkeypatch, capsys, method):
    def fail(self, *arguments):
        raise ValueError("a bug\nof the log")

    monkeypatch.setattr(EventWriter, method, _harmless(fail))
    config = override(ae.get_config("smoke,linear"), {"latent_size": 2})
    run, result = launch.launch(config, tmp_path)
    assert result["status"] == "completed"
    run.verify()
    told = capsys.readouterr().err
    assert told == f"'{run.path}': TensorBoard's log failed, the run goes on: ValueError: a bug of the log\n"


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf])
def test_numbers_that_cannot_be_drawn_are_left_out(tmp_path, nothing):
    with EventWriter(tmp_path) as events:
        events.write(1, {"train/loss": 1.0, "valid/loss": 2.0})
        events.write(2, {"train/loss": nothing, "valid/loss": 1.0})
    assert [point.step for point in read(tmp_path).Scalars("train/loss")] == [1]
    assert [point.step for point in read(tmp_path).Scalars("valid/loss")] == [1, 2]


def test_everything_is_on_disk_when_the_writer_is_closed_by_an_error(tmp_path):
    def interrupted():
        with EventWriter(tmp_path) as events:
            events.write(1, {"train/loss": 1.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(read(tmp_path).Scalars("train/loss")) == 1


def test_new_writer_replaces_what_an_earlier_process_wrote(tmp_path):
    write(tmp_path, (1, 2, 3), image=IMAGE)
    (earlier,) = tmp_path.iterdir()
    earlier.rename(tmp_path / "events.out.tfevents.0000000001.host")  # file names tell seconds apart
    write(tmp_path, (1, 2, 3, 4), image=IMAGE)
    events = read(tmp_path)
    assert [point.step for point in events.Scalars("train/loss")] == [1, 2, 3, 4]
    assert [image.step for image in events.Images("valid/reconstructions")] == [4]


CONFIG = override(ae.get_config("linear"), {"latent_size": 2, "num_epochs": 3})
STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE"]
DIFFERING = {"resumed": {}, "diverged": {"learning_rate": 1e30}, "failed": {"seed": 1}, "begun": {"seed": 2}}


def stop_at(epoch, error):
    def show(run, at, metrics):
        if at == epoch:
            raise error("stopped here")

    return show


@pytest.fixture(scope="module")
def attempts(tmp_path_factory):
    """Runs of one sweep: one resumed after a kill and then completed, one diverged, one failed, one begun."""
    workdir = tmp_path_factory.mktemp("sweep")
    configs = {name: override(CONFIG, changes) for name, changes in DIFFERING.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            launch.launch(configs["resumed"], workdir, show=stop_at(2, KeyboardInterrupt))
        launch.launch(configs["resumed"], workdir)
    launch.launch(configs["diverged"], workdir)
    with pytest.raises(RuntimeError):
        launch.launch(configs["failed"], workdir, show=stop_at(1, RuntimeError))
    made = {name: Attempt(config, workdir) for name, config in configs.items()}
    made["begun"].begin(0)
    yield made
    made["begun"].end()


@pytest.fixture(scope="module")
def page(attempts):
    """Asks the HParams page of a TensorBoard server that shows the sweep."""
    server = program.TensorBoard(default.get_plugins())
    logdir = str(attempts["begun"].run.path.parent)
    options = ["--port=0", "--host=127.0.0.1", "--reload_interval=1", "--load_fast=false"]
    server.configure(["tensorboard", f"--logdir={logdir}", *options])
    url = server.launch()

    def ask(what, **request):
        kind = {"Content-Type": "application/json"}
        asked = urllib.request.Request(
            f"{url}data/plugin/hparams/{what}", json.dumps(request).encode(), headers=kind
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)

    return ask


def trials(page):
    """Returns the rows of the page by their name."""
    told = page("session_groups", startIndex=0, sliceSize=100, allowedStatuses=STATUSES, colParams=[])
    return {group["name"]: group for group in told.get("sessionGroups", [])}


def once(condition):
    """Waits for what a server does in its own time."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("not within a minute")


def numbers(trial):
    return {metric["name"]["tag"]: metric["value"] for metric in trial["metricValues"]}


def status(trial):
    (session,) = trial["sessions"]
    return session["status"]


def test_hparams_page_shows_every_run_with_its_status_metrics_and_config(attempts, page):
    once(lambda: len(trials(page)) == len(attempts))
    rows = trials(page)
    assert rows.keys() == {attempt.run.id for attempt in attempts.values()}  # and no runs besides
    shown = {name: rows[attempt.run.id] for name, attempt in attempts.items()}
    states = [status(trial) for trial in shown.values()]
    assert states == ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_FAILURE", "STATUS_UNKNOWN"]
    result = attempts["resumed"].result
    expected = result["metrics"] | {"valid/best_loss": result["valid_loss"]}
    told = numbers(shown["resumed"])
    assert {name: told[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert not any(name.startswith("test/") for name in numbers(shown["diverged"]))
    for name, attempt in attempts.items():
        fields = {n: str(v) if isinstance(v, tuple) else v for n, v in flatten(attempt.config).items()}
        assert shown[name]["hparams"] == fields


def test_hparams_page_tells_the_fields_that_differ_and_their_kinds(attempts, page):
    once(lambda: len(trials(page)) == len(attempts))
    fields = {info["name"]: info for info in page("experiment")["hparamInfos"]}
    assert {name for name, info in fields.items() if info["differs"]} == {"seed", "learning_rate"}
    assert fields["latent_size"]["type"] == "DATA_TYPE_FLOAT64"
    assert fields["encoder.net"]["type"] == "DATA_TYPE_STRING"


def test_hparams_page_takes_up_a_run_that_ends_and_keeps_the_others(attempts, page):
    once(lambda: len(trials(page)) == len(attempts))
    before = trials(page)
    attempts["begun"].conclude(3, True, {"test/mse": 0.25})
    attempts["begun"].end()
    begun = attempts["begun"].run.id
    once(lambda: status(trials(page)[begun]) == "STATUS_SUCCESS")
    after = trials(page)
    assert numbers(after.pop(begun)) == {"test/mse": 0.25}
    assert after == {name: trial for name, trial in before.items() if name != begun}
