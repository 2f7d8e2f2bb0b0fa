import hashlib
import io
import pathlib
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
    path = tmp_path_factory.mktemp("checkpoints") / "000003.npz"
    checkpoints.save(path, TREE)
    return path


@pytest.fixture
def saved(original, tmp_path):
    """A copy that may be damaged."""
    return pathlib.Path(shutil.copy(original, tmp_path))


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


def test_numpy_opens_it_and_names_every_array_by_its_path(original):
    with np.load(original, allow_pickle=False) as arrays:
        assert {*arrays} == {"params/kernel", "params/bias", "key", "step", "flag", "seconds", "best_loss"}
        np.testing.assert_array_equal(arrays["params/kernel"], TREE["params"]["kernel"])


def flip_a_bit(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "first bit": lambda path: flip_a_bit(path, 0.0),
    "a bit": flip_a_bit,
    "digest": lambda path: flip_a_bit(path, 0.9999),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"0"),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


def test_what_was_saved_is_intact(original):
    assert checkpoints.is_intact(original)


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_noticed_and_refused_by_name(saved, kind):
    DAMAGES[kind](saved)
    assert not checkpoints.is_intact(saved)
    with pytest.raises(UsageError, match=f"checkpoint '{saved}' is missing or damaged"):
        checkpoints.restore(saved, zeros_like(TREE))


@pytest.mark.parametrize("place", np.linspace(0, 0.999, 40).tolist())
def test_no_flipped_bit_goes_unnoticed(saved, place):
    flip_a_bit(saved, place)
    assert not checkpoints.is_intact(saved)


def test_file_of_another_kind_with_a_right_digest_is_refused(saved):
    saved.write_bytes(b"text" + hashlib.sha256(b"text").digest())
    with pytest.raises(UsageError, match=f"checkpoint '{saved}' does not fit"):
        checkpoints.restore(saved, zeros_like(TREE))


def test_nothing_is_ever_unpickled(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        checkpoints.save(tmp_path / "best.npz", {"a": np.array([object()])})
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{"an": "object"}], object))
    path = tmp_path / "best.npz"
    path.write_bytes(buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest())
    with pytest.raises(UsageError, match="does not fit"):
        checkpoints.restore(path, {"a": jnp.zeros(1)})


def test_saved_lists_numbered_checkpoints_oldest_first(tmp_path):
    for name in ("000010", "000002", "best"):
        checkpoints.save(tmp_path / f"{name}.npz", {"a": jnp.zeros(1)})
    (tmp_path / ".000011.npz.7.tmp").touch()  # of a save that was killed
    assert checkpoints.saved(tmp_path) == [tmp_path / "000002.npz", tmp_path / "000010.npz"]


def test_nothing_is_saved_in_a_folder_that_does_not_exist(tmp_path):
    assert checkpoints.saved(tmp_path / "none") == []


def test_checkpoint_of_another_shape_is_refused_by_name(original):
    other = zeros_like(TREE) | {"params": {"kernel": jnp.zeros((3, 3)), "bias": jnp.zeros(2)}}
    with pytest.raises(UsageError, match=f"checkpoint '{original}' does not fit"):
        checkpoints.restore(original, other)


def test_checkpoint_of_another_type_or_name_is_refused(original):
    for other in (TREE | {"step": jnp.float32(3)}, TREE | {"more": jnp.zeros(1)}):
        with pytest.raises(UsageError, match="does not fit"):
            checkpoints.restore(original, other)


def test_two_epochs_are_kept_beside_the_best(tmp_path):
    checkpoints.save(tmp_path / "best.npz", {"a": jnp.zeros(1)})
    (tmp_path / ".000002.npz.7.tmp").touch()  # of a save that was killed
    for epoch in (1, 2, 3):
        checkpoints.save_numbered(tmp_path, epoch, {"a": jnp.float32(epoch)})
    assert {path.name for path in tmp_path.iterdir()} == {"best.npz", "000002.npz", "000003.npz"}


def test_newest_intact_epoch_is_restored(tmp_path, capsys):
    fresh = {"a": jnp.float32(0)}
    assert checkpoints.restore_newest(tmp_path, fresh) is fresh
    for epoch in (1, 2):
        checkpoints.save_numbered(tmp_path, epoch, {"a": jnp.float32(epoch)})
    assert checkpoints.restore_newest(tmp_path, fresh)["a"] == 2
    flip_a_bit(tmp_path / "000002.npz")
    assert checkpoints.restore_newest(tmp_path, fresh)["a"] == 1
    assert f"checkpoint '{tmp_path / '000002.npz'}' is damaged" in capsys.readouterr().err
    flip_a_bit(tmp_path / "000001.npz")
    with pytest.raises(UsageError, match=f"no intact checkpoint in '{tmp_path}'"):
        checkpoints.restore_newest(tmp_path, fresh)


def test_failed_save_lets_go_of_what_it_wrote(tmp_path, monkeypatch):
    written = []

    def full(path, content):
        written.append(content)
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoints, "write_whole", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(tmp_path / "one.npz", {"a": np.zeros(3)})
    with pytest.raises(ValueError, match="released"):
        len(written[0])
