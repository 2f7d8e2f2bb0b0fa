import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import checkpoints
from vae_jax.errors import UsageError

TREE = {
    "params": {"kernel": jnp.array([[1.5, -0.0], [1e-45, jnp.pi]]), "bias": jnp.array([jnp.nan, jnp.inf])},
    "key": jax.random.key(7),
    "step": jnp.int32(3),
    "flag": jnp.ones((), bool),
    "seconds": np.zeros(()) + 1 / 3,
    "best_loss": np.float32(np.inf),
}


def bits(leaf):
    leaf = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    return np.asarray(leaf).dtype, np.asarray(leaf).shape, np.asarray(leaf).tobytes()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "000003"
    checkpoints.save(path, TREE)
    return path


@pytest.fixture
def saved(original, tmp_path):
    """A copy that may be damaged."""
    shutil.copytree(original.parent, tmp_path / "run")
    return tmp_path / "run" / "000003"


def zeros_like(tree):
    fresh = jax.tree.map(lambda leaf: leaf, tree)
    return fresh | {"params": jax.tree.map(jnp.zeros_like, tree["params"]), "key": jax.random.key(0)}


def test_what_is_restored_has_the_same_bits(original):
    restored = checkpoints.restore(original, zeros_like(TREE))
    assert jax.tree.map(bits, restored) == jax.tree.map(bits, TREE)


def test_restored_key_draws_the_same_numbers(original):
    restored = checkpoints.restore(original, zeros_like(TREE))
    drawn = [jax.random.normal(tree["key"], (3,)) for tree in (restored, TREE)]
    np.testing.assert_array_equal(*drawn)


def test_saving_again_replaces(saved):
    checkpoints.save(saved, TREE | {"step": jnp.int32(9)})
    assert checkpoints.restore(saved, zeros_like(TREE))["step"] == 9


def files(path):
    return sorted(file for file in path.rglob("*") if file.is_file())


def flip_a_bit(path):
    largest = max(files(path), key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def truncate_a_file(path):
    largest = max(files(path), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])


def remove_a_file(path):
    files(path)[0].unlink()


def add_a_file(path):
    (path / "extra").touch()


def remove_the_folder(path):
    shutil.rmtree(path)


def remove_the_digest(path):
    path.with_name("000003.sha256").unlink()


def garble_the_digest(path):
    path.with_name("000003.sha256").write_bytes(b"\xff\xfe")


DAMAGES = [
    *(flip_a_bit, truncate_a_file, remove_a_file, add_a_file),
    *(remove_the_folder, remove_the_digest, garble_the_digest),
]


def test_what_was_saved_is_intact(original):
    assert checkpoints.is_intact(original)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_noticed_and_refused_by_name(saved, damage):
    damage(saved)
    assert not checkpoints.is_intact(saved)
    with pytest.raises(UsageError, match=f"checkpoint '{saved}' is missing or damaged"):
        checkpoints.restore(saved, zeros_like(TREE))


def test_saved_lists_finished_numbered_checkpoints_oldest_first(tmp_path):
    for name in ("000010", "000002", "best"):
        checkpoints.save(tmp_path / name, {"a": jnp.zeros(1)})
    (tmp_path / "000011").mkdir()  # a save that was killed left no digest
    assert checkpoints.saved(tmp_path) == [tmp_path / "000002", tmp_path / "000010"]


def test_nothing_is_saved_in_a_folder_that_does_not_exist(tmp_path):
    assert checkpoints.saved(tmp_path / "none") == []


def test_delete_leaves_nothing(saved):
    checkpoints.delete(saved)
    assert list(saved.parent.iterdir()) == []
    checkpoints.delete(saved)  # and may be repeated


def test_checkpoint_of_another_shape_is_refused_by_name(original):
    other = zeros_like(TREE) | {"params": {"kernel": jnp.zeros((3, 3)), "bias": jnp.zeros(2)}}
    with pytest.raises(UsageError, match=f"checkpoint '{original}' does not fit"):
        checkpoints.restore(original, other)


def test_two_epochs_are_kept_beside_the_best(tmp_path):
    checkpoints.save(tmp_path / "best", {"a": jnp.zeros(1)})
    (tmp_path / "000002.orbax-checkpoint-tmp").mkdir()  # of a save that was killed
    for epoch in (1, 2, 3):
        checkpoints.save_numbered(tmp_path, epoch, {"a": jnp.float32(epoch)})
    kept = {path.name.removesuffix(".sha256") for path in tmp_path.iterdir()}
    assert kept == {"best", "000002", "000003"}


def test_newest_intact_epoch_is_restored(tmp_path, capsys):
    fresh = {"a": jnp.float32(0)}
    assert checkpoints.restore_newest(tmp_path, fresh) is fresh
    for epoch in (1, 2):
        checkpoints.save_numbered(tmp_path, epoch, {"a": jnp.float32(epoch)})
    assert checkpoints.restore_newest(tmp_path, fresh)["a"] == 2
    flip_a_bit(tmp_path / "000002")
    assert checkpoints.restore_newest(tmp_path, fresh)["a"] == 1
    assert f"checkpoint '{tmp_path / '000002'}' is damaged" in capsys.readouterr().err
    flip_a_bit(tmp_path / "000001")
    with pytest.raises(UsageError, match=f"no intact checkpoint in '{tmp_path}'"):
        checkpoints.restore_newest(tmp_path, fresh)
