"""What the usual image formats make of images: bits for each, and the error."""

import io

import numpy as np


def sheet(images_NxHxWxC: np.ndarray) -> np.ndarray:
    """Returns all images as one, side by side in rows as close to a square as N divides into."""
    count, height, width, channels = images_NxHxWxC.shape
    columns = next(k for k in range(round(count**0.5), 0, -1) if count % k == 0)
    rows = images_NxHxWxC.reshape(count // columns, columns, height, width, channels)
    return rows.swapaxes(1, 2).reshape(count // columns * height, columns * width, channels)


def compress(images_NxHxWxC: np.ndarray, kind: str, **options) -> tuple[float, float]:
    """Returns the bits of one image and the mean squared error per pixel in one file of them all.

    The formats know 1 and 3 channels: of other numbers, each channel is a grey image of its own.

    Args:
      images_NxHxWxC: uint8, 0 to 255.
      kind: a format that Pillow writes, such as PNG.
      options: of that format, such as quality.
    """
    from PIL import Image

    height, width, channels = images_NxHxWxC.shape[1:]
    grey = np.moveaxis(images_NxHxWxC, -1, 1).reshape(-1, height, width, 1)
    whole, file = sheet(images_NxHxWxC if channels in (1, 3) else grey), io.BytesIO()
    mode = "L" if whole.shape[-1] == 1 else "RGB"
    Image.fromarray(whole.squeeze(-1) if mode == "L" else whole).save(file, kind, **options)
    with Image.open(file) as image:
        found = np.asarray(image.convert(mode)).reshape(whole.shape)
    error = ((found.astype(float) - whole.astype(float)) ** 2).mean() / 255**2
    return 8 * file.getbuffer().nbytes / len(images_NxHxWxC), float(error)
