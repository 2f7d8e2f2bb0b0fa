"""TensorBoard event files, written with tensorboardX: no TensorFlow.

Its HParams page takes a run from two records in the run's own file: one of the config when the
run begins, one of the status when it ends. Which fields differ, and which metrics there are, the
page finds out by itself from all runs under its --logdir.
"""

import contextlib
import functools
import math
import pathlib
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.api_pb2 import Status
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboardX.summary import image as image_summary

HPARAMS = "hparams"  # the plugin's name, and its tags are fixed as well
BEGUN, ENDED = "_hparams_/session_start_info", "_hparams_/session_end_info"


def _harmless(method: Callable[..., None]) -> Callable[..., None]:
    """A log ends no run: the first failure is told in a line, and the log ends there.

    What failed may have been written in part, and the result vouches for the file as it is then.
    """

    @functools.wraps(method)
    def call(writer: "EventWriter", *arguments: Any) -> None:
        if writer.has_failed:
            return
        try:
            method(writer, *arguments)
        except Exception as error:  # tensorboardX, PIL and the OS each have their own
            writer.has_failed = True
            reason = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            told = " ".join(reason.split())
            print(f"'{writer.path}': TensorBoard's log failed, the run goes on: {told}", file=sys.stderr)
            writer.abandon()

    return call


class EventWriter:
    """Writes scalars by epoch and, at the end, images into the run's directory.

    It begins anew: files of an earlier, killed process are deleted, whose epochs may be done again.
    One event holds all scalars of an epoch, and no thread waits behind: many runs write at once.
    None of its methods raises an error of what it writes, see `_harmless`.
    """

    def __init__(self, path: pathlib.Path):
        self.path, self.has_failed = path, False
        self._writer: EventsWriter | None = None
        self._open()

    @_harmless
    def _open(self) -> None:
        for earlier in self.path.glob("events.out*"):
            with contextlib.suppress(IsADirectoryError, PermissionError):  # none of ours
                earlier.unlink()
        self._writer = EventsWriter(str(self.path / "events"))

    @_harmless
    def write(self, epoch: int, metrics: dict[str, float | None]) -> None:
        drawable = {n: v for n, v in metrics.items() if v is not None and math.isfinite(v)}
        values = [Summary.Value(tag=name, simple_value=value) for name, value in drawable.items()]
        self._write(epoch, Summary(value=values))

    @_harmless
    def write_images(self, epoch: int, images: dict[str, np.ndarray]) -> None:
        """Adds images of shape HxWxC with values in [0, 1]."""
        for name, image in images.items():
            self._write(epoch, image_summary(name, image, dataformats="HWC"))

    @_harmless
    def begin(self, fields: Mapping[str, Any]) -> None:
        """Tells the HParams page of the run, at once: its flattened config."""
        told = SessionStartInfo(start_time_secs=time.time())
        for name, value in fields.items():
            kind = {bool: "bool_value", int: "number_value", float: "number_value"}.get(type(value))
            setattr(told.hparams[name], kind or "string_value", value if kind else str(value))
        self._write_hparams(BEGUN, HParamsPluginData(session_start_info=told))
        self.flush()

    @_harmless
    def end(self, completed: bool) -> None:
        """Tells the HParams page how the run ended; until then it has the run as of unknown status."""
        status = Status.Value("STATUS_SUCCESS" if completed else "STATUS_FAILURE")
        told = SessionEndInfo(status=status, end_time_secs=time.time())
        self._write_hparams(ENDED, HParamsPluginData(session_end_info=told))

    @_harmless
    def flush(self) -> None:
        """Brings everything written so far to the disk."""
        self._writer.flush()

    def _write_hparams(self, tag: str, content: HParamsPluginData) -> None:
        plugin = SummaryMetadata.PluginData(plugin_name=HPARAMS, content=content.SerializeToString())
        self._write(0, Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))]))

    def _write(self, epoch: int, summary: Summary) -> None:
        self._writer.write_event(Event(wall_time=time.time(), step=epoch, summary=summary))

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    @_harmless
    def _close(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        """Lets go of the file after a failure; what could not be written is never added to it."""
        with contextlib.suppress(Exception):
            self._writer.close()
        self._writer = None
