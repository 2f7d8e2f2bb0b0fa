"""TensorBoard event files, written with tensorboardX: no TensorFlow."""

import math
import pathlib
import time
from types import TracebackType

import numpy as np
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import image as image_summary


class EventWriter:
    """Writes scalars by epoch and, at the end, images into the run's directory.

    It begins anew: files of an earlier, killed process are deleted, whose epochs may be done again.
    One event holds all scalars of an epoch, and no thread waits behind: many runs write at once.
    """

    def __init__(self, path: pathlib.Path):
        for earlier in path.glob("events.*"):
            earlier.unlink()
        self._writer = EventsWriter(str(path / "events"))

    def write(self, epoch: int, metrics: dict[str, float | None]) -> None:
        drawable = {n: v for n, v in metrics.items() if v is not None and math.isfinite(v)}
        values = [Summary.Value(tag=name, simple_value=value) for name, value in drawable.items()]
        self._write(epoch, Summary(value=values))

    def write_images(self, epoch: int, images: dict[str, np.ndarray]) -> None:
        """Adds images of shape HxWxC with values in [0, 1]."""
        for name, image in images.items():
            self._write(epoch, image_summary(name, image, dataformats="HWC"))

    def flush(self) -> None:
        """Brings everything written so far to the disk."""
        self._writer.flush()

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
        self._writer.close()
