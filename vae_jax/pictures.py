"""Images as they can be shown: of one channel, or of three that are red, green and blue."""

import numpy as np


def shown(images: np.ndarray) -> np.ndarray:
    """Returns images ...xHxWxC of 1 or 3 channels as they are; of others the mean channel, ...xHxWx1."""
    return images if images.shape[-1] in (1, 3) else images.mean(-1, keepdims=True)
