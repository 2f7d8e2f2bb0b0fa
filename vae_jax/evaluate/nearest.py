"""The nearest of many images: is a sample new, and does it look like the data?

Distances are root mean squares over pixels and channels, in units of a fully lit pixel: 0 is a
copy, and 1 the distance of white from black.
"""

import numpy as np


def nearest(
    images_NxHxWxC: np.ndarray, references_MxHxWxC: np.ndarray, rank: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distance to the `rank`-th nearest reference and its number, for each image, both N."""
    from sklearn.neighbors import NearestNeighbors  # 0.9 s: only where it is needed

    images, references = flat(images_NxHxWxC), flat(references_MxHxWxC)
    search = NearestNeighbors(n_neighbors=rank, algorithm="brute").fit(references)
    distances_NxK, found_NxK = search.kneighbors(images)
    return distances_NxK[:, -1] / np.sqrt(images.shape[1]), found_NxK[:, -1]


def flat(images_NxHxWxC: np.ndarray) -> np.ndarray:
    """Returns images as rows, NxD."""
    return np.asarray(images_NxHxWxC, np.float32).reshape(len(images_NxHxWxC), -1)


def authentic_share(samples_NxHxWxC: np.ndarray, train_MxHxWxC: np.ndarray) -> float:
    """Returns the share of samples that are no copies (Alaa et al. 2022, "authenticity").

    A sample counts as a copy if it lies nearer to a training image than any other training image
    does: 0 if all are copies, about 1/2 for new images of the very same distribution.
    """
    distances, found = nearest(samples_NxHxWxC, train_MxHxWxC)
    asked, back = np.unique(found, return_inverse=True)
    own, _ = nearest(train_MxHxWxC[asked], train_MxHxWxC, rank=2)  # the first is the image itself
    return float((distances > own[back]).mean())


def coverage(samples_NxHxWxC: np.ndarray, real_MxHxWxC: np.ndarray, neighbors: int = 5) -> float:
    """Returns the share of real images with a sample nearby (Naeem et al. 2020).

    Nearby is within the distance to the image's own `neighbors`-th nearest real image: 0 for
    samples that look like no data, near 1 for as many new images of the same distribution.
    """
    radius, _ = nearest(real_MxHxWxC, real_MxHxWxC, rank=neighbors + 1)
    distances, _ = nearest(real_MxHxWxC, samples_NxHxWxC)
    return float((distances <= radius).mean())
