"""TensorBoard event files, written with tensorboardX: no TensorFlow."""

import math
import pathlib
from types import TracebackType

import numpy as np
from tensorboardX import SummaryWriter


class EventWriter:
    """Writes scalars by epoch and, at the end, images into the run's directory.

    It begins anew: files of an earlier, killed process are deleted, whose epochs may be done again.
    """

    def __init__(self, path: pathlib.Path):
        for earlier in path.glob("events.*"):
            earlier.unlink()
        self._writer = SummaryWriter(str(path), flush_secs=10)

    def write(self, epoch: int, metrics: dict[str, float | None]) -> None:
        for name, value in metrics.items():
            if value is not None and math.isfinite(value):  # TensorBoard cannot draw the others
                self._writer.add_scalar(name, value, epoch)

    def write_images(self, epoch: int, images: dict[str, np.ndarray]) -> None:
        """Adds images of shape HxWxC with values in [0, 1]."""
        for name, image in images.items():
            self._writer.add_image(name, image, epoch, dataformats="HWC")

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()
