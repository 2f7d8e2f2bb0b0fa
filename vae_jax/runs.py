"""The run directory: the only place that knows its files.

<workdir>/<run id>/config.json     the resolved config; its hash is the run id
                   metrics.jsonl   one line per epoch
                   result.json     written last: status, test metrics, versions, seconds
                   checkpoints/    the last two of an unfinished run; of a finished one `best`, and
                                   `stopped` where its budget ended it: all that a larger one needs
                   events.*        TensorBoard
<workdir>/damaged/<run id>-<n>/    what was set aside, to be trained again
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import pathlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from ml_collections import ConfigDict

from vae_jax import config as configs
from vae_jax import files, formats
from vae_jax.errors import DamagedError, HeldError, UsageError
from vae_jax.paths import append, becomes, is_locked, locked, make_dir, make_inside, move_aside, write_whole

TAIL_BYTES = 1 << 16  # more than a line of metrics.jsonl has
RUN_ID = re.compile(r"[0-9a-f]{12}")
DAMAGED = "damaged"  # the folder of what was set aside
WRITTEN = ("config.json", "metrics.jsonl", "result.json")
NOTHING = hashlib.sha256(b"").hexdigest()


@dataclasses.dataclass(frozen=True)
class Run:
    """One run's directory, which need not exist yet.

    Attributes:
      path: <workdir>/<run id>.
    """

    path: pathlib.Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def checkpoints(self) -> pathlib.Path:
        return self.path / "checkpoints"

    @property
    def exists(self) -> bool:
        """Whether its first file is in place: a kill can leave a directory without it.

        So it is where something other than a directory is in the run's place, which no reader takes.
        """
        return files.is_there(f"{self.path}/config.json") or not self._is_folder()

    @property
    def ended(self) -> bool:
        """Whether it has a result, be it that it failed."""
        return self.exists and files.is_there(f"{self.path}/result.json")

    def times(self) -> tuple[float, float]:
        """Returns when a run that has ended began and ended, in seconds since 1970, as its files tell."""
        return tuple((self.path / name).stat().st_mtime for name in ("config.json", "result.json"))

    def digest(self) -> str:
        """Returns a text that changes with the content of result.json."""
        return self._read_json("result.json").get("digest", "")

    def create(self, text: str) -> None:
        """Makes the directory and its config.json, of which `text` is the content.

        For a run that another process may train, hold its `lock`.
        """
        make_dir(self.path)
        if not self.exists:
            write_whole(self.path / "config.json", text)

    def reopen(self) -> None:
        """Forgets a failed result: it vouches for files that are about to change."""
        (self.path / "result.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the run for this process; HeldError where another one has it.

        Nothing in it is a link that would be written or deleted through: DamagedError says so.
        """
        self._check_place()
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(locked(self.path / ".lock", wait=False, delete=self.path))
            except BlockingIOError:
                raise HeldError(f"run '{self.path}' is being trained by another process") from None
            file.truncate(0)
            file.write(f"{socket.gethostname()} {os.getpid()} {threading.get_ident()}")
            file.flush()
            self._sweep_up()
            try:
                yield
            finally:
                file.truncate(0)  # this process may live on

    @property
    def is_held(self) -> bool:
        """Whether its `lock` is taken. Writes nothing."""
        return is_locked(self.path / ".lock")

    def holder(self) -> str:
        """Returns the host, process and thread that train it, or "" where none do.

        As far as can be told from here: of a process on another machine, by its traces.
        """
        try:
            holder = self._read(".lock")
            host, pid, *_ = holder.split()
            if host == socket.gethostname():
                os.kill(int(pid), 0)
                return holder
            return holder if time.time() - (self.path / "metrics.jsonl").stat().st_mtime < 60 else ""
        except PermissionError:  # another user's process: it is there
            return holder
        except (OSError, ValueError, OverflowError):
            return ""

    def config(self) -> tuple[ConfigDict, dict[str, Any]]:
        """Returns the config, and what else names the run (`identity.beside`).

        Raises:
          UsageError: config.json is missing or damaged.
        """
        return configs.read_json(self._config_text())

    def fields(self) -> dict[str, Any]:
        """Returns the flattened config, and what else names the run: ten times as fast, for many runs.

        Raises:
          UsageError: config.json is missing or damaged.
        """
        return configs.read_fields(self._config_text())

    def result(self) -> dict[str, Any] | None:
        """Returns the content of result.json, or None for an unfinished run.

        Raises:
          UsageError: result.json, or the metrics.jsonl it vouches for, is damaged or is another run's.
        """
        try:
            content = self._read_json("result.json")
        except FileNotFoundError:
            return None
        if content.pop("digest", None) != formats.digest(content) or not formats.is_sound(content):
            raise self._damaged("result.json")
        if content.get("run") != self.id:
            raise self._damaged("result.json", "of another run, or of an earlier version")
        self.check(content, "metrics.jsonl")
        return content

    def final_result(self) -> dict[str, Any] | None:
        """Returns the result of a run that is over for good; a failed one can be tried again.

        Raises:
          UsageError: a file of the run is damaged.
        """
        if not self.exists:
            return None
        self.config()  # raises where it is damaged
        result = self.result()
        return None if result is None or result["status"] == "failed" else result

    def verify(self) -> None:
        """Reads every file of the run; DamagedError names the first that is not as it was written.

        TensorBoard's may be deleted, which saves space.
        """
        self._check_place()
        result = self.final_result()
        if result is None:
            self.metrics()
            return
        for name in result["files"]:
            if files.is_there(self.path / name) or not name.startswith("events."):
                self.check(result, name)

    def set_aside(self) -> pathlib.Path | None:
        """Moves a damaged run out of the way; returns where to, or None where another process did.

        Whoever trains the run set the damaged one aside, or does so now.
        """
        with contextlib.suppress(FileNotFoundError, HeldError), contextlib.ExitStack() as held:
            try:
                held.enter_context(self.lock())
                self.verify()
            except DamagedError:
                return move_aside(self.path, make_inside(self.path.parent, DAMAGED), self.id)
        return None

    def finish(self, content: dict[str, Any]) -> None:
        """Writes result.json; from then on the run counts as done, and all its files as written."""
        written = {name: self._digest(name) for name in self._written()}
        content = content | {"run": self.id, "files": written}
        text = json.dumps(content | {"digest": formats.digest(content)}, indent=1, sort_keys=True)
        write_whole(self.path / "result.json", text + "\n")

    def metrics(self) -> list[dict[str, float | None]]:
        """Returns the lines of metrics.jsonl; a last line cut short by a kill is left out."""
        try:
            lines = self._read_bytes("metrics.jsonl").splitlines(keepends=True)
            parsed = [formats.parsed(self.id, line) for line in lines if line.endswith(b"\n")]
            if [line["epoch"] for line in parsed] != list(range(1, len(parsed) + 1)):
                raise ValueError("an epoch is missing")
        except FileNotFoundError:
            return []
        except (ValueError, KeyError) as error:
            raise error if isinstance(error, DamagedError) else self._damaged("metrics.jsonl") from None
        return parsed

    def newest_metrics(self) -> dict[str, float | None] | None:
        """Returns the last whole line of metrics.jsonl, reading no more than that; None if there is none.

        Raises:
          DamagedError: what is read is not as it was written.
        """
        with contextlib.suppress(FileNotFoundError), self._opened("metrics.jsonl") as (file, size):
            file.seek(max(0, size - TAIL_BYTES))
            *lines, _ = file.read(TAIL_BYTES).split(b"\n")
            try:
                return formats.parsed(self.id, lines[-1]) if lines else None
            except (ValueError, KeyError):
                raise self._damaged("metrics.jsonl") from None
        return None

    def last_metrics(self) -> dict[str, float | None] | None:
        """Returns the same, and None where it cannot be read: a look at a run in training must not fail."""
        with contextlib.suppress(UsageError, OSError):
            return self.newest_metrics()
        return None

    def append_metrics(self, line: dict[str, float]) -> int:
        """Adds a line and returns its checksum; NaN and infinity, which JSON does not have, become null."""
        line = {name: value if math.isfinite(value) else None for name, value in line.items()}
        append(self.path / "metrics.jsonl", formats.line(self.id, line), self.path)
        return formats.checksum(self.id, line)

    def copy_metrics(self, other: "Run") -> None:
        """Takes over the lines of another run, whose training this one goes on with."""
        write_whole(self.path / "metrics.jsonl", self._lines(other.metrics()))

    def rewind_metrics(self, epoch: int) -> list[dict[str, float | None]]:
        """Forgets the lines after `epoch`, whose work is done again; returns the others.

        Raises:
          UsageError: one of those is missing or damaged.
        """
        kept = self.metrics()[:epoch]
        if len(kept) < epoch:
            raise self._damaged("metrics.jsonl")
        write_whole(self.path / "metrics.jsonl", self._lines(kept))
        return kept

    def sync_metrics(self) -> None:
        """Brings the lines written so far to the disk, before a checkpoint relies on them."""
        with self._opened("metrics.jsonl") as (file, _):
            os.fsync(file.fileno())

    def check(self, result: dict[str, Any], name: str) -> None:
        """Raises DamagedError where a file is not the one that the run's result vouches for."""
        if self._digest(name) != result["files"].get(name):
            raise self._damaged(name, "" if files.is_there(self.path / name) else "missing")

    def _is_folder(self) -> bool:
        """Whether its directory is one, or is not there yet."""
        try:
            files.check_folder(self.path)
        except DamagedError:
            return False
        return True

    def _check_place(self) -> None:
        """Raises DamagedError where something else stands in the place of a folder, or of the lock."""
        files.check_folder(self.path)
        files.check_folder(self.checkpoints, self.path)
        files.check_file(self.path / ".lock", self.path)

    def _sweep_up(self) -> None:
        """Deletes what a kill left of files that were being written."""
        for path in self.path.iterdir():
            if becomes(path.name) in WRITTEN:
                with contextlib.suppress(OSError):  # a folder of that name
                    path.unlink()

    def _written(self) -> list[str]:
        """Returns the files that a result vouches for; numbered checkpoints go when a run is finished."""
        names = [path.name for path in self.path.iterdir()]
        if self.checkpoints.is_dir():
            names += [f"checkpoints/{path.name}" for path in self.checkpoints.iterdir()]
        return sorted({"metrics.jsonl", *filter(formats.VOUCHED.fullmatch, names)})

    def _digest(self, name: str) -> str:
        """Returns the digest of a file's content; a missing one has that of no content."""
        try:
            return files.sha256(self.path / name, self.path.parent, self.path)
        except FileNotFoundError:
            return NOTHING

    def _lines(self, metrics: list[dict[str, float | None]]) -> str:
        return "".join(formats.line(self.id, line) for line in metrics)

    def _config_text(self) -> str:
        try:
            text = self._read("config.json")
        except FileNotFoundError as error:
            raise UsageError(f"cannot read '{error.filename}': {error.strerror}") from None
        if configs.hash_text(text)[:12] != self.id or not formats.is_config(text):
            raise self._damaged("config.json")
        return text

    def _opened(self, name: str) -> contextlib.AbstractContextManager[tuple[BinaryIO, int]]:
        return files.opened(self.path / name, self.path.parent, self.path)

    def _read_bytes(self, name: str) -> bytes:
        return files.read(self.path / name, self.path.parent, self.path)

    def _read(self, name: str) -> str:
        return files.read_text(self.path / name, self.path.parent, self.path)

    def _read_json(self, name: str) -> dict[str, Any]:
        return files.read_json(self.path / name, self.path.parent, self.path)

    def _damaged(self, name: str, why: str = "") -> DamagedError:
        return DamagedError(self.path / name, self.path, why)


def find(workdir: pathlib.Path, config: ConfigDict, data_fingerprint: str, **beside: Any) -> Run:
    """Returns the run of `config` under `workdir`, whether or not it exists; see `identity.run_of`."""
    return Run(workdir / configs.run_id(config, data_fingerprint, **beside))


def all_runs(workdir: pathlib.Path) -> list[Run]:
    """Returns every run under `workdir`, sorted by id.

    Raises:
      UsageError: `workdir` is no directory.
    """
    if not workdir.is_dir():
        raise UsageError(f"no such directory: '{workdir}'")
    return [Run(workdir / name) for name in sorted(os.listdir(workdir)) if RUN_ID.fullmatch(name)]
