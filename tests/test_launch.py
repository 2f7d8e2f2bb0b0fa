import itertools
import json

import jax
import numpy as np
import pytest

from configs import ae, vae
from vae_jax import __version__, checkpoints, data, evaluate, fit, launch, pool, runs
from vae_jax.build import task
from vae_jax.config import override
from vae_jax.errors import UsageError

SMALL = {"latent_size": 2, "bottleneck_width": 4, "num_epochs": 5, "evaluation.iwae_samples": 2}
CONFIG = override(vae.get_config(), SMALL)
PLAIN = {"test/mse", "test/knn_accuracy"}  # with no likelihood trained


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that nothing interrupted, and its result."""
    return launch.launch(CONFIG, tmp_path_factory.mktemp("finished"))


@pytest.fixture
def always_save(monkeypatch):
    monkeypatch.setattr(pool, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(pool, "CHECKPOINT_SHARE", np.inf)


def stop_at(epoch, error=KeyboardInterrupt):
    """What a kill or a crash at the end of `epoch`, before its checkpoint, looks like."""

    def show(run, at, metrics):
        if at == epoch:
            raise error("stopped here")

    return show


def interrupted(workdir, epoch, config=CONFIG):
    with pytest.raises(KeyboardInterrupt):
        launch.launch(config, workdir, show=stop_at(epoch))
    return runs.find(workdir, config, data.source("digits").fingerprint)


def finish(workdir, config=CONFIG):
    """Returns the run, its result, and the epochs that were trained on the way."""
    epochs = []
    run, result = launch.launch(config, workdir, show=lambda run, epoch, metrics: epochs.append(epoch))
    return run, result, epochs


def names(path):
    return sorted(file.name for file in path.iterdir() if not file.name.startswith("."))


def without_seconds(lines):
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def best_params(run):
    return launch.load(run).variables["params"]


def assert_same_run(one, other):
    """Same test metrics, same metrics of every epoch, same parameters: to the bit."""
    assert one.result()["metrics"] == other.result()["metrics"]
    assert without_seconds(one.metrics()) == without_seconds(other.metrics())
    jax.tree.map(np.testing.assert_array_equal, best_params(one), best_params(other))


def damage(checkpoint):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])


def test_run_leaves_its_files_behind(finished):
    run, _ = finished
    *rest, events = sorted(names(run.path), key=lambda name: name.startswith("events."))
    assert rest == ["checkpoints", "config.json", "metrics.jsonl", "result.json"]
    assert events.startswith("events.")
    assert names(run.checkpoints) == ["best.npz"]
    assert run.config() == (CONFIG, {"data_fingerprint": data.source("digits").fingerprint})


def test_result_says_what_was_done(finished):
    run, result = finished
    on_disk = json.loads((run.path / "result.json").read_text())
    assert {name: on_disk[name] for name in result} == result
    assert result["status"] == "completed"
    assert result["diverged_step"] is None
    assert result["epochs"] == 5
    assert 1 <= result["best_epoch"] <= 5
    assert result["parameters"] == 64 * 4 + 4 + 4 * 4 + 4 + 2 * 4 + 4 + 4 * 64 + 64
    assert result["data_fingerprint"] == data.source("digits").fingerprint
    assert result["versions"]["vae_jax"] == __version__
    assert result["versions"].keys() >= {"python", "jax", "flax"}
    assert result["device"] == jax.devices()[0].device_kind
    assert result["matmul_precision"] == jax.config.jax_default_matmul_precision == "highest"
    assert result["seconds"] > 0


def test_result_has_every_metric_on_test(finished):
    _, result = finished
    metrics = result["metrics"]
    assert metrics.keys() == evaluate.METRICS.keys()
    assert all(np.isfinite(value) for value in metrics.values())
    np.testing.assert_allclose(
        metrics["test/elbo"], -metrics["test/reconstruction"] - metrics["test/kl"], rtol=1e-6
    )
    assert result["iwae_samples"] == 2


def test_every_epoch_has_its_line(finished):
    lines = finished[0].metrics()
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["step"] for line in lines] == [9, 18, 27, 36, 45]
    assert all(line.keys() == lines[0].keys() >= {"seconds", "train/loss", "valid/loss"} for line in lines)
    assert all(earlier["seconds"] <= later["seconds"] for earlier, later in itertools.pairwise(lines))


def test_finished_run_is_not_trained_again(finished):
    run, result = finished
    before = {file: file.stat().st_mtime_ns for file in run.path.rglob("*")}
    again, result_again, epochs = finish(run.path.parent)
    assert (again, result_again, epochs) == (run, run.result(), [])
    assert {name: result_again[name] for name in result} == result
    assert {file: file.stat().st_mtime_ns for file in run.path.rglob("*")} == before


def test_damage_to_any_file_of_a_finished_run_is_named(tmp_path):
    run, _ = launch.launch(vae.get_config("smoke"), tmp_path)
    damage(run.checkpoints / "best.npz")
    with pytest.raises(UsageError, match=f"'{run.checkpoints / 'best.npz'}' is damaged"):
        launch.launch(vae.get_config("smoke"), tmp_path)


def test_without_neighbors_their_accuracy_is_left_out(finished, tmp_path):
    _, usual = finished
    _, result = launch.launch(override(vae.get_config("smoke"), {"evaluation.neighbors": 0}), tmp_path)
    assert result["metrics"].keys() == usual["metrics"].keys() - {"test/knn_accuracy"}


def test_loaded_model_has_the_metrics_of_the_result(finished):
    run, result = finished
    trained = launch.load(run)
    test = data.draw_once(trained.preprocess, trained.dataset.test.images, "test")
    assert float(evaluate.mse(trained.model, trained.variables, test)) == result["metrics"]["test/mse"]


def test_plain_autoencoder_runs_too(tmp_path):
    _, result, _ = finish(tmp_path, override(ae.get_config("linear"), {"latent_size": 2, "num_epochs": 1}))
    assert result["status"] == "completed"
    assert result["metrics"].keys() == PLAIN


# After epoch 1 there is no checkpoint yet; later the last two epochs have one.
@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_interrupted_run_goes_on_to_the_same_bits(finished, tmp_path, always_save, epoch):
    interrupted(tmp_path, epoch)
    run, _, epochs = finish(tmp_path)
    assert epochs == list(range(epoch, 6))
    assert_same_run(run, finished[0])


def test_run_interrupted_twice_goes_on_to_the_same_bits(finished, tmp_path, always_save):
    interrupted(tmp_path, 2)
    interrupted(tmp_path, 4)
    run, _, epochs = finish(tmp_path)
    assert epochs == [4, 5]
    assert_same_run(run, finished[0])


def test_run_interrupted_in_its_evaluation_is_not_trained_again(finished, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "evaluate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            launch.launch(CONFIG, tmp_path)
    run, _, epochs = finish(tmp_path)
    assert epochs == []
    assert_same_run(run, finished[0])


def test_interrupted_run_keeps_two_checkpoints_and_has_no_result(tmp_path, always_save):
    run = interrupted(tmp_path, 4)
    assert [path.name for path in checkpoints.saved(run.checkpoints)] == ["000002.npz", "000003.npz"]
    assert run.result() is None
    with pytest.raises(UsageError, match=f"run '{run.path}' is not finished"):
        launch.load(run)


def test_run_in_training_is_refused_before_its_checkpoints_are_touched(tmp_path, always_save, capsys):
    run = interrupted(tmp_path, 3)
    half_written = run.checkpoints / ".000003.npz.7.tmp"
    with run.lock():
        half_written.touch()
        for checkpoint in checkpoints.saved(run.checkpoints):
            damage(checkpoint)  # as one looks that is deleted while it is read
        with pytest.raises(UsageError, match=f"run '{run.path}' is being trained by another process"):
            launch.launch(CONFIG, tmp_path)
        assert half_written.exists()
    assert capsys.readouterr().err == ""


def test_refused_launch_lets_go_of_the_run(tmp_path, always_save, monkeypatch):
    run = interrupted(tmp_path, 3)

    def missing(*arguments):
        raise UsageError("no data")

    monkeypatch.setattr(launch, "load_dataset", missing)
    with pytest.raises(UsageError, match="no data"):
        launch.launch(CONFIG, tmp_path)
    with run.lock():
        pass


def test_damaged_checkpoint_is_named_and_the_one_before_used(finished, tmp_path, always_save, capsys):
    run = interrupted(tmp_path, 4)
    damage(run.checkpoints / "000003.npz")
    _, _, epochs = finish(tmp_path)
    assert epochs == [3, 4, 5]
    assert_same_run(run, finished[0])
    assert f"checkpoint '{run.checkpoints / '000003.npz'}' is damaged" in capsys.readouterr().err


def test_run_without_an_intact_checkpoint_begins_anew(finished, tmp_path, always_save, capsys):
    run = interrupted(tmp_path, 4)
    for path in checkpoints.saved(run.checkpoints):
        damage(path)
    _, _, epochs = finish(tmp_path)
    assert epochs == [1, 2, 3, 4, 5]
    assert_same_run(run, finished[0])
    assert f"no intact checkpoint in '{run.checkpoints}': set aside" in capsys.readouterr().err


def test_tensorboard_shows_every_epoch_of_a_resumed_run_once(tmp_path, always_save):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    interrupted(tmp_path, 3)
    run, _, _ = finish(tmp_path)
    events = EventAccumulator(str(run.path)).Reload()
    scalars = events.Scalars("valid/loss")
    assert [event.step for event in scalars] == [1, 2, 3, 4, 5]
    losses = [line["valid/loss"] for line in run.metrics()]
    np.testing.assert_allclose([event.value for event in scalars], losses, rtol=1e-6)
    assert events.Tags()["images"] == ["valid/reconstructions"]


def is_finite(tree):
    numbers = [leaf for leaf in jax.tree.leaves(tree) if jax.numpy.issubdtype(leaf.dtype, jax.numpy.inexact)]
    return all(np.isfinite(leaf).all() for leaf in numbers)


def last_state(run, config):
    digits = data.load("digits")
    images = fit.Images(jax.numpy.asarray(digits.train.images), jax.numpy.zeros((1, 8, 8, 1)))
    like = fit.start(task(config), config.seed, images)
    return checkpoints.restore(run.checkpoints / "last_good.npz", like).state


def test_divergence_is_marked_with_its_step_and_keeps_a_finite_state(tmp_path):
    config = override(CONFIG, {"learning_rate": 1e10})
    run, result, _ = finish(tmp_path, config)
    assert result["status"] == "diverged"
    assert result["metrics"] == {}
    state = last_state(run, config)
    assert state.step <= result["diverged_step"] == run.metrics()[-1]["step"] < 45
    assert is_finite((state.params, state.opt_state, best_params(run)))


def test_diverged_run_is_not_trained_again(tmp_path):
    config = override(CONFIG, {"learning_rate": 1e10})
    _, first, _ = finish(tmp_path, config)
    _, again, epochs = finish(tmp_path, config)
    assert (again["status"], again["diverged_step"], epochs) == ("diverged", first["diverged_step"], [])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_largest_learning_rate_diverges_to_a_finite_state_or_is_refused(tmp_path, optimizer):
    try:
        config = override(CONFIG, {"learning_rate": 3e38, "optimizer.name": optimizer})
        run, result, _ = finish(tmp_path, config)
    except UsageError:
        return
    assert result["status"] == "diverged"
    assert is_finite(last_state(run, config))


def test_divergence_in_the_very_last_step_is_marked(tmp_path):
    # One step, after which no training loss is left to be looked at: the validation loss is.
    config = override(CONFIG, {"learning_rate": 1e15, "batch_size": 1197, "num_epochs": 1})
    _, result, _ = finish(tmp_path, config)
    assert result["status"] == "diverged"
    assert result["metrics"] == {}


def crashed(workdir, epoch):
    with pytest.raises(RuntimeError, match="stopped here"):
        launch.launch(CONFIG, workdir, show=stop_at(epoch, RuntimeError))
    return runs.find(workdir, CONFIG, data.source("digits").fingerprint)


def test_crash_is_recorded_as_failed(tmp_path):
    result = crashed(tmp_path, 2).result()
    assert result["status"] == "failed"
    assert result["error"] == "RuntimeError: stopped here"


def test_failed_run_is_tried_again(finished, tmp_path, always_save):
    crashed(tmp_path, 3)
    run, result, epochs = finish(tmp_path)
    assert epochs == [3, 4, 5]
    assert result["status"] == "completed"
    assert_same_run(run, finished[0])


def test_failed_run_whose_second_try_is_interrupted_goes_on(finished, tmp_path, always_save):
    crashed(tmp_path, 2)
    interrupted(tmp_path, 4)
    run, _, epochs = finish(tmp_path)
    assert epochs == [4, 5]
    assert_same_run(run, finished[0])


def test_early_stopping_ends_the_run(tmp_path):
    changes = {"num_epochs": 300, "early_stopping_patience": 2, "learning_rate": 0.1}
    _, result, epochs = finish(tmp_path, override(CONFIG, changes))
    assert result["status"] == "completed"
    assert epochs[-1] == result["epochs"] == result["best_epoch"] + 2 < 300


def test_numbers_compile_nothing_anew(finished, tmp_path):
    compiled = []

    def note(event, duration, **_):
        if "backend_compile" in event:
            compiled.append(event)

    changes = {"seed": 5, "learning_rate": 0.01, "beta": 0.5, "kl_warmup_epochs": 2, "num_epochs": 3}
    changes |= {"early_stopping_patience": 2, "evaluation.iwae_samples": 3}
    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        _, result, _ = finish(tmp_path, override(CONFIG, changes))
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
    assert result["status"] == "completed"
    assert compiled == []


def test_bad_config_leaves_nothing_behind(tmp_path):
    with pytest.raises(UsageError, match="latent_size"):
        launch.launch(override(CONFIG, {"latent_size": 65}), tmp_path / "work")
    assert names(tmp_path) == []


def test_workdir_that_is_a_file_is_refused_by_name(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"cannot create directory '{tmp_path / 'file'}"):
        launch.launch(CONFIG, tmp_path / "file")


def test_run_with_a_damaged_config_is_refused_by_name(tmp_path, always_save):
    run = interrupted(tmp_path, 2)
    (run.path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=f"'{run.path / 'config.json'}' is damaged: delete '{run.path}'"):
        launch.launch(CONFIG, tmp_path)


def test_directory_of_a_run_killed_before_its_first_file_is_used(finished, tmp_path):
    runs.find(tmp_path, CONFIG, data.source("digits").fingerprint).path.mkdir()
    run, _, _ = finish(tmp_path)
    assert_same_run(run, finished[0])


def test_model_that_is_loaded_counts_among_those_whose_programs_are_kept(finished, monkeypatch):
    noted = []
    monkeypatch.setattr(launch.shapes, "note", noted.append)
    launch.load(finished[0])
    assert noted == [task(CONFIG)]
