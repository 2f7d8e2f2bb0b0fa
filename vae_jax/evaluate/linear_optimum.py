"""Where the training of a linear autoencoder ends: descent on all images at once, without noise."""

import numpy as np


def train_to_the_end(
    decoder_KxD: np.ndarray, variances_D: np.ndarray, axes_DxD: np.ndarray, steps: int = 20_000
) -> tuple[np.ndarray, float]:
    """Returns the decoder, KxD, and the squared error per image that descent on Eq. 3 comes to.

    From a trained decoder on, a step finds the encoder that is best for the decoder and then the
    decoder that is best for that encoder, so that no step raises the error; it stops when nothing
    changes. Biases are at their best, which takes the mean out.

    Args:
      variances_D, axes_DxD: of the training images; the principal axes, one a row. They are a basis
        in which the error is cheap, and do not help to find them.
    """
    decoder = decoder_KxD @ axes_DxD.T
    for _ in range(steps):
        before = decoder
        encoder_DxK = np.linalg.solve(decoder @ decoder.T, decoder).T
        weighted_DxK = variances_D[:, None] * encoder_DxK
        decoder = np.linalg.solve(encoder_DxK.T @ weighted_DxK, weighted_DxK.T)
        if np.linalg.norm(decoder - before) < 1e-9 * np.linalg.norm(decoder):
            break
    kept = (weighted_DxK * decoder.T).sum()  # what the best decoder for an encoder takes off
    return decoder @ axes_DxD, float(variances_D.sum() - kept)
