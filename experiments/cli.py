"""What every command shares: its arguments, config overrides, exit codes, progress bars.

Exit codes: 0 fine; 1 a run failed or diverged, or a claim was not reproduced; 2 bad usage or
input (one line on stderr); 130 interrupted (Ctrl-C), 143 terminated (SIGTERM).
"""

import argparse
import contextlib
import errno
import gc
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from experiments import packages, signals
from vae_jax import config as configs
from vae_jax import distributed, own, streams
from vae_jax.check import check_fields
from vae_jax.compilation import check_devices, set_up
from vae_jax.errors import UsageError, lookup, suggestion
from vae_jax.paths import make_dir
from vae_jax.sweeps import local
from vae_jax.sweeps.space import KINDS, Space

PREFIX = "--config."
BELOW = f"{'n' * 60}/{'n' * 60}"  # longer than what a run's files are called below a work directory


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line, and with --config.key=value left to `overrides`.

    Attributes:
      computes: whether the command needs JAX's devices.
    """

    computes = False

    def error(self, message: str) -> None:
        raise UsageError(message)

    def parse(self, argv: Sequence[str], overridable: bool = True) -> argparse.Namespace:
        """Returns the arguments; `overrides` holds the --config.key=value ones, if there can be any."""
        arguments, rest = self.parse_known_args(argv)
        if rest and not overridable:
            raise UsageError(f"unknown argument '{rest[0]}'; see --help")
        arguments.overrides = dict(_overrides(rest))
        for name, value in vars(arguments).items():
            for path in value if isinstance(value, list) else [value]:
                _check_path(name, path)
        if self.computes and not joins_others(arguments):
            check_devices()
        return arguments


def parser(doc: str, **options: Any) -> Parser:
    """Returns a parser whose help is the command's own docstring."""
    return Parser(
        prog=f"python -m experiments.{pathlib.Path(sys.argv[0]).stem}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **options,
    )


def _overrides(rest: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields ('encoder.net', 'conv') for --config.encoder.net=conv, or with a space for the =."""
    words = iter(rest)
    for word in words:
        if not word.startswith(PREFIX):
            raise UsageError(f"unknown argument '{word}'; see --help")
        name, equals, value = word.removeprefix(PREFIX).partition("=")
        value = value if equals else next(words, None)
        if value is None:
            raise UsageError(f"'{word}' needs a value, as {word}=...")
        yield name, value


def add_workdir(parser: Parser) -> None:
    parser.add_argument(
        "--workdir", type=pathlib.Path, required=True, help="where the runs' directories stand"
    )
    add_manual_dir(parser)


def add_manual_dir(parser: Parser) -> None:
    """For commands that load data, and therefore compute."""
    parser.computes = True
    parser.add_argument(
        "--manual_dir",
        type=pathlib.Path,
        help="folder of a data set's original files, for a machine without internet",
    )


def add_import(parser: Parser) -> None:
    parser.add_argument(
        "--import",
        dest="own_files",
        action="append",
        default=[],
        metavar="FILE",
        help="a file of your own that registers data or parts of the runs; may be repeated",
    )


def import_own(arguments: argparse.Namespace) -> None:
    for name in arguments.own_files:
        own.load(pathlib.Path(name))


def add_config(parser: Parser) -> None:
    parser.add_argument(
        "--config", required=True, help="config file, as configs/vae.py[:arguments]; its header lists them"
    )
    parser.epilog = "Any field of the config: --config.latent_size=2 --config.encoder.net=conv"


def joins_others(arguments: argparse.Namespace) -> bool:
    """Whether the command is one of several processes; they join before JAX is asked for its devices."""
    named = (getattr(arguments, name, None) for name in ("coordinator", "distributed"))
    return any(named)


def _check_path(name: str, path: Any) -> None:
    """Raises UsageError for a path that cannot be, or under which the files of a run cannot be."""
    if not isinstance(path, pathlib.Path):
        return
    try:
        os.lstat(path.absolute() / BELOW)
    except ValueError:
        raise UsageError(f"--{name}: a path holds no null character") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UsageError(f"--{name}: the path is too long: {_cut(str(path))}") from None


def _cut(text: str) -> str:
    return f"'{text}'" if len(text) <= 80 else f"'{text[:40]}...{text[-30:]}' ({len(text)} characters)"


def run(command: Callable[[Sequence[str]], int]) -> None:
    """Calls a command with the program's arguments and exits with its code."""
    signals.watch()
    streams.set_up()
    try:
        signals.raising()
        code = code_of(lambda: command(sys.argv[1:]))
        signals.leave_with(code)
    except KeyboardInterrupt:
        code = fail(f"{signals.word()}; the same command goes on from here", signals.code())
        signals.leave_with(code)
    gc.freeze()
    code = distributed.end(code)
    if local.is_left():
        distributed.leave(code)
    sys.exit(code)


def code_of(command: Callable[[], int]) -> int:
    """Returns the exit code of a command; what goes wrong is told, in one line if it was foreseen."""
    try:
        set_up()
        gc.freeze()  # what is imported stays: looking it through for garbage takes half a second at exit
        code = command()
        sys.stdout.flush()
        return code
    except Exception as error:
        if signals.asked:  # it was made of the signal on the way: by a library, or a process that ended too
            raise KeyboardInterrupt from None
        return _failed(error)


def _failed(error: Exception) -> int:
    if isinstance(error, UsageError):
        return fail(str(error), 2)
    if isinstance(error, OSError):
        told = error.strerror or str(error)
        told += f": {_cut(str(error.filename))}" if error.filename else ""
        return fail(told, 2 if error.errno == errno.ENAMETOOLONG else 1)
    traceback.print_exception(error)
    return 1


def fail(message: str, code: int) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return code


def find_config(path: str) -> pathlib.Path:
    """Returns the config file: as named from here or, for configs/..., the one that came with the package.

    Raises:
      UsageError: there is none.
    """
    here = pathlib.Path(path)
    _check_path("config", here)
    shipped = packages.BESIDE / here
    if not here.is_file() and here.parts[:1] == ("configs",) and shipped.is_file():
        return shipped
    if not here.is_file():
        known = (packages.BESIDE / "configs").glob("*.py")
        names = sorted(f"configs/{file.name}" for file in known if "get_config" in file.read_text())
        raise UsageError(f"no such config file: {_cut(path)}{suggestion(path, names)}")
    return here


def load_config_module(spec: str) -> tuple[ModuleType, str]:
    """Returns the module of 'path/to/config.py[:argument]', and the argument."""
    path, argument = _split(spec)
    module = own.load(find_config(path))
    if not hasattr(module, "get_config"):
        raise UsageError(f"config file '{path}' has no function get_config")
    return module, argument


def _split(spec: str) -> tuple[str, str]:
    """Splits 'path[:argument]' at its last colon, unless that is part of the file's name."""
    path, colon, argument = spec.rpartition(":")
    return (path, argument) if colon and not pathlib.Path(spec).is_file() else (spec, "")


def load_config(spec: str, overrides: dict[str, str]) -> tuple[ModuleType, ConfigDict]:
    """Returns the config module and its config with the command line's overrides applied.

    A data set named by --config.dataset is handed to get_config as well, for what depends on it.
    """
    module, argument = load_config_module(spec)
    argument = ",".join(filter(None, [argument, overrides.get("dataset")]))
    with _users_own(f"get_config of '{spec}'"):
        config = module.get_config(argument)
        if not isinstance(config, ConfigDict):
            raise TypeError(f"needs to return a ConfigDict, not {type(config).__name__}")
    check_fields(configs.flatten(config))
    return module, apply_overrides(config, overrides)


@contextlib.contextmanager
def _users_own(what: str) -> Iterator[None]:
    """Whatever goes wrong in a config file is the file's, and is said in one line."""
    try:
        yield
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what}: {own.said(error)}") from None


def apply_overrides(config: ConfigDict, overrides: dict[str, str]) -> ConfigDict:
    """Returns a copy of `config` with texts from the command line read as its fields' types."""
    values = {name: configs.parse(name, text, config) for name, text in overrides.items()}
    return configs.override(config, values)


def named_sweeps(module: ModuleType, names: str) -> list[Any]:
    """Returns the overrides of each sweep in 'latent_size,seed': the module's sweep_<name>()."""
    known = {name[6:]: sweep for name, sweep in vars(module).items() if name.startswith("sweep_")}
    return [_sweep(name, lookup("sweep", name, known)) for name in names.replace(" ", "").split(",")]


def _sweep(name: str, sweep: Callable[[], Iterator[dict[str, Any]]]) -> list[dict[str, Any]]:
    with _users_own(f"sweep '{name}'"):
        overrides = [dict(part) for part in sweep()]
    if not overrides:
        raise UsageError(f"sweep '{name}' is empty")
    return overrides


def check_free(overrides: dict[str, str], fields: Iterable[str], owner: str) -> None:
    """Raises UsageError where the command line sets a field that is the sweep's or search's to set."""
    for name in fields:
        if name in overrides:
            raise UsageError(f"--config.{name} cannot be set here: the {owner} sets it")


def named_search(module: ModuleType, name: str) -> Space:
    """Returns the space of the module's search_<name>()."""
    known = {found[7:]: make for found, make in vars(module).items() if found.startswith("search_")}
    make = lookup("search", name, known)
    with _users_own(f"search '{name}'"):
        space = dict(make())
        for field, values in space.items():
            if not isinstance(values, KINDS):
                raise TypeError(f"'{field}' needs uniform(...), integers(...) or choice(...), not {values!r}")
    if not space:
        raise UsageError(f"search '{name}' is empty")
    return space


def writable(workdir: pathlib.Path) -> pathlib.Path:
    """Returns `workdir` if runs can be written in it; makes nothing that was not there."""
    existing = workdir
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    make_dir(existing)
    return workdir


@contextlib.contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[..., None]]:
    """Yields a function (label, done, of, metrics) -> None that draws the bar; quiet in a pipe.

    The bar shows the epochs of the current run, its metrics and the time left for it.
    """
    if not sys.stderr.isatty():
        yield lambda *args: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}", markup=False),
        console=streams.console(stderr=True),
        transient=True,
    ) as progress:
        bar = progress.add_task(label, total=total, metrics="")

        def show(label: str, done: int, of: int, metrics: str) -> None:
            progress.update(bar, description=label, completed=done, total=of, metrics=metrics)

        yield show
        progress.update(bar, completed=total)


def brief(metrics: dict[str, float]) -> str:
    """Returns 'train 12.3  valid 12.9': the losses, for a progress bar."""
    return "  ".join(f"{n.split('/')[0]} {v:.4g}" for n, v in metrics.items() if n.endswith("/loss"))
