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
import zlib
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from vae_jax import config as configs
from vae_jax.errors import DamagedError, UsageError
from vae_jax.paths import locked, make_dir, write_whole

TAIL_BYTES = 4096  # more than a line of metrics.jsonl has
RUN_ID = re.compile(r"[0-9a-f]{12}")


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
        """Whether its first file is in place: a kill can leave a directory without it."""
        return (self.path / "config.json").exists()

    @property
    def ended(self) -> bool:
        """Whether it has a result, be it that it failed."""
        return self.exists and (self.path / "result.json").exists()

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
        """Holds the run for this process; UsageError where another one has it."""
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(locked(self.path / ".lock", wait=False))
            except BlockingIOError:
                raise UsageError(f"run '{self.path}' is being trained by another process") from None
            file.truncate(0)
            file.write(f"{socket.gethostname()} {os.getpid()} {threading.get_ident()}")
            file.flush()
            for left_by_a_kill in self.path.glob(".*.tmp"):
                left_by_a_kill.unlink()
            try:
                yield
            finally:
                file.truncate(0)  # this process may live on

    def holder(self) -> str:
        """Returns the host, process and thread that train it, or "" where none do.

        As far as can be told from here: of a process on another machine, by its traces.
        """
        try:
            holder = (self.path / ".lock").read_text()
            host, pid, *_ = holder.split()
            if host == socket.gethostname():
                os.kill(int(pid), 0)
                return holder
            return holder if time.time() - (self.path / "metrics.jsonl").stat().st_mtime < 60 else ""
        except PermissionError:  # another user's process: it is there
            return holder
        except (OSError, ValueError):
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
          UsageError: result.json, or the metrics.jsonl it vouches for, is damaged.
        """
        if not (self.path / "result.json").exists():
            return None
        content = self._read_json("result.json")
        if content.pop("digest", None) != _digest(content):
            raise self._damaged("result.json")
        self._check_digest("metrics.jsonl", content["files"])
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
        result = self.final_result()
        if result is None:
            self.metrics()
            return
        for name in result["files"]:
            if (self.path / name).exists() or not name.startswith("events."):
                self._check_digest(name, result["files"])

    def set_aside(self) -> pathlib.Path | None:
        """Moves a damaged run out of the way; returns where to, or None where another process did.

        Raises:
          UsageError: a process trains it.
        """
        with contextlib.suppress(FileNotFoundError), self.lock():
            try:
                self.verify()
            except UsageError:
                folder = make_dir(self.path.parent / "damaged")
                names = [path.name.rpartition("-")[2] for path in folder.glob(f"{self.id}-*")]
                number = 1 + max((int(name) for name in names if name.isdigit()), default=0)
                return self.path.rename(folder / f"{self.id}-{number}")
        return None

    def finish(self, content: dict[str, Any]) -> None:
        """Writes result.json; from then on the run counts as done, and all its files as written."""
        content = content | {"files": {name: self._digest(name) for name in self._written()}}
        text = json.dumps(content | {"digest": _digest(content)}, indent=1, sort_keys=True)
        write_whole(self.path / "result.json", text + "\n")

    def metrics(self) -> list[dict[str, float | None]]:
        """Returns the lines of metrics.jsonl; a last line cut short by a kill is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        try:
            parsed = [_parsed(line) for line in lines if line.endswith(b"\n")]
            if [line["epoch"] for line in parsed] != list(range(1, len(parsed) + 1)):
                raise ValueError("an epoch is missing")
        except (ValueError, TypeError, KeyError, AttributeError):
            raise self._damaged("metrics.jsonl") from None
        return parsed

    def last_metrics(self) -> dict[str, float | None] | None:
        """Returns the last whole line of metrics.jsonl, reading no more than that; None if there is none."""
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError, IndexError):
            with open(self.path / "metrics.jsonl", "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                *lines, _ = file.read().split(b"\n")
            return _parsed(lines[-1])
        return None

    def append_metrics(self, line: dict[str, float]) -> int:
        """Adds a line and returns its checksum; NaN and infinity, which JSON does not have, become null."""
        line = {name: value if math.isfinite(value) else None for name, value in line.items()}
        with open(self.path / "metrics.jsonl", "a") as file:
            file.write(_line(line))
        return checksum(line)

    def copy_metrics(self, other: "Run") -> None:
        """Takes over the lines of another run, whose training this one goes on with."""
        write_whole(self.path / "metrics.jsonl", (other.path / "metrics.jsonl").read_bytes())

    def rewind_metrics(self, epoch: int) -> list[dict[str, float | None]]:
        """Forgets the lines after `epoch`, whose work is done again; returns the others.

        Raises:
          UsageError: one of those is missing or damaged.
        """
        kept = self.metrics()[:epoch]
        if len(kept) < epoch:
            raise self._damaged("metrics.jsonl")
        write_whole(self.path / "metrics.jsonl", "".join(map(_line, kept)))
        return kept

    def sync_metrics(self) -> None:
        """Brings the lines written so far to the disk, before a checkpoint relies on them."""
        with open(self.path / "metrics.jsonl", "rb+") as file:
            os.fsync(file.fileno())

    def _written(self) -> list[str]:
        """Returns the files that a result vouches for; numbered checkpoints go when a run is finished."""
        kept = [*self.path.glob("events.*"), *self.checkpoints.glob("[!0-9.]*")]
        return ["metrics.jsonl", *sorted(str(path.relative_to(self.path)) for path in kept)]

    def _digest(self, name: str) -> str:
        path = self.path / name
        return hashlib.sha256(path.read_bytes() if path.exists() else b"").hexdigest()

    def _check_digest(self, name: str, digests: dict[str, str]) -> None:
        if self._digest(name) != digests[name]:
            raise self._damaged(name)

    def _config_text(self) -> str:
        text = self._read("config.json")
        if configs.hash_text(text)[:12] != self.id:
            raise self._damaged("config.json")
        return text

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text()
        except OSError as error:
            raise UsageError(f"cannot read '{self.path / name}': {error.strerror}") from None
        except UnicodeDecodeError:
            raise self._damaged(name) from None

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads(self._read(name))
        except ValueError:
            raise self._damaged(name) from None
        if not isinstance(content, dict):
            raise self._damaged(name)
        return content

    def _damaged(self, name: str) -> DamagedError:
        return DamagedError(self.path / name, self.path)


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
    return [Run(path) for path in sorted(workdir.iterdir()) if RUN_ID.fullmatch(path.name)]


def _line(content: dict[str, float | None]) -> str:
    """Returns a line of metrics.jsonl, which vouches for itself."""
    return json.dumps(content | {"crc32": checksum(content)}) + "\n"


def _parsed(line: bytes) -> dict[str, float | None]:
    """Returns the content of such a line; ValueError or KeyError where it is not as it was written."""
    content = json.loads(line)
    if content.pop("crc32") != checksum(content):
        raise ValueError("damaged")
    return content


def checksum(content: dict[str, float | None]) -> int:
    return zlib.crc32(json.dumps(content).encode())


def _digest(content: dict[str, Any]) -> str:
    return configs.hash_text(json.dumps(content, sort_keys=True))
