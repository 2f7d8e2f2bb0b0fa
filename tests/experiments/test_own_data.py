"""Every command on data without classes, and on images of other numbers of channels."""

import types

import numpy as np
import pytest
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from configs import ae
from experiments import (
    compare,
    gaps,
    interpolation,
    latent_map,
    pca_vs_ae,
    reconstructions,
    reproduce,
    status,
    study,
    sweep,
    train,
)
from experiments.claims import Claim, Report
from tests.data import own
from tests.experiments.commands import only_run, table
from vae_jax import data, runs
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.page.collect import collect
from vae_jax.statistics import Estimate

CONFIG = """
from configs import ae
from configs.common import sweep_seed

def get_config(arg=""):
    config = ae.get_config("mine,smoke,linear")
    config.update(latent_size=2, batch_size=16)
    return config

def sweep_latent_size():
    return [{"latent_size": 1}, {"latent_size": 2}]
"""


@pytest.fixture
def config(monkeypatch, tmp_path):
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    return path


def labelled_and_not(monkeypatch):
    """Registers the same images with labels, without, and all of one class, in turns."""
    yield own.register(monkeypatch, own.images(), own.LABELS)
    yield own.register(monkeypatch, own.images(), classes=())
    yield own.register(monkeypatch, own.images(), None, classes=())
    yield own.register(monkeypatch, own.images(), 0 * own.LABELS)
    yield own.register(monkeypatch, own.images(), 0 * own.LABELS, classes=("only",))


def test_class_accuracy_is_left_out_where_there_are_no_classes_to_tell_apart(config, monkeypatch, tmp_path):
    found = []
    for number, _ in enumerate(labelled_and_not(monkeypatch)):
        assert train.main([f"--config={config}", f"--workdir={tmp_path / str(number)}"]) == 0
        found.append(only_run(tmp_path / str(number)).result()["metrics"])
    accuracy = found[0].pop("test/knn_accuracy")
    assert 0 <= accuracy <= 1
    assert found[1:] == [found[0]] * 4  # and nothing else is


def test_every_command_goes_on_images_without_labels(config, monkeypatch, tmp_path, capsys):
    own.register(monkeypatch, own.images(), classes=())
    workdir = tmp_path / "runs"
    assert sweep.main([f"--config={config}", "--sweep=latent_size", f"--workdir={workdir}"]) == 0
    assert compare.main([str(workdir), "--by=latent_size"]) == 0
    assert status.main([str(workdir)]) == 0
    rows = table(workdir / "comparison" / "comparison.csv")
    assert not any("knn_accuracy" in name for name in rows[0])
    assert "knn_accuracy" not in capsys.readouterr().out
    explorer = collect(workdir, {})["explorer"]
    assert (len(explorer["models"]), explorer["left_out"]) == (2, {})
    (shown,) = explorer["images"].values()
    assert (shown["labels"], shown["classes"], shown["shape"]) == ([], (), (4, 4, 1))
    with pytest.raises(UsageError, match="knn_accuracy"):
        compare.main([str(workdir), "--metric=test/knn_accuracy"])


@pytest.mark.parametrize("channels", [2, 5])
def test_images_of_any_number_of_channels_are_trained_on_and_drawn(
    config, monkeypatch, tmp_path, capsys, channels
):
    own.register(monkeypatch, own.images(channels), own.LABELS, image_shape=(4, 4, channels))
    workdir = tmp_path / "runs"
    assert train.main([f"--config={config}", f"--workdir={workdir}"]) == 0
    assert capsys.readouterr().err == ""
    run = only_run(workdir)
    (image,) = EventAccumulator(str(run.path)).Reload().Images("valid/reconstructions")
    assert (image.width, image.height) == (8 * 4, 2 * 4)
    explorer = collect(workdir, {})["explorer"]
    assert explorer["left_out"] == {run.id: f"images of {channels} channels"}


def test_studies_that_show_images_take_the_first_where_there_are_no_labels(monkeypatch, config):
    own.register(monkeypatch, own.images(), classes=())
    images = data.load("mine")
    assert reconstructions.one_of_each_class(images) == list(range(10))
    pairs = interpolation._pairs(images.test)
    assert sorted(pairs.ravel()) == list(range(24))


def test_class_with_fewer_images_than_the_others_is_shown_as_often_as_it_can_be(monkeypatch, config):
    labels = np.zeros(own.COUNT, int)
    labels[-1] = 1
    own.register(monkeypatch, own.images(), labels)
    chosen = reconstructions.one_of_each_class(data.load("mine"))
    assert chosen == [0, 23, 1, 2, 3, 4]


@pytest.mark.parametrize(("module", "count"), [(latent_map, 3), (gaps, 3), (pca_vs_ae, 2)])
@pytest.mark.parametrize("classes", [(), ("only",)])
def test_study_of_classes_is_refused_on_data_without_them(
    config, monkeypatch, tmp_path, module, count, classes
):
    own.register(monkeypatch, own.images(), *[0 * own.LABELS] * len(classes), classes=classes)
    name = module.__name__.rpartition(".")[2]
    has = "has 1 of them" if classes else "has none"
    argv = ["--dataset=mine", "--smoke", f"--workdir={tmp_path / 'runs'}"]
    told = f"study '{name}' needs labels of {count} classes or more, data set 'mine' {has}"
    for studies, more in (({name: module}, []), (reproduce.STUDIES, [name])):
        with pytest.raises(UsageError, match=f"^{told}$"):
            study.main(studies, [*argv, *more], "")
    assert not (tmp_path / "runs").exists()


def test_of_all_studies_those_that_cannot_be_done_are_left_out(config, monkeypatch, tmp_path, capsys):
    own.register(monkeypatch, own.images(), classes=())
    cheap = types.SimpleNamespace(
        configs=lambda name: [
            override(ae.get_config(f"{name},linear"), {"latent_size": 2, "batch_size": 16})
        ],
        report=lambda name, rows: Report(
            {"picture": Figure()}, [Claim("it is", Estimate(1, 0, 3), at_least=0)]
        ),
        **{"__file__": "cheap.py", "__doc__": "Cheap."},
    )
    monkeypatch.setattr("experiments.drawing.most", lambda: 1)
    studies, workdir = {"cheap": cheap, "gaps": gaps}, tmp_path / "runs"
    assert study.main(studies, ["--dataset=mine", "--smoke", f"--workdir={workdir}"], "") == 0
    assert "left out: study 'gaps' needs labels" in capsys.readouterr().err
    assert len(runs.all_runs(workdir)) == 1


def test_nearest_neighbours_cannot_be_compared_without_any(config, tmp_path):
    argv = ["--smoke", "--config.evaluation.neighbors=0", f"--workdir={tmp_path / 'runs'}"]
    with pytest.raises(UsageError, match=r"study 'pca_vs_ae' needs evaluation\.neighbors greater than 0"):
        study.main({"pca_vs_ae": pca_vs_ae}, argv, "")


@pytest.mark.slow
@pytest.mark.usefixtures("quick_programs")
def test_every_other_study_is_drawn_without_labels(config, monkeypatch, tmp_path):
    """On images of five channels, which no format of pictures knows. Verdicts mean nothing here."""
    shape = {"image_shape": (8, 8, 5), "sizes": (300, 100, 100)}
    images = data.load("digits").train.images[:500].repeat(5, -1)
    own.register(monkeypatch, images, classes=(), **shape)
    monkeypatch.setattr("experiments.drawing.most", lambda: 1)
    workdir = tmp_path / "runs"
    assert study.main(reproduce.STUDIES, ["--dataset=mine", "--smoke", f"--workdir={workdir}"], "") in (0, 1)
    drawn = {path.stem for path in workdir.glob("figures/*/*.png")}
    assert drawn >= reproduce.STUDIES.keys() - {"latent_map", "gaps", "pca_vs_ae"}
