import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from vae_jax.evaluate.knn import knn_accuracy, nearest_labels

LABELS = np.arange(300) % 10


def noise(seed, size=2):
    return np.random.default_rng(seed).normal(size=(300, size))


def test_separated_classes_are_all_found():
    centres = 100 * np.stack([np.arange(10), np.zeros(10)], 1)
    accuracy = knn_accuracy(centres[LABELS] + noise(0), LABELS, centres[LABELS] + noise(1), LABELS, 5)
    assert accuracy == 1


def test_useless_codes_are_at_chance():
    accuracy = knn_accuracy(noise(0), LABELS, noise(1), LABELS, 5)
    assert abs(accuracy - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 300)


def test_majority_of_the_neighbours_decides():
    train, labels = np.array([[0.0], [1.0], [1.1], [9.0]]), np.array([0, 1, 1, 2])
    test, truth = np.array([[0.2]]), np.array([1])
    assert knn_accuracy(train, labels, test, truth, 1) == 0  # the nearest is a 0
    assert knn_accuracy(train, labels, test, truth, 3) == 1  # two of three are 1


def test_share_of_the_test_codes_is_counted():
    train, labels = np.array([[0.0], [10.0]]), np.array([0, 1])
    test, truth = np.array([[1.0], [9.0], [2.0], [8.0]]), np.array([0, 1, 1, 1])
    assert knn_accuracy(train, labels, test, truth, 1) == 0.75


def test_more_neighbours_than_codes_are_all_of_them():
    train, labels = np.array([[0.0], [1.0], [2.0]]), np.array([0, 1, 1])
    assert knn_accuracy(train, labels, np.array([[0.0]]), np.array([1]), 50) == 1


def test_scaling_turning_and_moving_the_codes_changes_nothing():
    train, test = noise(0) + LABELS[:, None], noise(1) + LABELS[:, None]
    turn, _ = np.linalg.qr(noise(2)[:2])
    moved = [3 * codes @ turn - 7 for codes in (train, test)]
    assert knn_accuracy(train, LABELS, test, LABELS, 5) == knn_accuracy(moved[0], LABELS, moved[1], LABELS, 5)


@pytest.mark.parametrize("far", [0.0, 1000.0])
@pytest.mark.parametrize("count", [1, 5, 6])
def test_same_labels_as_another_search(far, count):
    codes = [(noise(seed, 3) + far).astype(np.float32) for seed in (0, 1)]
    other = KNeighborsClassifier(count, algorithm="brute").fit(codes[0].astype(float), LABELS)
    assert (nearest_labels(codes[0], LABELS, codes[1], count) == other.predict(codes[1].astype(float))).all()
