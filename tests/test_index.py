import json
import re

import pytest

from configs import vae
from tests.test_results import FINGERPRINT
from vae_jax import index, results, runs
from vae_jax.config import override, resolved_json

CONFIG = override(vae.get_config(), {"encoder.hidden_sizes": (300,)})
COUNT = 5


@pytest.fixture
def workdir(tmp_path):
    for seed in range(COUNT):
        config = override(CONFIG, {"seed": seed})
        run = runs.find(tmp_path, config, FINGERPRINT)
        run.create(resolved_json(config, FINGERPRINT))
        run.append_metrics({"epoch": 1, "train/loss": 1.0})
        run.finish({"status": "completed", "metrics": {"test/mse": seed / 10}, "iwae_samples": 7})
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """The ids of the runs whose files were read."""
    ids, read = [], results.read
    monkeypatch.setattr(results, "read", lambda run: (ids.append(run.id), read(run))[1])
    return ids


def test_rows_from_the_index_are_those_from_the_runs(workdir, reads):
    first = results.read_all([workdir])
    assert len(reads) == len(first[0]) == COUNT
    reads.clear()
    assert results.read_all([workdir]) == first
    assert reads == []
    assert first[0][0].fields["encoder.hidden_sizes"] == (300,)


def test_run_that_changed_is_read_again_and_no_other(workdir, reads):
    results.read_all([workdir])
    reads.clear()
    changed = runs.all_runs(workdir)[2]
    changed.finish({"status": "completed", "metrics": {"test/mse": 9.0}})
    rows, _ = results.read_all([workdir])
    assert reads == [changed.id]
    assert [row.numbers["test/mse"] for row in rows if row.run == changed] == [9.0]


def test_damage_of_an_indexed_run_is_found(workdir):
    results.read_all([workdir])
    path = runs.all_runs(workdir)[0].path / "metrics.jsonl"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    rows, left_out = results.read_all([workdir])
    assert (len(rows), left_out) == (COUNT - 1, [f"{path} (damaged)"])


@pytest.mark.parametrize("names", [["result.json"], ["result.json", "metrics.jsonl"]])
def test_results_that_were_swapped_are_found_whether_or_not_the_index_is_there(workdir, names):
    for _ in ("not indexed", "indexed"):
        one, other, *_ = runs.all_runs(workdir)
        before = [(run.path / "result.json").read_bytes() for run in (one, other)]
        for name in names:
            (one.path / name).rename(workdir / "aside")
            (other.path / name).rename(one.path / name)
            (workdir / "aside").rename(other.path / name)
        assert [(run.path / "result.json").read_bytes() for run in (other, one)] == before
        rows, left_out = results.read_all([workdir])
        assert left_out == [f"{run.path / 'result.json'} (damaged)" for run in (one, other)]
        assert len(rows) == COUNT - 2
        for name in names:  # as they were, and indexed
            (one.path / name).rename(workdir / "aside")
            (other.path / name).rename(one.path / name)
            (workdir / "aside").rename(other.path / name)
        assert len(results.read_all([workdir])[0]) == COUNT


def test_run_that_is_gone_is_in_no_list(workdir):
    results.read_all([workdir])
    gone = runs.all_runs(workdir)[0]
    for path in gone.path.iterdir():
        path.unlink()
    gone.path.rmdir()
    rows, _ = results.read_all([workdir])
    assert gone not in [row.run for row in rows]
    assert gone.id not in index.load(workdir)


def forged(lines):
    """An index whose first line vouches for what it should not."""
    body = "".join(f"{line}\n" for line in lines)
    return f"{index._head(body)}\n{body}"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("{", "[", 1),
        lambda text: "[1]\nnull\n" + text,
        lambda text: "\x00\xff",
        lambda text: text.replace("0.3", "0.8"),
        lambda text: text.replace('"status"', '"ststus"'),
        lambda text: text.replace('"vae_jax": "', '"vae_jax": "1'),  # of another version
        lambda text: forged(["[1]"]),
        lambda text: forged(["{}"]),
        lambda text: forged(["[" * 10**5]),
        lambda text: forged([line.replace('"status"', '"other"') for line in text.splitlines()[1:]]),
        lambda text: forged([re.sub('"row": .*', '"row": [[1]]}', line) for line in text.splitlines()[1:]]),
    ],
)
def test_damaged_index_is_rebuilt(workdir, damage):
    before = results.read_all([workdir])
    path = workdir / index.NAME
    text = path.read_text()
    path.write_bytes(damage(text).encode("latin-1"))
    assert results.read_all([workdir]) == before
    assert path.read_text() == text


def test_directory_that_cannot_be_written_is_read_without(workdir, monkeypatch):
    def refuse(path, content):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(index, "write_whole", refuse)
    rows, _ = results.read_all([workdir])
    assert len(rows) == COUNT


def test_unfinished_runs_are_not_indexed(workdir):
    config = override(CONFIG, {"seed": 99})
    run = runs.find(workdir, config, FINGERPRINT)
    run.create(resolved_json(config, FINGERPRINT))
    rows, left_out = results.read_all([workdir])
    assert (len(rows), left_out) == (COUNT, [f"{run.path} (not finished)"])
    assert run.id not in [
        json.loads(line).get("id") for line in (workdir / index.NAME).read_text().splitlines()
    ]
