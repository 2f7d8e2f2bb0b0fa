import math
import os
import pty
import re

import jax
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments import train
from tests.experiments.commands import (
    AE,
    LINEAR,
    PLAIN,
    VAE,
    assert_same_bits,
    command,
    only_run,
    snapshot,
    start,
    without_seconds,
)
from vae_jax import checkpoints, evaluate, launch, runs
from vae_jax.config import hash_text

SHIPPED = [VAE, f"{VAE},grey", AE, LINEAR]
# Convolutions are slow without the compiler's passes, which only slow tests have.
SHIPPED += [pytest.param(f"{config},conv", marks=pytest.mark.slow) for config in (VAE, AE)]
DIVERGING = ["--config.optimizer.name=sgd", "--config.learning_rate=1e30"]


@pytest.mark.parametrize("config", SHIPPED, ids=lambda spec: spec.rpartition("/")[2])
def test_shipped_config_trains_and_is_evaluated(tmp_path, capsys, config):
    assert train.main([f"--config={config}", f"--workdir={tmp_path}"]) == 0
    run = only_run(tmp_path)
    first, last = run.metrics()
    assert (first["step"], first["epoch"], last["step"], last["epoch"]) == (9, 1, 18, 2)
    assert last["train/loss"] < first["train/loss"]
    assert last["valid/loss"] < first["valid/loss"]
    result = run.result()
    names = evaluate.METRICS if "vae.py" in config else PLAIN
    assert result["status"] == "completed"
    assert set(result["metrics"]) == set(names)
    assert all(math.isfinite(value) for value in result["metrics"].values())
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{run.path}: completed")
    assert [line.split()[0] for line in printed.out.splitlines()[1:]] == [
        name for name in evaluate.METRICS if name in names
    ]
    assert printed.err == ""


def test_run_directory_holds_what_the_design_says(tmp_path):
    train.main([f"--config={LINEAR}", f"--workdir={tmp_path}", "--config.latent_size=2"])
    run = only_run(tmp_path)
    names = {path.name.partition(".tfevents")[0] for path in run.path.iterdir() if path.name[0] != "."}
    assert names == {"checkpoints", "config.json", "events.out", "metrics.jsonl", "result.json"}
    config, beside = run.config()
    assert config.latent_size == 2
    assert run.id == hash_text((run.path / "config.json").read_text())[:12]
    result = run.result()
    assert beside == {"data_fingerprint": result["data_fingerprint"]}
    assert result["parameters"] == 64 * 2 + 2 + 2 * 64 + 64
    assert result["versions"].keys() >= {"python", "jax", "flax", "vae_jax"}
    assert checkpoints.saved(run.checkpoints) == []  # those of an unfinished run
    assert checkpoints.is_intact(run.checkpoints / "best.npz")


def test_saved_parameters_are_those_of_the_reported_metrics(tmp_path):
    train.main([f"--config={VAE}", f"--workdir={tmp_path}"])
    run = only_run(tmp_path)
    config, _ = run.config()
    trained = launch.load(run)
    sets = evaluate.draw_sets(trained.preprocess, trained.dataset)
    numbers = (config.latent_size, config.evaluation.iwae_samples, config.evaluation.neighbors)
    again = evaluate.evaluate(trained.model, trained.variables, sets, *numbers)
    assert again == run.result()["metrics"]


def test_same_config_gives_the_same_bits_and_another_seed_others(tmp_path):
    for name, seed in (("one", 0), ("other", 0), ("seed", 1)):
        train.main([f"--config={VAE}", f"--workdir={tmp_path / name}", f"--config.seed={seed}"])
    one, other, seed = (only_run(tmp_path / name) for name in ("one", "other", "seed"))
    assert_same_bits(one, other)
    assert one.id == other.id != seed.id
    assert without_seconds(one.metrics())[0] != without_seconds(seed.metrics())[0]


def test_finished_run_is_found_done(tmp_path, capsys):
    argv = [f"--config={LINEAR}", f"--workdir={tmp_path}"]
    train.main(argv)
    before, printed = snapshot(tmp_path), capsys.readouterr().out
    assert train.main(argv) == 0
    assert snapshot(tmp_path) == before
    again = capsys.readouterr().out
    assert re.sub(r"found, finished on [-\dT:]{16} UTC: ", "", again) == printed
    assert again != printed


def test_early_stopping_ends_the_run(tmp_path):
    limits = [
        "--config.num_epochs=50",
        "--config.early_stopping_patience=2",
        "--config.learning_rate=0.3",
        "--config.schedule=constant",
    ]
    assert train.main([f"--config={LINEAR}", f"--workdir={tmp_path}", *limits]) == 0
    run = only_run(tmp_path)
    result, losses = run.result(), [line["valid/loss"] for line in run.metrics()]
    assert result["epochs"] == len(losses) == result["best_epoch"] + 2 < 50
    assert losses[result["best_epoch"] - 1] == min(losses)


def test_divergence_stops_the_run_and_is_kept_as_its_result(tmp_path, capsys):
    argv = [f"--config={LINEAR}", f"--workdir={tmp_path}", *DIVERGING]
    assert train.main(argv) == 1
    run = only_run(tmp_path)
    result, (line,) = run.result(), run.metrics()  # of the one epoch in which it diverged
    assert result["status"] == "diverged"
    assert result["metrics"] == {}
    assert result["diverged_step"] == line["step"] < 9
    assert is_finite(launch.load(run).variables["params"])
    assert line["train/loss"] is None  # JSON has no NaN
    assert capsys.readouterr().out.startswith(f"{run.path}: diverged at step {line['step']} ")
    before = snapshot(tmp_path)
    assert train.main(argv) == 1
    assert snapshot(tmp_path) == before


def is_finite(tree):
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tree))


def test_diverged_run_keeps_its_last_good_state(tmp_path):
    # Half of the largest number of float32: the first update already leaves it behind.
    train.main([f"--config={LINEAR}", f"--workdir={tmp_path}", DIVERGING[0], "--config.learning_rate=1.7e38"])
    run = only_run(tmp_path)
    kept = run.checkpoints / "last_good.npz"
    assert checkpoints.is_intact(kept)
    with np.load(kept, allow_pickle=False) as arrays:
        state = {name: arrays[name] for name in arrays if name.startswith(("state/params", "best_params"))}
    assert len(state) == 8
    assert is_finite(state)


def test_good_run_prints_its_summary_alone(tmp_path):
    done = command("train", f"--config={LINEAR}", f"--workdir={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith(f"{only_run(tmp_path).path}: completed")
    assert len(done.stdout.splitlines()) == 1 + len(PLAIN)


def test_terminal_shows_epochs_and_losses(tmp_path):
    # Enough epochs for the bar, which is drawn ten times a second, to be seen in the middle.
    argv = [f"--config={LINEAR}", f"--workdir={tmp_path}", "--config.num_epochs=400"]
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with start("-m", "experiments.train", *argv, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = "".join(drawn(ours))
    os.close(ours)
    assert process.returncode == 0
    assert "/400" in shown
    assert "epoch" in shown
    assert "train " in shown
    assert "valid " in shown


def drawn(terminal):
    """Yields what is written to a pseudo-terminal until its other end is closed."""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other end is closed
            return
        if not piece:
            return
        yield piece.decode(errors="replace")


@pytest.mark.parametrize("config", [VAE, LINEAR], ids=["vae", "ae"])
def test_tensorboard_shows_every_number_of_every_epoch(tmp_path, config):
    train.main([f"--config={config}", f"--workdir={tmp_path}"])
    run = only_run(tmp_path)
    events = EventAccumulator(str(run.path)).Reload()
    lines = run.metrics()
    by_epoch = lines[0].keys() - {"step", "epoch", "seconds"}
    assert set(events.Tags()["scalars"]) == by_epoch | {*run.result()["metrics"], "valid/best_loss"}
    for name in by_epoch:
        points = events.Scalars(name)
        assert [point.step for point in points] == [1, 2]
        assert [point.value for point in points] == pytest.approx([line[name] for line in lines], rel=1e-6)
    assert events.Tags()["images"] == ["valid/reconstructions"]
    (image,) = events.Images("valid/reconstructions")
    assert (image.width, image.height) == (8 * 8, 2 * 8)  # eight images above their reconstructions
    assert image.encoded_image_string.startswith(b"\x89PNG")


def test_run_is_named_by_its_config_and_nothing_else(tmp_path):
    # The order of the flags, how a number is written and where the run stands do not matter.
    one = ["--config.learning_rate=0.001", "--config.latent_size=2"]
    other = ["--config.latent_size", "2", "--config.learning_rate=1e-3"]
    for name, flags in (("one", one), ("other", other)):
        train.main([f"--config={LINEAR}", f"--workdir={tmp_path / name}", *flags])
    assert only_run(tmp_path / "one").id == only_run(tmp_path / "other").id
    assert len(runs.all_runs(tmp_path / "one")) == 1
