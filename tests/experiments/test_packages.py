"""The commands from a folder outside of the repository, as after `pip install`."""

import os
import subprocess
import sys

import pytest

from experiments import cli
from tests.experiments.commands import REPOSITORY
from vae_jax.errors import UsageError

# Installed, not editable: the packages stand on the path, behind the current folder.
ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY)}
TRAIN = [
    "-m",
    "experiments.train",
    "--config=configs/ae.py:smoke",
    "--config.latent_size=65",
    "--workdir=runs",
]
REFUSED = "error: latent_size must be at most 64"  # the config was found and read


def outside(folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        **{"cwd": folder, "env": os.environ | ENVIRONMENT, "timeout": 120, "check": False},
        **{"capture_output": True, "text": True},
    )


def test_shipped_config_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.find_config("configs/vae.py") == REPOSITORY / "configs" / "vae.py"
    own = tmp_path / "configs" / "vae.py"
    own.parent.mkdir()
    own.touch()
    assert cli.find_config("configs/vae.py").absolute() == own


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("configs/vea.py", "no such config file: 'configs/vea.py'; did you mean 'configs/vae.py'"),
        ("nothing", "no such config file: 'nothing'$"),
        ("n" * 5000, r"--config: the path is too long: 'n+...n+' \(5000 characters\)"),
        ("a\0b", "--config: a path holds no null character"),
    ],
)
def test_config_that_is_not_there_is_one_line(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        cli.find_config(path)


@pytest.mark.parametrize("name", ["configs.py", "configs/__init__.py"])
def test_users_own_package_configs_is_named_and_harms_no_command(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise SystemExit('imported')\n")
    done = outside(tmp_path, *TRAIN)
    note, refused = done.stderr.splitlines()
    assert note.startswith("note: 'configs' is vae_jax's own package here, not ")
    assert str(path) in note
    assert refused.startswith(REFUSED)
    assert done.returncode == 2
    assert not (tmp_path / "runs").exists()


def test_users_folder_of_config_files_is_no_package(tmp_path):
    (tmp_path / "configs").mkdir()
    done = outside(tmp_path, *TRAIN)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith(REFUSED)


def test_users_module_experiments_is_left_out_by_dash_capital_p(tmp_path):
    """It hides this package before a line of it runs; Python's own message says that."""
    (tmp_path / "experiments.py").touch()
    hidden = outside(tmp_path, *TRAIN)
    assert hidden.returncode == 1
    assert "'experiments'" in hidden.stderr
    assert outside(tmp_path, "-P", *TRAIN).stderr.startswith(REFUSED)
