import errno
import json
import os
import pathlib
import re
import socket

import pytest

from vae_jax import files
from vae_jax.errors import DamagedError
from vae_jax.paths import append, locked, make_inside, move_aside, write_whole


def fifo(path):
    os.mkfifo(path)


def server(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


def sparse(path):
    path.touch()
    os.truncate(path, 1 << 40)


ODD = {
    "a folder": pathlib.Path.mkdir,
    "a link": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
    "a named pipe": fifo,
    "a socket": server,
}
READERS = {
    "text": files.read_text,
    "json": files.read_json,
    "csv": lambda path: files.read_csv(path, ["a"]),
    "digest": files.sha256,
}
WRITERS = {
    "append": lambda path: append(path, "more"),
    "lock": lambda path: locked(path, wait=False).__enter__(),
}


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    return pathlib.Path("file")


@pytest.mark.parametrize("read", [*READERS.values(), *WRITERS.values()], ids=[*READERS, *WRITERS])
@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused_by_name_at_once(path, kind, read):
    ODD[kind](path)
    with pytest.raises(DamagedError, match=r"'file' is damaged \(.*\): delete it and run again") as caught:
        read(path)
    assert caught.value.path == path


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_file_that_is_much_too_large_is_refused_unread(path, read):
    sparse(path)
    with pytest.raises(DamagedError, match="too large"):
        read(path)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_missing_file_is_no_damage(path, read):
    with pytest.raises(FileNotFoundError):
        read(path)


@pytest.mark.parametrize(
    ("number", "damaged"), [("EACCES", True), ("EIO", True), ("EMFILE", False), ("ENOMEM", False)]
)
def test_what_the_disk_refuses_is_damage_and_what_the_machine_lacks_is_not(
    path, monkeypatch, number, damaged
):
    def refuse(*arguments):
        raise OSError(getattr(errno, number), "refused")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DamagedError if damaged else OSError, match="is damaged" if damaged else "refused"):
        files.read(path)


def test_link_above_the_work_directory_is_followed_and_below_it_is_not(tmp_path):
    (tmp_path / "real" / "run").mkdir(parents=True)
    (tmp_path / "real" / "run" / "file").write_text("text")
    (tmp_path / "results").symlink_to("real")
    workdir = tmp_path / "results"
    assert files.read_text(workdir / "run" / "file", workdir) == "text"
    (workdir / "linked").symlink_to("run")
    with pytest.raises(DamagedError, match=f"'{workdir / 'linked'}' is damaged .a link.: delete '/whole'"):
        files.read_text(workdir / "linked" / "file", workdir, pathlib.Path("/whole"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "{",
        '{"a": 1}x',
        "\ufeff{}",
        '{"a": ' * 10**5,
        '{"a":' + "[" * 30 + "]" * 30 + "}",
        '{"a": NaN}',
    ],
)
def test_json_that_is_no_flat_object_of_numbers_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 (each has its own)
        files.parse_object(text)


def test_json_of_results_may_hold_infinity(path):
    path.write_text(json.dumps({"a": -float("inf"), "b": [{"c": 1}]}))
    assert files.read_json(path) == {"a": -float("inf"), "b": [{"c": 1}]}


@pytest.mark.parametrize(
    "text", ["", "b\n1\n", "a\n1,2\n", 'a\n"1\n', "a\n\n", "a\n" + "1" * 200_000, "a\n\0\n1,2"]
)
def test_csv_of_another_form_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(DamagedError, match="'file' is damaged"):
        files.read_csv(path, ["a"])


def test_csv_is_read_back(path):
    path.write_text('a,b\n1,"x\ny"\n')
    assert files.read_csv(path, ["a", "b"]) == [{"a": "1", "b": "x\ny"}]


def test_digest_is_the_same_whatever_the_size(path):
    import hashlib

    for size in (0, 10, 3 << 20):
        path.write_bytes(b"x" * size)
        assert files.sha256(path) == hashlib.sha256(b"x" * size).hexdigest()


def test_written_file_takes_the_place_of_a_link_and_the_target_stays(tmp_path):
    target = tmp_path / "target"
    target.write_text("somebody's")
    for name in ("file", f".file.{os.getpid()}.tmp"):
        (tmp_path / name).symlink_to(target)
    write_whole(tmp_path / "file", "ours")
    assert ((tmp_path / "file").read_text(), (tmp_path / "file").is_symlink()) == ("ours", False)
    assert target.read_text() == "somebody's"


def test_temporary_names_cannot_be_guessed(tmp_path, monkeypatch):
    names, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda one, other: (names.append(one.name), replace(one, other)))
    for _ in range(3):
        write_whole(tmp_path / "file", "ours")
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"\.file\.[0-9a-f]{16}\.tmp", name) for name in names)


def test_folders_are_made_inside_and_not_through_a_link(tmp_path):
    assert make_inside(tmp_path, "a", "b").is_dir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(DamagedError, match="a link"):
        make_inside(tmp_path, "link", "c")
    assert not (tmp_path / "a" / "c").exists()


def test_what_is_moved_aside_gets_the_next_number_of_its_name(tmp_path):
    for name in ("one-2", "one-more-7", "one-x", "one"):
        (tmp_path / name).touch()
    assert move_aside(tmp_path / "one", tmp_path, "one") == tmp_path / "one-3"
