import os
import re

import pytest

from experiments import (
    bottleneck_width,
    cli,
    compare,
    latent_map,
    latent_size,
    reproduce,
    study,
    sweep,
    train,
)
from tests.experiments.commands import AE, LINEAR, REPOSITORY, VAE, command, only_run, python
from vae_jax.errors import UsageError

# What is wrong with the command line, and what the one line must say.
OVERRIDES = {
    "unknown key": ("latent_sizes=2", "unknown config key 'latent_sizes'.*did you mean 'latent_size'"),
    "unknown nested key": (
        "encoder.nets=conv",
        "unknown config key 'encoder.nets'.*did you mean 'encoder.net'",
    ),
    "key without its group": ("activation=relu", "unknown config key 'activation'.*coder.activation'"),
    "group": ("encoder=conv", "unknown config key 'encoder'.*encoder.net"),
    "text for a size": ("latent_size=two", "'latent_size' needs a whole number, not 'two'"),
    "fraction for a size": ("latent_size=2.5", "'latent_size' needs a whole number, not 2.5"),
    "truth for a size": ("latent_size=True", "'latent_size' needs a whole number, not True"),
    "text for a number": ("learning_rate=fast", "'learning_rate' needs a number, not 'fast'"),
    "dictionary of nonsense": ("latent_size={[]: 1}", "'latent_size' needs a whole number"),
    "text for sizes": ("encoder.hidden_sizes=wide", "'encoder.hidden_sizes' needs a tuple of int"),
    "nan": ("learning_rate=nan", "'learning_rate' needs a number, not 'nan'"),
    "infinity": ("learning_rate=1e999", "'learning_rate' must be a finite number"),
    "no value": ("latent_size=", "'latent_size' needs a whole number, not ''"),
    "zero size": ("latent_size=0", "latent_size must be greater than 0, not 0"),
    "negative size": ("batch_size=-128", "batch_size must be greater than 0, not -128"),
    "negative layer": ("encoder.hidden_sizes=(512,-1)", "encoder.hidden_sizes must all be greater than 0"),
    "no epochs": ("num_epochs=0", "num_epochs must be greater than 0"),
    "negative seed": ("seed=-1", "seed must not be negative"),
    "large code": ("latent_size=65", "latent_size must be at most 64"),
    "large batch": ("batch_size=1198", "batch_size must be at most 1197"),
    "many warm-up epochs": ("kl_warmup_epochs=1" + 20 * "0", "kl_warmup_epochs must be"),
    "unknown data set": (
        "dataset=minst",
        "'minst': choose from .*digits.*did you mean 'mnist'",
    ),
    "unknown net": ("encoder.net=mpl", "unknown encoder.net 'mpl': choose from conv, linear, mlp"),
    "unknown posterior": ("posterior=laplace", "unknown posterior 'laplace': choose from delta, gaussian"),
    "unknown likelihood": ("likelihood=poisson", "unknown likelihood 'poisson': choose from bernoulli, "),
    "unknown optimizer": ("optimizer.name=adm", "unknown optimizer.name 'adm': choose from adam, "),
    "parts that do not fit": ("likelihood=gaussian", "likelihood=gaussian is a density"),
}


@pytest.mark.parametrize("kind", OVERRIDES)
def test_bad_config_is_refused_and_leaves_nothing_behind(tmp_path, kind):
    override, message = OVERRIDES[kind]
    with pytest.raises(UsageError, match=message):
        train.main([f"--config={VAE}", f"--config.{override}", f"--workdir={tmp_path / 'runs'}"])
    assert list(tmp_path.iterdir()) == []


ARGUMENTS = {
    "config argument": (
        train,
        [f"--config={AE},liner"],
        "unknown config argument 'liner': choose from .*'linear'",
    ),
    "two data sets": (train, [f"--config={AE},digits,mnist"], "names one data set, not digits, mnist"),
    "flag": (train, [f"--config={AE}", "--works=1"], "unknown argument '--works=1'"),
    "word": (train, [f"--config={AE}", "latent_size=2"], "unknown argument 'latent_size=2'"),
    "flag of another command": (train, [f"--config={AE}", "--dry_run"], "unknown argument '--dry_run'"),
    "missing value": (train, [f"--config={AE}", "--config.seed"], "'--config.seed' needs a value"),
    "missing config": (train, [], "required: --config"),
    "sweep": (
        sweep,
        [f"--config={AE}", "--sweep=latent"],
        "unknown sweep 'latent': choose from .*'latent_size'",
    ),
    "one of two sweeps": (sweep, [f"--config={AE}", "--sweep=seed,x"], "unknown sweep 'x': choose from "),
    "no sweep": (sweep, [f"--config={AE}"], "required: --sweep"),
    "executor": (
        sweep,
        [f"--config={AE}", "--sweep=seed", "--executor=ray2"],
        "unknown executor 'ray2': choose from .*local",
    ),
    "study": (
        reproduce,
        ["latent_maps"],
        "unknown study 'latent_maps': choose from .*did you mean 'latent_map'",
    ),
    "data set of a study": (reproduce, ["--dataset=cifar"], "unknown dataset 'cifar': choose from digits, "),
    "key of every run": (reproduce, ["--config.epochs=1"], "unknown config key 'epochs'.*'num_epochs'"),
    "key that a study sets": (reproduce, ["--config.seed=1"], "--config.seed cannot be set here"),
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_bad_argument_is_refused_and_leaves_nothing_behind(tmp_path, kind):
    module, argv, message = ARGUMENTS[kind]
    with pytest.raises(UsageError, match=message):
        module.main([*argv, f"--workdir={tmp_path / 'runs'}"])
    assert list(tmp_path.iterdir()) == []


SHIPPED = 'from configs import ae\ndef get_config(arg=""):\n    config = ae.get_config("smoke,linear")\n'
FILES = {
    "syntax error": ("def get_config(:\n", "SyntaxError"),
    "import of nothing": ("import vae_jacks\n", "ModuleNotFoundError: No module named 'vae_jacks'"),
    "no get_config": ("config = {}\n", "has no function get_config"),
    "get_config is no function": ("get_config = 3\n", ""),
    "get_config takes no argument": ("def get_config():\n    return None\n", "TypeError: get_config"),
    "get_config fails": ('def get_config(arg=""):\n    raise KeyError("latent")\n', "KeyError: 'latent'"),
    "get_config returns nothing": (f"{SHIPPED}", "ConfigDict, not NoneType"),
    "get_config returns a dict": (f"{SHIPPED}    return config.to_dict()\n", "ConfigDict, not dict"),
    "missing field": (f"{SHIPPED}    del config.num_epochs\n    return config\n", "'num_epochs'"),
    "unknown field": (
        f"{SHIPPED}    config.latnet_size = 3\n    return config\n",
        "'latnet_size'.*'latent_size'",
    ),
    "null bytes": ("\x00", "SyntaxError"),
}


@pytest.mark.parametrize("kind", FILES)
def test_bad_config_file_is_refused_and_named(tmp_path, kind):
    content, message = FILES[kind]
    path = tmp_path / "mine.py"
    path.write_text(content)
    named = "" if "field" in kind else f"'{path}'.*"
    with pytest.raises(UsageError, match=f"{named}{message}"):
        train.main([f"--config={path}", f"--workdir={tmp_path / 'runs'}"])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["none.py", "", "folder", "config.json"])
def test_config_that_is_no_file_of_python_is_refused_by_name(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "config.json").write_text("{}")
    path = tmp_path / name
    with pytest.raises(UsageError, match=f"config file.*'{path}'"):
        train.main([f"--config={path}", f"--workdir={tmp_path / 'runs'}"])
    assert not (tmp_path / "runs").exists()


SWEEPS = {
    "fails": ('def sweep_x():\n    raise KeyError("a")\n', "KeyError: 'a'"),
    "is no function": ("sweep_x = 3\n", "sweep"),
    "yields no overrides": ("def sweep_x():\n    yield 3\n", "sweep"),
    "yields nothing": ("def sweep_x():\n    return []\n", "sweep 'x'"),
    "sets an unknown key": ('def sweep_x():\n    yield {"latent": 3}\n', "unknown config key 'latent'"),
    "sets a wrong type": (
        'def sweep_x():\n    yield {"latent_size": "3"}\n',
        "'latent_size' needs a whole number",
    ),
}


@pytest.mark.parametrize("kind", SWEEPS)
def test_bad_sweep_of_the_users_own_is_refused(tmp_path, kind):
    content, message = SWEEPS[kind]
    (tmp_path / "mine.py").write_text(f"{SHIPPED}    return config\n{content}")
    with pytest.raises(UsageError, match=message):
        sweep.main([f"--config={tmp_path / 'mine.py'}", "--sweep=x", f"--workdir={tmp_path / 'runs'}"])
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("module", "argv"),
    [
        (train, [f"--config={LINEAR}"]),
        (sweep, [f"--config={LINEAR}", "--sweep=seed"]),
        (reproduce, ["--smoke"]),
    ],
    ids=["train", "sweep", "reproduce"],
)
@pytest.mark.parametrize("below", ["", "below/it"])
def test_workdir_that_cannot_be_written_is_refused_by_name(tmp_path, module, argv, below):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"'{tmp_path / 'file'}"):
        module.main([*argv, f"--workdir={tmp_path / 'file' / below}"])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def cut_result(run):
    path = run.path / "result.json"
    path.write_text(path.read_text()[:-20])
    return path


def cut_config(run):
    path = run.path / "config.json"
    path.write_text(path.read_text()[:-20])
    return path


def other_metrics(run):
    path = run.path / "metrics.jsonl"
    path.write_text(path.read_text().replace("1", "2", 1))
    return path


def binary_result(run):
    path = run.path / "result.json"
    path.write_bytes(b"\xff\x00\xfe")
    return path


@pytest.mark.parametrize("damage", [cut_result, cut_config, other_metrics, binary_result])
def test_damaged_run_is_refused_by_name_and_left_as_it_is(tmp_path, damage):
    argv = [f"--config={LINEAR}", f"--workdir={tmp_path}"]
    train.main(argv)
    path = damage(only_run(tmp_path))
    content = path.read_bytes()
    with pytest.raises(UsageError, match=f"'{path}'.*"):
        train.main(argv)
    assert path.read_bytes() == content


# The same as a user meets it: exit code 2, one line, no traceback, nothing left behind.
COMMANDS = [
    ("train", f"--config={VAE}", "--config.latent_size=65"),
    ("train", "--config=configs/none.py"),
    ("sweep", f"--config={VAE}", "--sweep=nothing"),
    ("reproduce", "nothing"),
    ("latent_size", "--dataset=nothing"),
]


@pytest.mark.parametrize(
    "arguments", COMMANDS, ids=lambda arguments: " ".join(arguments).replace(f"{REPOSITORY}/", "")
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, arguments):
    done = command(*arguments, f"--workdir={tmp_path / 'runs'}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_data_that_cannot_be_had_is_one_line(tmp_path, monkeypatch):
    # A folder of originals that holds none: it is looked at, and named, before any download.
    (tmp_path / "originals").mkdir()
    monkeypatch.setenv("VAE_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "cache" / "tfds"))
    argv = [
        f"--config={VAE},fashion_mnist",  # no other test prepares it where TFDS looks
        f"--manual_dir={tmp_path / 'originals'}",
        f"--workdir={tmp_path / 'runs'}",
    ]
    with pytest.raises(UsageError, match=f"fashion_mnist.*{tmp_path / 'originals'}"):
        train.main(argv)
    assert not (tmp_path / "runs").exists()


def test_longest_message_is_one_line(capsys):
    assert cli.fail("one\n  two\tthree", 2) == 2
    assert capsys.readouterr() == ("", "error: one two three\n")


STUDIES = (latent_size, bottleneck_width, latent_map)


def main_of(module):
    return (
        (lambda argv: study.main({module.__name__: module}, argv, module.__doc__))
        if module in STUDIES
        else module.main
    )


@pytest.mark.parametrize("module", [*STUDIES, train, sweep, compare, reproduce])
def test_help_is_the_commands_own_docstring(module, capsys):
    with pytest.raises(SystemExit) as stopped:
        main_of(module)(["--help"])
    assert stopped.value.code == 0
    assert module.__doc__.strip() in capsys.readouterr().out


COMMANDS_IN_DOCSTRINGS = [
    (module, line)
    for module in (*STUDIES, train, sweep, compare, reproduce)
    for line in re.findall(r"python -m experiments\.\w+ (.*?)(?:   .*)?$", module.__doc__, re.MULTILINE)
]


@pytest.mark.parametrize(
    ("module", "line"),
    COMMANDS_IN_DOCSTRINGS,
    ids=lambda value: value if isinstance(value, str) else value.__name__.rpartition(".")[2],
)
def test_command_of_a_docstring_is_understood(tmp_path, monkeypatch, module, line):
    # Its only fault is then the one that is added to it here.
    monkeypatch.chdir(REPOSITORY)
    argv = line.replace("results", str(tmp_path / "none")).split()
    fault, message = (
        ([], "no such directory") if module is compare else (["--config.batch_size=0"], "batch_size must be")
    )
    with pytest.raises(UsageError, match=message):
        main_of(module)([*argv, *fault])


def test_reader_that_leaves_early_is_no_error(tmp_path):
    # `... | head -0`: nobody reads what the command prints.
    argv = ["-m", "experiments.sweep", f"--config={AE}", "--sweep=seed", f"--workdir={tmp_path}", "--dry_run"]
    reader, writer = os.pipe()
    os.close(reader)
    done = python(*argv, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


IMPORTS = {
    "vae_jax": {"jax", "flax", "numpy", "ml_collections"},
    "vae_jax.launch": {
        "matplotlib",
        "sklearn",
        "scipy.stats",
        "tensorflow_datasets",
        "tensorboardX",
        "tensorflow",
    },
    "experiments.train": {"matplotlib", "sklearn", "scipy.stats", "tensorflow_datasets", "tensorboardX"},
    "experiments.sweep": {"matplotlib", "sklearn", "scipy.stats", "tensorflow_datasets", "tensorboardX"},
}


@pytest.mark.parametrize("name", IMPORTS)
def test_import_pulls_in_nothing_that_only_one_command_needs(name):
    done = python("-c", f"import sys, {name}; print(*sys.modules)")
    assert done.stderr == ""
    loaded = set(done.stdout.split())
    assert name in loaded
    assert loaded & IMPORTS[name] == set()
