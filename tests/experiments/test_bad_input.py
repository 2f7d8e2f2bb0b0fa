"""A table of bad input over all commands: one line, exit code 2, nothing left behind."""

import os
import subprocess
import sys

import pytest

from configs import vae
from experiments import (
    architecture,
    cli,
    compare,
    export,
    gaussian,
    report,
    reproduce,
    search,
    status,
    study,
    sweep,
    train,
)
from tests.experiments.commands import LINEAR, REPOSITORY, VAE
from tests.experiments.test_compare import write_run
from vae_jax.config import override

CONFIG = f"--config={LINEAR}"
HUGE = "0x" + "f" * 4000  # more digits than Python writes of a number
SEARCH = [f"--config={VAE}", "--search=training", "--algorithm=random"]
JOINED = ["--num_processes=2", "--process_id=0"]
LONG = "n" * 5000


def of_study(module):
    name = module.__name__.rpartition(".")[2]
    return lambda argv: study.main({name: module}, argv, module.__doc__)


COMMANDS = {
    "train": (train.main, [CONFIG]),
    "sweep": (sweep.main, [CONFIG, "--sweep=seed"]),
    "search": (search.main, SEARCH),
    "study": (of_study(architecture), ["--smoke"]),
    "gaussian": (of_study(gaussian), []),
    "reproduce": (reproduce.main, ["--smoke"]),
}
READERS = {
    "compare": (compare.main, []),
    "status": (status.main, []),
    "report": (report.main, []),
    "export": (export.main, ["--mlflow=sqlite:///none.db"]),
}


def told(capsys, main, argv):
    """Returns the exit code and the one line of a command."""
    code = cli.code_of(lambda: main(argv))
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("error: ")
    assert len(line) < 600
    return code, line


# A field of every run's config, where a command takes any, and what is said of it.
FIELDS = {
    "num_epochs": (2**31, "num_epochs must be"),
    "early_stopping_patience": (2**31, "early_stopping_patience must be below 2"),
    "kl_warmup_epochs": (2**40, "kl_warmup_epochs must be"),
    "stop_epoch": (2**63, "stop_epoch must be"),
    "bottleneck_width": (2**31, "bottleneck_width must be"),
    "batch_size": (10**30, "batch_size must be"),
    "evaluation.iwae_samples": (2**64, "evaluation.iwae_samples must be"),
    "evaluation.neighbors": (2**31, "evaluation.neighbors must be"),
    "encoder.hidden_sizes": (f"({2**31},)", "encoder.hidden_sizes must be below 2"),
    "latent_size": (HUGE, "'latent_size' needs a whole number"),
    "learning_rate": (HUGE, "'learning_rate' needs a number"),
    "seed": ("²", "'seed' needs a whole number"),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", ["train", "search"])
def test_number_that_would_overflow(tmp_path, capsys, name, field):
    if name == "search" and field == "batch_size":
        pytest.skip("searched")
    (main, argv), (value, message) = COMMANDS[name], FIELDS[field]
    code, line = told(capsys, main, [*argv, f"--config.{field}={value}", f"--workdir={tmp_path / 'runs'}"])
    assert code == 2
    assert message in line[:600]
    assert list(tmp_path.iterdir()) == []


def test_huge_number_of_a_config_file(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(
        "from configs import vae\n"
        "def get_config(arg=''):\n"
        "    config = vae.get_config()\n"
        "    config.seed = 10**5000\n"
        "    return config\n"
    )
    argv = [f"--config={tmp_path / 'mine.py'}", f"--workdir={tmp_path / 'runs'}"]
    code, line = told(capsys, train.main, argv)
    assert (code, line) == (2, "error: seed must be below 2**31, not a number of 16610 bits")


def test_steps_that_cannot_be_counted(tmp_path, capsys):
    argv = [
        CONFIG,
        "--config.num_epochs=1000000000",
        "--config.batch_size=1",
        f"--workdir={tmp_path / 'runs'}",
    ]
    code, line = told(capsys, train.main, argv)
    assert code == 2
    assert "num_epochs must be at most 1794054 with batch_size=1" in line


@pytest.mark.parametrize("name", COMMANDS)
def test_misspelled_field(tmp_path, capsys, name):
    main, argv = COMMANDS[name]
    code, line = told(capsys, main, [*argv, "--config.latent_sizes=2", f"--workdir={tmp_path / 'runs'}"])
    assert code == 2
    assert "unknown config key 'latent_sizes'" in line
    assert list(tmp_path.iterdir()) == []


def test_field_of_a_study_that_trains_nothing(tmp_path, capsys):
    argv = ["--config.batch_size=64", f"--workdir={tmp_path / 'runs'}"]
    code, line = told(capsys, of_study(gaussian), argv)
    assert (code, "the study 'gaussian' trains nothing" in line) == (2, True)
    assert list(tmp_path.iterdir()) == []


ARGUMENTS = {
    "port in other digits": ("train", ["--coordinator=:²", *JOINED], "--coordinator takes HOST:PORT"),
    "port without a host": ("train", ["--coordinator=:1234", *JOINED], "--coordinator takes HOST:PORT"),
    "port too high": ("train", ["--coordinator=localhost:65536", *JOINED], "--coordinator takes HOST:PORT"),
    "port of many digits": ("train", [f"--coordinator=h:{'9' * 99}", *JOINED], "--coordinator takes"),
    "no process": (
        "train",
        ["--coordinator=localhost:1234", "--num_processes=0", "--process_id=0"],
        "--num_processes must be",
    ),
    "processes": (
        "train",
        ["--coordinator=localhost:1234", f"--num_processes={2**31}", "--process_id=0"],
        "--num_processes must be from 1 to 65535",
    ),
    "process too many": (
        "train",
        ["--coordinator=localhost:1234", "--num_processes=2", "--process_id=2"],
        "--process_id must be from 0 to 1",
    ),
    "process below 0": (
        "train",
        ["--coordinator=localhost:1234", "--num_processes=2", "--process_id=-1"],
        "--process_id must be from 0 to 1",
    ),
    "devices": ("train", [f"--devices={2**64}"], "cannot train on"),
    "devices in words": ("train", ["--devices=two"], "--devices: invalid int value: 'two'"),
    "threads in other digits": ("sweep", ["--executor=local:²"], "executor 'local' takes a number"),
    "no thread": ("sweep", ["--executor=local:0"], "executor 'local' takes a number"),
    "threads below 0": ("sweep", ["--executor=local:-1"], "executor 'local' takes a number"),
    "threads": ("sweep", [f"--executor=local:{'9' * 5000}"], "executor 'local' takes a number"),
    "workers": ("sweep", ["--executor=processes:٣"], "executor 'processes' takes a number"),
    "trials": ("search", [f"--trials={2**31}"], "--trials must be from 1"),
    "trials below 1": ("search", ["--trials=0"], "--trials must be from 1"),
    "batch": ("search", [f"--batch={2**31}"], "--batch must be from 1"),
    "seed": ("search", ["--seed=-1"], "--seed must be from 0"),
    "folder of originals": ("train", [f"--manual_dir={LONG}"], "--manual_dir: the path is too long"),
    "null": ("train", ["--manual_dir=a\0b"], "--manual_dir: a path holds no null character"),
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_argument(tmp_path, capsys, kind):
    name, more, message = ARGUMENTS[kind]
    main, argv = COMMANDS[name]
    code, line = told(capsys, main, [*argv, *more, f"--workdir={tmp_path / 'runs'}"])
    assert code == 2
    assert message in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "path", [LONG, "n" * 300, f"{'n' * 200}/" * 19 + "n" * 150, "a\0b"], ids=lambda value: str(len(value))
)
@pytest.mark.parametrize("name", [*COMMANDS, *READERS])
def test_path_that_cannot_be(tmp_path, capsys, monkeypatch, name, path):
    monkeypatch.chdir(tmp_path)
    main, argv = (COMMANDS | READERS)[name]
    code, line = told(capsys, main, [*argv, path if name in READERS else f"--workdir={path}"])
    assert code == 2
    assert "too long" in line or "null character" in line
    assert list(tmp_path.iterdir()) == []


def test_very_many_trials_are_not_all_looked_at_before_the_first(tmp_path, capsys, monkeypatch):
    built, build = [], search.build.task
    monkeypatch.setattr(search.build, "task", lambda config: built.append(config) or build(config))
    monkeypatch.setattr(search, "dry_run", lambda *arguments: None)
    argv = [*SEARCH, "--trials=1000000000", "--dry_run", f"--workdir={tmp_path / 'runs'}"]
    assert search.main(argv) == 0
    assert "1000000000 trials" in capsys.readouterr().out
    assert len(built) <= search.CHECKED + 32  # and the first batch, which is planned
    assert list(tmp_path.iterdir()) == []


def test_names_of_other_peoples_runs_cannot_speak_to_the_terminal(tmp_path, capsys):
    evil = ["[bold]x[/nothing]", "$\\frac$", "=HYPERLINK(1)", "a\nerror: b", "\x1b[2J\u202e", "\ud800"]
    for name in evil:
        config = vae.get_config()
        config.encoder.activation = name
        write_run(tmp_path, config, nll=1.0)
    assert compare.main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "[bold]x[/nothing]" in out
    assert r"a\nerror: b" in out
    assert "\x1b" not in out
    cells = (tmp_path / "comparison" / "comparison.csv").read_text()
    assert "'=HYPERLINK(1)" in cells
    assert "\n=" not in cells


def test_configs_of_two_versions_are_compared(tmp_path, capsys):
    write_run(tmp_path, vae.get_config(), nll=1.0)
    later, earlier = vae.get_config(), vae.get_config()
    later.gain = 2.0
    del earlier.stop_epoch
    write_run(tmp_path, later, nll=2.0)
    write_run(tmp_path, earlier, nll=3.0)
    assert compare.main([str(tmp_path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["gain", "-,", "2"] in lines
    assert ["stop_epoch", "-,", "0"] in lines
    assert compare.main([str(tmp_path), "--by=gain", "--where=gain=2"]) == 0
    assert "1 run, one config" in capsys.readouterr().out


@pytest.mark.parametrize(
    "where",
    [
        *("encoder.hidden_sizes=(128,64)", "encoder.hidden_sizes=(128, 64)", "encoder.hidden_sizes=128,64"),
        *("encoder.hidden_sizes=[128,64]", "latent_size=8.0", "latent_size=8", "latent_size = 8"),
        *("learning_rate=3e-3", "learning_rate=0.003", "dataset=digits", "beta=1"),
    ],
)
def test_value_of_where_is_typed_in_any_way(tmp_path, capsys, where):
    wanted = override(vae.get_config(), {"encoder.hidden_sizes": (128, 64)})
    other = {"latent_size": 2, "learning_rate": 0.01, "dataset": "mnist", "beta": 2.0}
    write_run(tmp_path, wanted, nll=1.0)
    write_run(tmp_path, override(vae.get_config(), other), nll=2.0)
    assert compare.main([str(tmp_path), f"--where={where}"]) == 0
    assert "1 run, one config" in capsys.readouterr().out


# Every command of a process in which JAX finds no such device.
DEVICES = """
import sys
from experiments import cli
from tests.experiments.test_bad_input import COMMANDS, READERS
for name in [*COMMANDS, "report"]:
    main, argv = (COMMANDS | READERS)[name]
    place = sys.argv[1] if name in READERS else f"--workdir={sys.argv[1]}"
    print(name, cli.code_of(lambda: main([*argv, place])), flush=True)
"""


@pytest.mark.parametrize("named", ["cuda", pytest.param("nonsense", marks=pytest.mark.slow)])
def test_device_that_is_not_there(tmp_path, named):
    done = subprocess.run(
        [sys.executable, "-c", DEVICES, str(tmp_path / "runs")],
        cwd=REPOSITORY,
        env=os.environ | {"JAX_PLATFORMS": named},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    names = [*COMMANDS, "report"]
    assert done.stdout.splitlines() == [f"{name} 2" for name in names]
    said = f"error: JAX_PLATFORMS={named}: no such device here; there is cpu: unset it, or JAX_PLATFORMS=cpu"
    assert done.stderr.splitlines() == [said] * len(names)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_workdir_whose_name_is_not_utf8_works(tmp_path):
    workdir = os.path.join(os.fsencode(tmp_path), b"runs\xff")
    for command in (
        ["train", CONFIG, b"--workdir=" + workdir],
        ["sweep", CONFIG, "--sweep=seed", b"--workdir=" + workdir],
        [
            "sweep",
            CONFIG,
            "--sweep=seed",
            "--executor=processes:2",
            "--config.beta=0",
            b"--workdir=" + workdir,
        ],
        ["compare", workdir],
        ["status", workdir],
        ["report", workdir],
        ["architecture", "--smoke", b"--workdir=" + workdir],
    ):
        argv = [sys.executable, "-m", f"experiments.{command[0]}", *command[1:]]
        done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"runs\\udcff" in done.stdout
