import hashlib
import io
import pathlib
import shutil
import tracemalloc
import uuid
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import checkpoints
from vae_jax.errors import DamagedError, UsageError

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
    with pytest.raises(UsageError, match=f"'{saved}' is damaged.*: delete '{saved.parent.parent}'"):
        checkpoints.restore(saved, zeros_like(TREE))


@pytest.mark.parametrize("place", np.linspace(0, 0.999, 40).tolist())
def test_no_flipped_bit_goes_unnoticed(saved, place):
    flip_a_bit(saved, place)
    assert not checkpoints.is_intact(saved)


def test_file_of_another_kind_with_a_right_digest_is_refused(saved):
    saved.write_bytes(b"text" + hashlib.sha256(b"text").digest())
    with pytest.raises(UsageError, match=f"'{saved}' is damaged"):
        checkpoints.restore(saved, zeros_like(TREE))


def test_nothing_is_ever_unpickled(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        checkpoints.save(tmp_path / "best.npz", {"a": np.array([object()])})
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{"an": "object"}], object))
    path = tmp_path / "best.npz"
    path.write_bytes(buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest())
    with pytest.raises(UsageError, match="is damaged"):
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
    with pytest.raises(UsageError, match=f"'{original}' is damaged .does not fit"):
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


def numbered(folder, count=2):
    """A run's checkpoints of so many epochs."""
    for epoch in range(1, count + 1):
        checkpoints.save_numbered(folder, epoch, {"a": jnp.float32(epoch)})
    return folder


def newest(folder):
    return checkpoints.restore_newest(folder, {"a": jnp.float32(0)}, folder.parent.parent / "damaged")["a"]


def test_newest_intact_epoch_is_restored(tmp_path, capsys):
    folder = tmp_path / "run" / "checkpoints"
    assert newest(folder) == 0
    assert newest(numbered(folder)) == 2
    flip_a_bit(folder / "000002.npz")
    assert newest(folder) == 1
    assert capsys.readouterr().err == (
        f"checkpoint '{folder / '000002.npz'}' is damaged: looking for the one before\n"
    )


def linked(folder):
    elsewhere = folder.parent.with_name(f"elsewhere-{uuid.uuid4().hex}")
    folder.symlink_to(folder.rename(elsewhere))


def directories(folder):
    for path in checkpoints.saved(folder):
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    "damage", [lambda folder: list(map(flip_a_bit, checkpoints.saved(folder))), linked, directories]
)
def test_without_an_intact_one_they_are_set_aside_and_all_begins_anew(tmp_path, capsys, damage):
    for number in (1, 2):
        folder = numbered(tmp_path / "run" / "checkpoints")
        damage(folder)
        assert newest(folder) == 0
        aside = tmp_path / "damaged" / f"run-checkpoints-{number}"
        told = f"no intact checkpoint in '{folder}': set aside as '{aside}', begun anew\n"
        assert capsys.readouterr().err == told
        assert {path.name for path in aside.iterdir()} == {"000001.npz", "000002.npz"}
        assert newest(folder) == 0
        assert capsys.readouterr().err == ""
        shutil.rmtree(tmp_path / "run")


def test_only_names_of_our_own_are_deleted(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "000001.npz").write_text("somebody's")
    folder = numbered(tmp_path / "run" / "checkpoints")
    for name in ("notes.txt", "1.npz", ".hidden.tmp", ".notes.txt.12ab.tmp"):
        (folder / name).write_text("the user's")
    (folder / "000003.npz").mkdir()
    (folder / ".best.npz.12ab.tmp").symlink_to(outside / "000001.npz")
    checkpoints.keep(folder, 0)
    left = {"notes.txt", "1.npz", ".hidden.tmp", ".notes.txt.12ab.tmp", "000003.npz"}
    assert {path.name for path in folder.iterdir()} == left
    link = tmp_path / "linked" / "checkpoints"
    link.parent.mkdir()
    link.symlink_to(outside)
    for write in (lambda: checkpoints.keep(link, 0), lambda: numbered(link)):
        with pytest.raises(DamagedError, match=f"'{link}' is damaged .a link.: delete '{link.parent}'"):
            write()
    assert (outside / "000001.npz").read_text() == "somebody's"


def forged(path, content):
    """An archive with a right digest."""
    path.write_bytes(content + hashlib.sha256(content).digest())
    return path


def archive(write, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as opened, opened.open("a.npy", "w") as member:
        write(member)
    return buffer.getvalue()


def header(shape, dtype="<f4"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


FORGED = {
    "a bomb": archive(lambda file: file.write(header((4,)) + bytes(1 << 24)), zipfile.ZIP_DEFLATED),
    "compressed": archive(lambda file: file.write(header((4,)) + bytes(16)), zipfile.ZIP_DEFLATED),
    "a header that promises too much": archive(lambda file: file.write(header((10**12,)) + bytes(16))),
    "objects": archive(lambda file: file.write(header((4,), "|O") + bytes(16))),
    "a header that is none": archive(lambda file: file.write(b"\x93NUMPY\x01\x00\xff\x00" + b"(" * 255)),
    "too long": archive(lambda file: file.write(header((4,)) + bytes(20))),
    "no archive": bytes(1000),
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_archives_are_refused_and_not_unpacked(tmp_path, kind):
    path = forged(tmp_path / "best.npz", FORGED[kind])
    assert checkpoints.is_intact(path)
    tracemalloc.start()
    with pytest.raises(DamagedError, match=f"'{path}' is damaged"):
        checkpoints.restore(path, {"a": jnp.zeros(4)})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2e6


def test_file_that_is_much_too_large_is_not_read(tmp_path):
    path = forged(tmp_path / "best.npz", archive(lambda file: file.write(header((4,)) + bytes(16))))
    assert checkpoints.restore(path, {"a": jnp.zeros(4)})["a"].shape == (4,)
    with open(path, "r+b") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    with pytest.raises(DamagedError, match="too large"):
        checkpoints.restore(path, {"a": jnp.zeros(4)})
    assert not checkpoints.is_intact(path)


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
