"""A config file of the user's own: what it registers reaches every command and every worker."""

import sys

import pytest

from experiments import cli, compare, train
from tests import own_file
from tests.experiments.commands import only_run, python
from vae_jax.errors import UsageError


@pytest.fixture(autouse=True)
def clean():
    with own_file.nothing_registered():
        yield


def spec_of(folder, text):
    path = folder / "own.py"
    path.write_text(text)
    return str(path)


def test_colon_in_the_path_is_part_of_it(tmp_path):
    path = own_file.write(tmp_path / "a:b")
    for spec in (f"{path}", f"{path}:", f"{path}:digits"):
        module, _ = cli.load_config_module(spec)
        assert module.__file__ == str(path)
    assert cli.load_config_module(f"{path}:digits,smoke")[1] == "digits,smoke"


def test_file_that_is_edited_is_imported_anew(tmp_path):
    for words in ("one", "two"):
        spec = spec_of(tmp_path, f"WORD = '{words}'\ndef get_config(arg=''):\n    pass\n")
        assert words == cli.load_config_module(spec)[0].WORD


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys\nsys.exit(0)\n", r"SystemExit: 0 \(it called sys.exit\)"),
        ("import sys\ndef get_config(arg):\n    sys.exit(0)\n", r"SystemExit: 0 \(it called sys.exit\)"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def get_config(:\n", "SyntaxError"),
        ("from helper import nothing\n", "ModuleNotFoundError: No module named 'helper'"),
        ("x = 1\n", "has no function get_config"),
    ],
)
def test_whatever_goes_wrong_in_it_is_one_line(tmp_path, text, said):
    with pytest.raises(UsageError, match=said) as caught:
        cli.load_config(spec_of(tmp_path, text), {})
    assert "own.py" in str(caught.value)


def test_folder_of_the_file_hides_no_package(tmp_path):
    (tmp_path / "optuna.py").write_text("HIDDEN = True\n")
    cli.load_config_module(spec_of(tmp_path, "def get_config(arg=''):\n    import helper\n"))
    import optuna

    assert not hasattr(optuna, "HIDDEN")
    assert sys.path.index(str(tmp_path)) == len(sys.path) - 1


def test_own_metric_is_shown_and_compared(tmp_path, capsys):
    path = own_file.write(tmp_path / "own")
    assert train.main([f"--config={path}", f"--workdir={tmp_path}/runs"]) == 0
    assert "test/spread" in capsys.readouterr().out
    with own_file.nothing_registered():
        assert compare.main([f"{tmp_path}/runs", "--metric=test/spread"]) == 0
    assert "test/spread" in capsys.readouterr().out


@pytest.mark.slow
def test_workers_and_later_commands_find_what_a_file_registers(tmp_path):
    path, runs = own_file.write(tmp_path / "a:b"), tmp_path / "runs"
    sweep = ("-m", "experiments.sweep", f"--config={path}", "--sweep=seed", f"--workdir={runs}")
    done = python(*sweep, "--executor=processes:2")
    assert (done.returncode, done.stdout) == (0, f"2 runs in {runs}: 2 completed\n"), done.stderr
    report = python("-m", "experiments.report", runs)
    assert (report.returncode, report.stderr) == (0, "")
    assert '"left_out":{}' in (runs / "report.html").read_text()
    path.unlink()
    lost = python("-m", "experiments.report", runs)
    assert lost.returncode == 0
    assert lost.stderr.count("which the run was made with, is gone") == 2


def test_run_that_was_there_is_not_shown_as_new(tmp_path, capsys):
    path = own_file.write(tmp_path / "own")
    command = [f"--config={path}", f"--workdir={tmp_path}/runs"]
    train.main(command)
    assert "completed in" in capsys.readouterr().out
    train.main(command)
    assert f"{only_run(tmp_path / 'runs').path}: found, finished on 20" in capsys.readouterr().out
