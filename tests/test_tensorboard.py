import math

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vae_jax.tensorboard import EventWriter

IMAGE = np.linspace(0, 1, 6 * 4).reshape(6, 4, 1)
COLOUR = np.linspace(0, 1, 6 * 4 * 3).reshape(6, 4, 3)


def write(path, epochs, image=None):
    with EventWriter(path) as events:
        for epoch in epochs:
            events.write(epoch, {"train/loss": 1 / epoch, "valid/loss": 2 / epoch})
        if image is not None:
            events.write_images(epochs[-1], {"valid/reconstructions": image})


def read(path):
    return EventAccumulator(str(path)).Reload()


def test_scalars_are_read_back(tmp_path):
    write(tmp_path, (1, 2, 4))
    events = read(tmp_path)
    assert sorted(events.Tags()["scalars"]) == ["train/loss", "valid/loss"]
    points = events.Scalars("valid/loss")
    assert [(point.step, point.value) for point in points] == [(1, 2.0), (2, 1.0), (4, 0.5)]


@pytest.mark.parametrize(("drawn", "mode"), [(IMAGE, "L"), (COLOUR, "RGB")])
def test_image_is_read_back(tmp_path, drawn, mode):
    write(tmp_path, (1, 2, 3), drawn)
    (image,) = read(tmp_path).Images("valid/reconstructions")
    assert (image.step, image.height, image.width) == (3, 6, 4)
    (tmp_path / "image.png").write_bytes(image.encoded_image_string)
    with Image.open(tmp_path / "image.png") as pixels:
        found = np.asarray(pixels.convert(mode)).reshape(drawn.shape)
        np.testing.assert_allclose(found / 255, drawn, atol=1 / 255)


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf])
def test_numbers_that_cannot_be_drawn_are_left_out(tmp_path, nothing):
    with EventWriter(tmp_path) as events:
        events.write(1, {"train/loss": 1.0, "valid/loss": 2.0})
        events.write(2, {"train/loss": nothing, "valid/loss": 1.0})
    assert [point.step for point in read(tmp_path).Scalars("train/loss")] == [1]
    assert [point.step for point in read(tmp_path).Scalars("valid/loss")] == [1, 2]


def test_everything_is_on_disk_when_the_writer_is_closed_by_an_error(tmp_path):
    def interrupted():
        with EventWriter(tmp_path) as events:
            events.write(1, {"train/loss": 1.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(read(tmp_path).Scalars("train/loss")) == 1


def test_new_writer_replaces_what_an_earlier_process_wrote(tmp_path):
    write(tmp_path, (1, 2, 3), image=IMAGE)
    (earlier,) = tmp_path.iterdir()
    earlier.rename(tmp_path / "events.out.tfevents.0000000001.host")  # file names tell seconds apart
    write(tmp_path, (1, 2, 3, 4), image=IMAGE)
    events = read(tmp_path)
    assert [point.step for point in events.Scalars("train/loss")] == [1, 2, 3, 4]
    assert [image.step for image in events.Images("valid/reconstructions")] == [4]
