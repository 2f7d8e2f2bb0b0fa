import json
import math
import re
import shutil
import signal
import time

import pytest

from experiments import sweep, train, watch
from tests.experiments.commands import REPOSITORY, assert_same_bits, only_run, snapshot, start
from vae_jax import finish, runs
from vae_jax.errors import UsageError
from vae_jax.sweeps import speed
from vae_jax.sweeps.population import Population

# A user's own config file: the least to compile, and sweeps of every kind.
CONFIG = """
from configs import ae

def get_config(arg=""):
    config = ae.get_config("smoke,linear")
    config.num_epochs = int(arg or 2)
    return config

def sweep_seed():
    for seed in range(2):
        yield {"seed": seed}

def sweep_more_seeds():
    return [{"seed": seed} for seed in range(6)]

def sweep_later_seeds():  # of which some are among those before
    return [{"seed": seed} for seed in range(3, 9)]

def sweep_latent_size():
    return [{"latent_size": 2}, {"latent_size": 3}]

def sweep_rate():  # the second of the three diverges
    for rate in (1e-3, 1e30, 1e-2):
        yield {"learning_rate": rate, "optimizer.name": "sgd"}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def workdir(tmp_path):
    return tmp_path / "runs"


def arguments(config, workdir, names, *more):
    return [f"--config={config}", f"--sweep={names}", f"--workdir={workdir}", *more]


def test_sweep_trains_the_product(config, workdir, capsys, monkeypatch):
    monkeypatch.setattr(watch, "LINE_SECONDS", math.inf)  # however slow the machine is
    assert sweep.main(arguments(config, workdir, "latent_size,seed")) == 0
    found = runs.all_runs(workdir)
    chosen = sorted((run.config()[0].latent_size, run.config()[0].seed) for run in found)
    assert chosen == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert {run.result()["status"] for run in found} == {"completed"}
    assert capsys.readouterr() == (f"4 runs in {workdir}: 4 completed\n", "")


def test_repeated_sweep_trains_nothing(config, workdir):
    sweep.main(arguments(config, workdir, "seed"))
    before = snapshot(workdir)
    assert sweep.main(arguments(config, workdir, "seed")) == 0
    assert snapshot(workdir) == before


def test_extended_sweep_trains_what_is_new(config, workdir):
    sweep.main(arguments(config, workdir, "seed"))
    before = {path: file for path, file in snapshot(workdir).items() if path.name != "schedules.jsonl"}
    assert sweep.main(arguments(config, workdir, "more_seeds")) == 0
    after = snapshot(workdir)
    assert {path: after[path] for path in before} == before
    assert len(runs.all_runs(workdir)) == 6


def test_run_of_a_sweep_is_the_run_of_train(config, workdir, tmp_path):
    sweep.main(arguments(config, workdir, "seed", "--config.latent_size=4"))
    train.main([f"--config={config}", "--config.latent_size=4", f"--workdir={tmp_path / 'single'}"])
    single = only_run(tmp_path / "single")
    one, other = runs.Run(workdir / single.id), single  # batched products round in another order
    for mine, theirs in zip(one.metrics(), other.metrics(), strict=True):
        assert mine["valid/loss"] == pytest.approx(theirs["valid/loss"], rel=1e-5)
    assert one.result()["metrics"] == pytest.approx(other.result()["metrics"], rel=1e-4)


def test_run_of_a_sweep_alone_has_the_bits_of_train(workdir, tmp_path):
    shipped, single = f"{REPOSITORY}/configs/vae.py:smoke", tmp_path / "single"
    flags = ["--config.bottleneck_width=4", "--config.evaluation.iwae_samples=2"]
    small = tmp_path / "small.py"
    small.write_text(
        "from configs.vae import get_config\n"
        "def sweep_some(): return [{'latent_size': size, 'seed': 0} for size in (2, 3)] + [{'seed': 1}]"
    )
    some = arguments(f"{small}:smoke", workdir, "some", "--alone", *flags)
    assert sweep.main(some) == 0
    for run in runs.all_runs(workdir):
        config, _ = run.config()
        own = [f"--config.{name}={config[name]}" for name in ("latent_size", "seed")]
        assert train.main([f"--config={shipped}", *flags, *own, f"--workdir={single}"]) == 0
        assert_same_bits(run, runs.Run(single / run.id))
        way, by_itself = (each.result()["trained"] for each in (run, runs.Run(single / run.id)))
        assert way == by_itself | {"population": way["population"], "position": 0, "executor": "local"}
        assert way["sizes"] == {"latent_size": config.latent_size, "bottleneck_width": 4}


def test_runs_that_were_done_together_are_named_and_left(config, workdir, capsys):
    assert sweep.main(arguments(config, workdir, "seed")) == 0
    capsys.readouterr()
    assert sweep.main(arguments(config, workdir, "more_seeds", "--alone")) == 0
    assert capsys.readouterr().err.startswith("2 of these runs were done before, and not known to be alone")
    assert sweep.main(arguments(config, workdir, "latent_size", "--alone")) == 0
    assert sweep.main(arguments(config, workdir, "latent_size", "--alone")) == 0
    assert "not known to be alone" not in capsys.readouterr().err


def test_dry_run_lists_every_run_and_its_cost_and_writes_nothing(workdir, capsys, monkeypatch):
    monkeypatch.setattr(speed, "speeds", lambda *_: {1: speed.Speed(3.0, 1e-4)})
    shipped = f"{REPOSITORY}/configs/vae.py"
    assert sweep.main(arguments(shipped, workdir, "latent_size,seed", "--dry_run")) == 0
    lines = capsys.readouterr().out.splitlines()
    header, listed, total, rest = lines[0], lines[1:26], lines[26], lines[27:]
    assert not workdir.exists()
    assert header.split()[:3] == ["run", "state", "parameters"]
    assert len(listed) == len({line.split()[0] for line in listed}) == 25
    for line, size in zip(listed, sorted([2, 4, 8, 16, 32] * 5), strict=True):
        assert f"latent_size={size}" in line
        # 64-256-2Z on the way in, Z-256-64 on the way out.
        assert f"{64 * 256 + 256 + 256 * 2 * size + 2 * size + size * 256 + 256 + 256 * 64 + 64:,}" in line
    assert total.startswith("25 runs, 25 to do")
    populations = [int(line.split()[2]) for line in rest[:-1]]
    assert sum(populations) == 25
    assert rest[-1].startswith(f"{len(populations)} populations, ")


def test_dry_run_says_what_is_done_started_and_damaged(config, workdir, capsys):
    sweep.main(arguments(config, workdir, "more_seeds"))
    done, started, damaged, *_ = runs.all_runs(workdir)
    (started.path / "result.json").unlink()
    (damaged.path / "result.json").write_text("{")
    capsys.readouterr()
    before = snapshot(workdir)
    assert sweep.main(arguments(config, workdir, "more_seeds", "--dry_run")) == 0
    assert snapshot(workdir) == before
    lines = capsys.readouterr().out.splitlines()
    states = {line.split()[0]: line.split()[1] for line in lines[1:7]}
    assert (states[done.id], states[started.id], states[damaged.id]) == ("completed", "started", "damaged")
    assert lines[7].startswith("6 runs, 2 to do")


def test_diverged_run_does_not_stop_the_others(config, workdir, capsys):
    assert sweep.main(arguments(config, workdir, "rate")) == 1
    statuses = {run.config()[0].learning_rate: run.result()["status"] for run in runs.all_runs(workdir)}
    assert statuses == {1e-3: "completed", 1e30: "diverged", 1e-2: "completed"}
    out, err = capsys.readouterr()
    assert out == f"3 runs in {workdir}: 2 completed, 1 diverged\n"
    (line,) = err.splitlines()
    assert line.startswith("run 2/3 learning_rate=1e+30 seed=0: diverged at step")
    before = snapshot(workdir)
    assert sweep.main(arguments(config, workdir, "rate")) == 1
    assert snapshot(workdir) == before


FILES_OF_A_RUN = ("config.json", "metrics.jsonl", "result.json", "events.*", "checkpoints/*")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [flipped, truncated])
def test_damage_to_any_file_is_named_and_that_run_alone_is_done_again(config, workdir, capsys, damage):
    sweep.main(arguments(config, workdir, "seed"))
    undisturbed = {run.id: run.result()["metrics"] for run in runs.all_runs(workdir)}
    victim, other = runs.all_runs(workdir)
    before = snapshot(other.path)
    for number, kind in enumerate(FILES_OF_A_RUN, 1):
        (path,) = victim.path.glob(kind)
        damage(path)
        capsys.readouterr()
        assert sweep.main(arguments(config, workdir, "seed")) == 0
        (line,) = capsys.readouterr().err.splitlines()
        aside = workdir / "damaged" / f"{victim.id}-{number}"
        assert line.endswith(f"'{path}' is damaged: set aside as '{aside}', trained again")
        again = {run.id: run.result()["metrics"] for run in runs.all_runs(workdir)}
        assert again == {name: pytest.approx(metrics, rel=1e-5) for name, metrics in undisturbed.items()}
        assert snapshot(other.path) == before


def test_crash_is_one_line_does_not_stop_the_others_and_is_tried_again(config, workdir, capsys, monkeypatch):
    evaluate = finish.evaluate.evaluate
    calls = []

    def crash_once(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise MemoryError("no memory\nleft")
        return evaluate(*arguments)

    monkeypatch.setattr(finish.evaluate, "evaluate", crash_once)
    assert sweep.main(arguments(config, workdir, "seed")) == 1
    out, err = capsys.readouterr()
    assert out == f"2 runs in {workdir}: 1 completed, 1 failed\n"
    assert re.fullmatch(r"run ([12])/2 seed=[01]: failed: MemoryError: no memory left\n", err)
    assert sorted(run.result()["status"] for run in runs.all_runs(workdir)) == ["completed", "failed"]
    assert sweep.main(arguments(config, workdir, "seed")) == 0
    assert len(calls) == 3  # the one that was completed is not evaluated again


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_interrupted_sweep_is_continued_by_the_same_command(config, workdir, tmp_path, how):
    argv = arguments(f"{config}:60", workdir, "more_seeds")
    with start("-m", "experiments.sweep", *argv) as process:
        while process.poll() is None and not list(workdir.glob("*/result.json")):
            time.sleep(0.001)
        process.send_signal(how)
        _, err = process.communicate()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert err == "error: interrupted; the same command goes on from here\n"
    else:
        assert (process.returncode, err) == (-how, "")
    done = {path: path.stat().st_mtime_ns for path in workdir.glob("*/result.json")}
    assert 1 <= len(done) < 6
    assert sweep.main(argv) == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done
    undisturbed = tmp_path / "undisturbed"
    sweep.main(arguments(f"{config}:60", undisturbed, "more_seeds"))
    assert [run.id for run in runs.all_runs(workdir)] == [run.id for run in runs.all_runs(undisturbed)]
    for run, other in zip(runs.all_runs(workdir), runs.all_runs(undisturbed), strict=True):
        assert_same_bits(run, other)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["local:2", "processes:2"])
def test_two_launches_at_once_share_the_runs(config, workdir, tmp_path, executor):
    argv = arguments(f"{config}:60", workdir, "more_seeds,latent_size", f"--executor={executor}")
    with (
        start("-m", "experiments.sweep", *argv) as first,
        start("-m", "experiments.sweep", *argv) as second,
    ):
        told = [launched.communicate(timeout=120) for launched in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], told
    assert all(f"12 runs in {workdir}: 12 completed\n" in out for out, _ in told)
    assert not list((workdir / "populations").iterdir())
    undisturbed = tmp_path / "undisturbed"
    sweep.main(arguments(f"{config}:60", undisturbed, "more_seeds,latent_size", "--executor=local:2"))
    for run, other in zip(runs.all_runs(workdir), runs.all_runs(undisturbed), strict=True):
        assert run.id == other.id
        assert_same_bits(run, other)
        run.verify()


# A sweep whose runs stay where they are, in this process or in workers, until so many others have ended.
WAITING = """
import time
from vae_jax import runs

append = runs.Run.append_metrics

def waiting(run, line):
    while line["epoch"] == 30 and len(list(run.path.parent.glob("*/result.json"))) < {others}:
        time.sleep(0.01)
    return append(run, line)

runs.Run.append_metrics = waiting
"""


def waiting_sweep(others):
    waiting = WAITING.format(others=others)
    worker = f"{waiting}from vae_jax.sweeps.worker import main; main()"
    from_workers = f"from vae_jax.sweeps import processes; processes.COMMAND = ['-c', {worker!r}]\n"
    return f"{waiting}{from_workers}from experiments import cli, sweep; cli.run(sweep.main)"


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True], ids=["both end", "one is killed"])
@pytest.mark.parametrize("executor", ["local:1", "local:2", "processes:2"])
def test_two_sweeps_at_once_that_have_some_runs_in_common(config, workdir, executor, killed):
    first_argv, second_argv = (
        arguments(f"{config}:60", workdir, names, f"--executor={executor}")
        for names in ("more_seeds", "later_seeds")
    )
    with start("-c", waiting_sweep(others=99 if killed else 3), *first_argv) as first:
        while first.poll() is None and len(list(workdir.glob("*/metrics.jsonl"))) < 6:
            time.sleep(0.01)
        with start("-m", "experiments.sweep", *second_argv) as second:
            while killed and "waiting for it" not in (line := second.stderr.readline()):
                assert line, second.communicate()
            if killed:
                first.kill()
            second_told = second.communicate(timeout=120)
        first_told = first.communicate(timeout=120)
    assert second.returncode == 0, second_told
    assert f"6 runs in {workdir}: 6 completed\n" in second_told[0]
    if killed:
        assert first.returncode == -signal.SIGKILL
        assert sweep.main(first_argv) == 0
    else:
        assert first.returncode == 0, first_told
        assert "failed" not in first_told[1] + second_told[1]
        assert f"6 runs in {workdir}: 6 completed\n" in first_told[0]
        # Trained once: whoever begins a run begins a file of events.
        assert [len(list(run.path.glob("events.*"))) for run in runs.all_runs(workdir)] == [1] * 9
    assert not list((workdir / "populations").iterdir())
    for run in runs.all_runs(workdir):
        assert run.final_result()["status"] == "completed"
        run.verify()


def test_plan_is_kept_beside_the_time_taken(config, workdir):
    sweep.main(arguments(config, workdir, "seed"))
    (line,) = (workdir / "schedules.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert kept["seconds"] > 0
    assert kept["planned_seconds"] > 0
    assert not kept["measured"]
    assert sum(runs for runs, *_ in kept["populations"]) == 2
    sweep.main(arguments(config, workdir, "seed"))  # nothing is left to do
    assert (workdir / "schedules.jsonl").read_text() == f"{line}\n"


def test_population_whose_runs_are_all_over_is_removed(config, workdir):
    sweep.main(arguments(config, workdir, "seed"))
    configs = tuple(run.config()[0] for run in runs.all_runs(workdir))
    Population(configs, (configs[0].latent_size, configs[0].bottleneck_width), 2).write(workdir)
    assert sweep.main(arguments(config, workdir, "seed")) == 0
    assert not list((workdir / "populations").iterdir())


def test_population_of_which_a_run_is_over_goes_on_in_a_worker(config, workdir):
    sweep.main(arguments(config, workdir, "seed"))
    one, other = runs.all_runs(workdir)
    configs = tuple(run.config()[0] for run in (one, other))
    shutil.rmtree(other.path)
    Population(configs, (configs[0].latent_size, configs[0].bottleneck_width), 2).write(workdir)
    done = snapshot(one.path)
    assert sweep.main(arguments(config, workdir, "seed", "--executor=processes:1")) == 0
    assert snapshot(one.path) == done
    assert other.final_result()["status"] == "completed"
    assert not list((workdir / "populations").iterdir())


def test_sweeps_of_the_same_field_are_refused(config, workdir):
    with pytest.raises(UsageError, match="two of the sweeps set the same config key 'seed'"):
        sweep.main(arguments(config, workdir, "seed,more_seeds"))
    assert not workdir.exists()


def test_config_that_cannot_run_stops_the_sweep_before_its_first_run(tmp_path, workdir):
    path = tmp_path / "large.py"
    path.write_text(CONFIG.replace('{"latent_size": 3}', '{"latent_size": 65}'))
    with pytest.raises(UsageError, match="latent_size must be at most 64"):
        sweep.main(arguments(path, workdir, "latent_size"))
    assert not workdir.exists()
