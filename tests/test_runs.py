import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import ae, vae
from vae_jax import runs
from vae_jax.config import flatten, override, resolved_json
from vae_jax.errors import UsageError

CONFIG = override(vae.get_config(), {"encoder.hidden_sizes": (512, 256)})
LINES = [{"step": 9 * epoch, "epoch": epoch, "train/loss": 1 / epoch} for epoch in (1, 2, 3)]


@pytest.fixture
def run(tmp_path):
    found = runs.find(tmp_path, CONFIG, "data")
    found.create(resolved_json(CONFIG, "data"))
    for line in LINES:
        found.append_metrics(line)
    return found


def names(path):
    return sorted(file.name for file in path.iterdir())


def test_find_makes_nothing(tmp_path):
    found = runs.find(tmp_path, CONFIG, "data")
    assert found.path == tmp_path / found.id
    assert runs.RUN_ID.fullmatch(found.id)
    assert names(tmp_path) == []


@pytest.mark.parametrize("config", [CONFIG, vae.get_config("grey,conv"), ae.get_config("linear")])
def test_config_is_read_back_with_its_types(tmp_path, config):
    found = runs.find(tmp_path, config, "data")
    found.create(resolved_json(config, "data"))
    assert found.config() == (config, {"data_fingerprint": "data"})
    assert found.fields() == flatten(config) | {"data_fingerprint": "data"}
    assert runs.find(tmp_path, found.config()[0], "data") == found


def test_run_has_ended_when_its_result_stands(run):
    assert not run.ended
    run.finish({"status": "failed"})
    assert run.ended
    began, ended = run.times()
    assert began <= ended
    digest = run.digest()
    run.finish({"status": "completed"})
    assert digest != run.digest() != ""


def test_creating_again_changes_nothing(run):
    before = (run.path / "config.json").stat().st_mtime_ns
    run.create(resolved_json(CONFIG, "data"))
    assert (run.path / "config.json").stat().st_mtime_ns == before


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def garble(path):
    path.write_bytes(b"\xff\xfe\n")


DAMAGES = (flip, halve, empty, garble)


def refusal(read):
    with pytest.raises(UsageError) as caught:
        read()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_config_is_refused_by_name(run, damage):
    damage(run.path / "config.json")
    assert f"'{run.path / 'config.json'}'" in refusal(run.config)


def test_missing_config_is_refused_by_name(run):
    (run.path / "config.json").unlink()
    assert f"cannot read '{run.path / 'config.json'}': No such file" in refusal(run.config)


def test_unfinished_run_has_no_result(run):
    assert run.result() is None


def test_result_is_read_back(run):
    run.finish({"status": "completed", "metrics": {"test/nll": 1 / 3, "test/elbo": float("-inf")}})
    result = run.result()
    assert result["status"] == "completed"
    assert result["metrics"] == {"test/nll": 1 / 3, "test/elbo": float("-inf")}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_result_is_refused_by_name(run, damage):
    run.finish({"status": "completed", "metrics": {"test/nll": 80.5}})
    damage(run.path / "result.json")
    assert f"'{run.path / 'result.json'}'" in refusal(run.result)


@pytest.mark.parametrize(
    "content", ["[]", "3", '{"status": "completed"}', '{"status": "completed", "digest": ""}']
)
def test_result_that_was_not_written_here_is_refused(run, content):
    (run.path / "result.json").write_text(content)
    assert f"'{run.path / 'result.json'}' is damaged" in refusal(run.result)


@pytest.mark.parametrize("damage", DAMAGES)
def test_result_vouches_for_the_metrics(run, damage):
    run.finish({"status": "completed"})
    damage(run.path / "metrics.jsonl")
    assert f"'{run.path / 'metrics.jsonl'}' is damaged" in refusal(run.result)


@pytest.mark.parametrize("name", ["checkpoints/best.npz", "events.out", "metrics.jsonl"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_verifying_names_the_file_that_is_damaged(run, damage, name):
    run.checkpoints.mkdir()
    for written in ("checkpoints/best.npz", "events.out"):
        (run.path / written).write_bytes(bytes(range(100)))
    run.finish({"status": "completed"})
    run.verify()
    damage(run.path / name)
    assert f"'{run.path / name}' is damaged" in refusal(run.verify)


def test_events_may_be_deleted_and_parameters_may_not(run):
    run.checkpoints.mkdir()
    for name in ("checkpoints/best.npz", "events.out"):
        (run.path / name).write_text("content")
    run.finish({"status": "completed"})
    (run.path / "events.out").unlink()
    run.verify()
    (run.checkpoints / "best.npz").unlink()
    assert "best.npz' is damaged" in refusal(run.verify)


def test_what_is_set_aside_keeps_its_files_and_makes_room(run):
    content = (run.path / "config.json").read_text()
    for number in (1, 2, 3):
        (run.path / "metrics.jsonl").write_text("damaged\n")
        aside = run.set_aside()
        assert aside == run.path.parent / "damaged" / f"{run.id}-{number}"
        assert (aside / "config.json").read_text() == content
        assert not run.path.exists()
        if number == 2:
            shutil.rmtree(aside.with_name(f"{run.id}-1"))  # a user made room
        run.create(content)


def test_run_that_another_process_set_aside_or_mended_stays(run):
    assert run.set_aside() is None  # trained again meanwhile, and sound
    assert run.metrics() == LINES
    shutil.rmtree(run.path)
    assert run.set_aside() is None
    assert not run.path.exists()


def test_run_that_a_process_trains_is_not_set_aside(run):
    (run.path / "metrics.jsonl").write_text("{}\n")
    with run.lock():
        assert run.set_aside() is None
    assert run.exists
    assert run.set_aside().exists()
    assert not run.exists


def test_result_is_one_json_object(run):
    run.finish({"status": "completed", "metrics": {}})
    assert json.loads((run.path / "result.json").read_text())["status"] == "completed"


def test_metrics_are_read_back(run):
    assert run.metrics() == LINES


@pytest.mark.parametrize("lost", [1, 5, 30])
def test_last_line_that_a_kill_cut_short_is_left_out(run, lost):
    path = run.path / "metrics.jsonl"
    path.write_text(path.read_text()[:-lost])
    assert run.metrics() == LINES[:2]


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"not json\n", b"5\n", b"[]\n", b"{}\n", b'{"epoch": 1}\n'])
def test_damaged_metrics_are_refused_by_name(run, line):
    path = run.path / "metrics.jsonl"
    path.write_bytes(line + path.read_bytes())
    assert f"'{path}' is damaged" in refusal(lambda: run.rewind_metrics(3))


@given(st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_rewinding_forgets_later_epochs_alone(tmp_path_factory, epoch):
    run = runs.Run(tmp_path_factory.mktemp("run"))
    for line in LINES:
        run.append_metrics(line)
    run.rewind_metrics(epoch)
    run.rewind_metrics(epoch)
    assert run.metrics() == LINES[:epoch]


def test_rewinding_drops_the_line_cut_short(run):
    path = run.path / "metrics.jsonl"
    path.write_text(path.read_text()[:-5])
    run.rewind_metrics(2)
    run.append_metrics(LINES[2])
    assert run.metrics() == LINES


def test_line_that_a_checkpoint_relies_on_must_be_there(run):
    assert f"'{run.path / 'metrics.jsonl'}' is damaged" in refusal(lambda: run.rewind_metrics(4))


def test_missing_epoch_is_noticed(run):
    run.append_metrics({"epoch": 5})
    assert f"'{run.path / 'metrics.jsonl'}' is damaged" in refusal(run.metrics)


def test_numbers_that_json_does_not_have_become_null(run):
    run.append_metrics({"epoch": 4, "a": float("nan"), "b": float("-inf"), "c": 1.0})
    assert run.metrics()[3] == {"epoch": 4, "a": None, "b": None, "c": 1.0}


def test_reopened_run_has_no_result(run):
    run.finish({"status": "failed"})
    run.reopen()
    run.reopen()
    assert run.result() is None


def test_run_is_held_by_one_process_at_a_time(run):
    with run.lock():
        assert f"run '{run.path}' is being trained by another process" in refusal(run.lock().__enter__)
        assert run.holder()
        assert run.is_held
    assert run.holder() == ""  # though this process lives on
    assert not run.is_held
    with run.lock():
        pass


def test_who_holds_the_run_sweeps_up_what_a_kill_left_half_written(run):
    left = run.path / ".result.json.123.tmp"
    left.write_text("{")
    before = {path.name for path in run.path.iterdir()} - {left.name}
    with run.lock():
        assert {path.name for path in run.path.iterdir()} - {".lock"} == before - {".lock"}


def test_run_without_metrics_has_none(tmp_path):
    run = runs.Run(tmp_path)
    assert run.metrics() == []
    run.rewind_metrics(0)
    assert run.metrics() == []


def test_all_runs_are_those_named_by_an_id(tmp_path, run):
    other = runs.find(tmp_path, vae.get_config(), "data")
    other.create(resolved_json(vae.get_config(), "data"))
    for name in ("figures", "0123456789abcdef", run.id + ".tmp"):
        (tmp_path / name).mkdir()
    assert runs.all_runs(tmp_path) == sorted([run, other], key=lambda r: r.id)


def test_all_runs_of_no_directory_is_refused_by_name(tmp_path):
    assert refusal(lambda: runs.all_runs(tmp_path / "none")) == f"no such directory: '{tmp_path / 'none'}'"


def test_every_file_is_written_whole(run):
    run.finish({"status": "completed"})
    run.rewind_metrics(1)
    assert names(run.path) == ["config.json", "metrics.jsonl", "result.json"]
