"""What a model without a code can do: every pixel its own Bernoulli."""

import numpy as np


def independent_pixels(train_NxHxWxC: np.ndarray, test_NxHxWxC: np.ndarray) -> float:
    """Returns mean -log p(x) of test images under independent pixels, nats per image.

    Args:
      train_NxHxWxC: grey or binary images in [0, 1]; a pixel's probability is their mean, with one
        image all lit and one all dark added, so that no probability is 0 or 1.
      test_NxHxWxC: images in [0, 1].
    """
    p_HxWxC = (train_NxHxWxC.sum(0, dtype=np.float64) + 1) / (len(train_NxHxWxC) + 2)
    log_p_N = test_NxHxWxC * np.log(p_HxWxC) + (1 - test_NxHxWxC) * np.log1p(-p_HxWxC)
    return float(-log_p_N.sum((1, 2, 3)).mean())
