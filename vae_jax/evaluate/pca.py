"""Principal component analysis: what the best linear autoencoder can do (Baldi & Hornik 1989)."""

import numpy as np


def pca_mse(train_images: np.ndarray, test_images: np.ndarray, components: list[int]) -> list[float]:
    """Returns the test MSE per pixel of PCA fitted on train, for each number of components.

    Args:
      train_images, test_images: NxHxWxC or NxD, real values.
      components: numbers of components, each at most D.
    """
    train, test = (images.reshape(len(images), -1) for images in (train_images, test_images))
    mean, axes_KxD = fit_pca(train)
    centred = test - mean
    coordinates = centred @ axes_KxD.T
    residuals = [centred - coordinates[:, :k] @ axes_KxD[:k] for k in components]
    return [float((residual**2).mean()) for residual in residuals]


def fit_pca(images_NxD: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean, D, and all principal axes, DxD, one a row, by falling variance."""
    from sklearn.decomposition import PCA  # 0.9 s: only where it is needed

    pca = PCA(svd_solver="covariance_eigh").fit(images_NxD.astype(np.float64))
    return pca.mean_, pca.components_
