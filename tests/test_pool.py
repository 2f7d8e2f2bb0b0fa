"""Populations on disk: slots, queue, checkpoints. Training itself is tested in test_fit."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import vae
from tests.experiments.commands import assert_same_to_rounding
from vae_jax import build, checkpoints, data, fit, launch, pool, runs
from vae_jax.attempt import Attempt
from vae_jax.config import override
from vae_jax.launch import launch_together, quiet

SMALL = {"latent_size": 2, "bottleneck_width": 4, "num_epochs": 4, "evaluation.iwae_samples": 2}
CONFIGS = [override(vae.get_config(), SMALL | {"seed": seed}) for seed in range(5)]
CONFIGS += [
    override(CONFIGS[0], {"learning_rate": 1e10}),  # diverges
    override(CONFIGS[0], {"learning_rate": 0.1, "num_epochs": 60, "early_stopping_patience": 2}),
    override(CONFIGS[0], {"latent_size": 3, "bottleneck_width": 2}),
    override(CONFIGS[0], {"latent_size": 1, "num_epochs": 9}),
]
TASK = build.task(override(CONFIGS[0], {"latent_size": 3}))
WIDTH = 4


@pytest.fixture(autouse=True)
def always_save(monkeypatch):
    monkeypatch.setattr(pool, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(pool, "CHECKPOINT_SHARE", np.inf)


def together(workdir, show=launch.quiet, configs=CONFIGS):
    attempts = [Attempt(config, workdir) for config in configs]
    return list(launch_together(attempts, TASK, WIDTH, workdir / "population", None, show))


def stop_after(calls):
    """Returns what interrupts a training when it is shown so many epochs of its runs."""
    counter = itertools.count(1)

    def stop(run, epoch, metrics):
        if next(counter) == calls:
            raise KeyboardInterrupt

    return stop


def trace(run):
    """All that a run's training left: metrics of every epoch and of the test, and parameters."""
    lines = [{n: v for n, v in line.items() if n != "seconds"} for line in run.metrics()]
    params = launch.load(run).variables["params"]
    return run.result()["status"], lines, run.result()["metrics"], jax.tree.map(np.asarray, params)


def assert_same(one, other):
    assert one[:3] == other[:3]
    jax.tree.map(np.testing.assert_array_equal, one[3], other[3])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    outcomes = together(tmp_path_factory.mktemp("undisturbed"))
    return {outcome.run.id: outcome.run for outcome in outcomes}


def test_every_run_ends_once_and_as_it_should(undisturbed):
    statuses = [run.result()["status"] for run in undisturbed.values()]
    assert len(undisturbed) == len(CONFIGS)
    assert sorted(statuses) == ["completed"] * 8 + ["diverged"]
    epochs = {run.id: run.result()["epochs"] for run in undisturbed.values()}
    assert sorted(epochs.values())[:-2] == [1, 4, 4, 4, 4, 4, 4]
    for run in undisturbed.values():
        assert [line["epoch"] for line in run.metrics()] == list(range(1, epochs[run.id] + 1))


def test_runs_together_have_the_metrics_of_runs_alone(undisturbed, tmp_path):
    for config in CONFIGS[-3:]:
        run, result = launch.launch(config, tmp_path)
        shared = undisturbed[run.id]
        assert shared.result()["epochs"] == result["epochs"]
        for name, value in result["metrics"].items():
            np.testing.assert_allclose(shared.result()["metrics"][name], value, rtol=1e-3)
        for own, other in zip(run.metrics(), shared.metrics(), strict=True):
            np.testing.assert_allclose(own["valid/loss"], other["valid/loss"], rtol=1e-4)


def test_run_is_stored_at_its_own_size(undisturbed):
    for run in undisturbed.values():
        config, _ = run.config()
        params = launch.load(run).variables["params"]
        assert params["decoder"]["Dense_0"]["kernel"].shape == (config.latent_size, config.bottleneck_width)


# The population makes 16 epochs or so; its runs end at 1, 4, 5, 8, ...
@pytest.mark.parametrize("calls", [1, 4, 9, 17, 18, 22, 30, 34, 36])
def test_population_that_was_killed_goes_on_to_the_same_bits(undisturbed, tmp_path, calls):
    with pytest.raises(KeyboardInterrupt):
        together(tmp_path, stop_after(calls))
    before = {path: path.read_bytes() for path in tmp_path.glob("*/result.json")}
    outcomes = together(tmp_path)
    assert sorted(outcome.run.id for outcome in outcomes) == sorted(undisturbed)
    assert {path: path.read_bytes() for path in before} == before
    for outcome in outcomes:
        assert_same(trace(outcome.run), trace(undisturbed[outcome.run.id]))


@pytest.mark.parametrize("calls", [5, 30])
def test_population_that_was_killed_before_its_first_checkpoint_does_the_same(
    undisturbed, tmp_path, monkeypatch, calls
):
    monkeypatch.setattr(pool, "CHECKPOINT_SECONDS", 3600.0)
    test_population_that_was_killed_goes_on_to_the_same_bits(undisturbed, tmp_path, calls)


def assert_same_but_one(outcomes, undisturbed, anew):
    """The same bits, but for the run that was trained again: in another place, so to rounding."""
    for outcome in outcomes:
        if outcome.run.id == anew.id:
            assert_same_to_rounding(outcome.run, undisturbed[anew.id])
        else:
            assert_same(trace(outcome.run), trace(undisturbed[outcome.run.id]))


def test_another_place_in_the_population_is_the_same_to_rounding(undisturbed, tmp_path):
    for outcome in together(tmp_path, configs=CONFIGS[3::-1]):
        assert_same_to_rounding(outcome.run, undisturbed[outcome.run.id])


@pytest.mark.parametrize("left", [0, 1])
def test_run_that_another_launch_began_anew_is_trained_again_and_no_other(
    undisturbed, tmp_path, capsys, left
):
    with pytest.raises(KeyboardInterrupt):
        together(tmp_path, stop_after(34))
    begun = Attempt(CONFIGS[-1], tmp_path).run
    assert len(begun.metrics()) > left + 1
    begun.rewind_metrics(left)
    outcomes = together(tmp_path)
    assert f"'{begun.path}' is not as its checkpoint left it: to be trained again" in capsys.readouterr().err
    assert_same_but_one(outcomes, undisturbed, begun)


def test_run_that_another_launch_trained_as_far_is_trained_again(undisturbed, tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        together(tmp_path, stop_after(34))
    begun = Attempt(CONFIGS[-1], tmp_path).run
    lines = begun.metrics()
    begun.rewind_metrics(0)
    for line in lines:  # the last digits of a loss are others in another population
        begun.append_metrics(line | {"valid/loss": float(np.nextafter(np.float32(line["valid/loss"]), 0))})
    outcomes = together(tmp_path)
    assert f"'{begun.path}' is not as its checkpoint left it" in capsys.readouterr().err
    assert_same_but_one(outcomes, undisturbed, begun)


def test_run_that_another_launch_finished_meanwhile_is_found(undisturbed, tmp_path):
    attempts = [Attempt(config, tmp_path) for config in CONFIGS[:2]]
    launch.launch(CONFIGS[0], tmp_path)
    outcomes = list(launch_together(attempts, TASK, WIDTH, tmp_path / "population"))
    assert [outcome.status for outcome in outcomes] == ["completed"] * 2
    assert sorted(outcome.run.id for outcome in outcomes) == sorted(attempt.run.id for attempt in attempts)


def test_failing_run_stops_no_other_and_is_tried_again(undisturbed, tmp_path, monkeypatch):
    failing, real = Attempt(CONFIGS[1], tmp_path).run.id, launch.finish

    def finish(attempt, *args):
        if attempt.run.id == failing:
            raise RuntimeError("bad luck")
        return real(attempt, *args)

    with monkeypatch.context() as patch:
        patch.setattr(launch, "finish", finish)
        outcomes = together(tmp_path)
    failed = {outcome.run.id: str(outcome.error) for outcome in outcomes if outcome.status == "failed"}
    assert failed == {failing: "bad luck"}
    (again,) = [outcome for outcome in together(tmp_path) if outcome.run.id == failing]
    assert_same(trace(again.run), trace(undisturbed[failing]))


def test_run_held_by_another_process_stops_no_other_and_is_trained_alone_once_let_go(
    undisturbed, tmp_path, monkeypatch
):
    held = Attempt(CONFIGS[2], tmp_path)
    held.begin(0)
    for _ in range(2):  # that it is tried again, and held again, changes nothing
        outcomes = together(tmp_path)
        (other,) = [outcome for outcome in outcomes if outcome.status == launch.HELD]
        assert other.run == held.run
        assert "is being trained by another process" in str(other.error)
        ended = sorted(outcome.status for outcome in outcomes if outcome.run != held.run)
        assert ended == ["completed"] * 7 + ["diverged"]
    held.end()
    rows, real = [], pool.Pool.advance
    monkeypatch.setattr(
        pool.Pool, "advance", lambda own, slots: (rows.append(len(slots)), real(own, slots))[1]
    )
    assert {outcome.status for outcome in together(tmp_path)} == {"completed", "diverged"}
    assert rows == [1] * CONFIGS[2].num_epochs
    for name, value in undisturbed[held.run.id].result()["metrics"].items():
        np.testing.assert_allclose(held.run.result()["metrics"][name], value, rtol=1e-3)


def test_run_of_a_checkpoint_that_another_process_holds_is_left_to_it(undisturbed, tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        together(tmp_path, stop_after(6))
    held = Attempt(CONFIGS[2], tmp_path)
    held.begin(0)  # anew
    statuses = {outcome.run.id: outcome.status for outcome in together(tmp_path)}
    assert statuses.pop(held.run.id) == launch.HELD
    assert launch.HELD not in statuses.values()
    held.end()
    outcomes = together(tmp_path)
    assert {outcome.status for outcome in outcomes} == {"completed", "diverged"}
    assert [line["epoch"] for line in held.run.metrics()] == [1, 2, 3, 4]
    assert capsys.readouterr().err == ""


def test_run_that_another_process_evaluates_is_left_to_it(undisturbed, tmp_path, monkeypatch):
    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(launch, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            together(tmp_path, configs=CONFIGS[:2])
    attempts = [Attempt(config, tmp_path) for config in CONFIGS[:2]]
    (trained,) = [attempt for attempt in attempts if attempt.trained]
    with trained.run.lock():
        outcomes = {outcome.run.id: outcome.status for outcome in together(tmp_path, configs=CONFIGS[:2])}
    assert outcomes.pop(trained.run.id) == launch.HELD
    assert [*outcomes.values()] == ["completed"]


def test_what_stops_all_fails_those_that_are_not_finished(tmp_path):
    def stop(run, epoch, metrics):
        if epoch == 3:
            raise OSError(28, "No space left on device")

    outcomes = together(tmp_path, stop)
    assert sorted(outcome.status for outcome in outcomes) == ["failed"] * len(CONFIGS)
    assert {outcome.status for outcome in together(tmp_path)} == {"completed", "diverged"}


@pytest.mark.parametrize(
    ("worth", "expected"),
    [
        # Slots 1 2 3 5 and a queue of 6: the last three epochs have two runs, then one.
        (np.inf, [4, 4, 4, 2, 2, 2, 2]),
        (0.0, [4, 4, 3, 2, 2, 1, 1]),
    ],
)
def test_idle_slots_are_left_behind_by_halves_or_where_it_pays_at_once(
    tmp_path, monkeypatch, worth, expected
):
    monkeypatch.setitem(pool.WORTH_A_PROGRAM, jax.default_backend(), worth)
    counts, real = [], fit.advance

    def advance(task, images, members):
        counts.append(len(members.progress.epoch))
        return real(task, images, members)

    monkeypatch.setattr(fit, "advance", advance)
    configs = [override(CONFIGS[0], {"num_epochs": epochs}) for epochs in (1, 2, 3, 5, 6)]
    together(tmp_path, configs=configs)
    assert counts == expected


@pytest.mark.parametrize("calls", [9, 22])
def test_population_whose_idle_slots_pay_goes_on_to_the_same_bits(tmp_path, monkeypatch, calls):
    monkeypatch.setitem(pool.WORTH_A_PROGRAM, jax.default_backend(), 0.0)
    undisturbed = {outcome.run.id: outcome.run for outcome in together(tmp_path / "undisturbed")}
    with pytest.raises(KeyboardInterrupt):
        together(tmp_path / "killed", stop_after(calls))
    for outcome in together(tmp_path / "killed"):
        assert_same(trace(outcome.run), trace(undisturbed[outcome.run.id]))


def test_damaged_checkpoint_is_named_and_the_one_before_used(undisturbed, tmp_path, capsys):
    counter = itertools.count(1)

    def stop(run, epoch, metrics):
        if next(counter) == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together(tmp_path, stop)
    *_, newest = checkpoints.saved(tmp_path / "population")
    newest.write_bytes(newest.read_bytes()[:-1])
    for outcome in together(tmp_path):
        assert_same(trace(outcome.run), trace(undisturbed[outcome.run.id]))
    assert f"checkpoint '{newest}' is damaged" in capsys.readouterr().err


def test_population_without_an_intact_checkpoint_begins_anew(undisturbed, tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        together(tmp_path, stop_after(30))
    assert any(run.ended for run in runs.all_runs(tmp_path))
    folder = tmp_path / "population"
    for path in checkpoints.saved(folder):
        path.write_bytes(path.read_bytes()[:-1])
    for outcome in together(tmp_path):
        assert_same(trace(outcome.run), trace(undisturbed[outcome.run.id]))
    aside = tmp_path / "damaged" / f"{tmp_path.name}-checkpoints-1"
    told = f"no intact checkpoint in '{folder}': set aside as '{aside}', begun anew"
    assert told in capsys.readouterr().err.splitlines()


def test_pool_is_no_wider_than_its_runs(tmp_path):
    digits = data.load("digits")
    images = fit.Images(jnp.asarray(digits.train.images), jnp.zeros((1, 8, 8, 1)))
    assert len(pool.Pool(TASK, [Attempt(c, tmp_path) for c in CONFIGS[:2]], images, 8, quiet).slots) == 2
