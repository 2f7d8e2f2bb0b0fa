"""Damage of every kind to a small finished sweep: each command names it, leaves it out and goes on."""

import importlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from experiments import compare, export, report, status, sweep, train
from experiments.claims import write_claims
from tests.experiments.commands import LINEAR, python, snapshot
from vae_jax import formats, runs
from vae_jax.config import hash_text
from vae_jax.errors import DamagedError, UsageError
from vae_jax.figures import style
from vae_jax.sweeps import population

CONFIG = """
from configs import ae

def get_config(arg=""):
    return ae.get_config("smoke,linear")

def sweep_seed():
    return [{"seed": seed} for seed in range(2)]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A config and a work directory where its sweep is finished, compared, and has a table of claims."""
    folder = tmp_path_factory.mktemp("damage")
    config, workdir = folder / "config.py", folder / "runs"
    config.write_text(CONFIG)
    assert sweep.main([f"--config={config}", "--sweep=seed", f"--workdir={workdir}"]) == 0
    assert compare.main([str(workdir)]) == 0
    (workdir / "figures" / "digits").mkdir(parents=True)
    write_claims(workdir / "figures" / "digits", {})
    return config, workdir


@pytest.fixture
def workdir(finished, tmp_path):
    """A copy to damage, beside a folder of somebody's own."""
    shutil.copytree(finished[1], tmp_path / "runs")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "000001.npz").write_text("somebody's")
    (tmp_path / "outside" / "events.out").write_text("somebody's")
    return tmp_path / "runs"


def outside(path):
    """Somebody's folder; `path` is anywhere in the work directory."""
    return next(parent for parent in path.parents if parent.name == "runs").parent / "outside"


def removed(path):
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    return path


def linked_to_itself_elsewhere(path):
    """A link to what is sound, but stands elsewhere."""
    shutil.move(path, moved := outside(path) / "moved")
    path.symlink_to(moved)


def forged_line(path):
    line = json.loads(path.read_text().splitlines()[0])
    del line["crc32"]
    path.write_text(formats.line(path.parent.name, line | {"train/loss": float("nan")}))


def swapped(path):
    """The results and metrics of the two runs, each in the other's place."""
    one, other = runs.all_runs(path.parent)
    for name in ("result.json", "metrics.jsonl"):
        content = [(run.path / name).read_bytes() for run in (one, other)]
        for run, text in zip((other, one), content, strict=True):
            (run.path / name).write_bytes(text)


GARBLED = {
    "garbled": lambda path: path.write_bytes(b"\xff\xfe\n"),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: removed(path).mkdir(),
    "a pipe": lambda path: os.mkfifo(removed(path)),
    "an endless device": lambda path: removed(path).symlink_to("/dev/zero"),
    "a link to a sound one": linked_to_itself_elsewhere,
    "huge": lambda path: os.truncate(path, 1 << 40),
}
DEEP = {"deep": lambda path: path.write_text('{"a": ' * 10**5 + "1" + "}" * 10**5 + "\n")}
LINKED = {"a link to a sound one": linked_to_itself_elsewhere}
READ = {  # by those that list runs: name -> how it is damaged
    "config.json": GARBLED | DEEP,
    "result.json": GARBLED | DEEP,
    "metrics.jsonl": GARBLED | DEEP | {"NaN": forged_line},
    "": LINKED | {"a file": lambda path: removed(path).write_text("file"), "swapped": swapped},
}
UNREAD = {  # by those
    "checkpoints/best.npz": GARBLED,
    "checkpoints": LINKED | {"a file": lambda path: removed(path).write_text("file")},
    ".lock": {kind: GARBLED[kind] for kind in ("a folder", "a pipe", "a link to a sound one")},
}


def cases(table):
    return [
        pytest.param(name, damage, id=f"{name or 'run'}: {kind}")
        for name, kinds in table.items()
        for kind, damage in kinds.items()
    ]


@pytest.fixture
def drawing(monkeypatch):
    """What the figures and the decoders look like is not the point."""
    monkeypatch.setattr(compare, "_write", lambda output, *arguments: str(output))
    collect = importlib.import_module("vae_jax.page.collect")  # the function has the module's name
    monkeypatch.setattr(collect, "explorer", lambda *arguments: {"models": [], "images": {}, "left_out": {}})


def damaged_run(workdir, name, damage):
    """Returns a run after its file `name` is damaged, and whether the other is as well."""
    run = runs.all_runs(workdir)[0]
    path = run.path / name
    damage(path)
    return run, damage is swapped


@pytest.mark.parametrize(("name", "damage"), cases(READ))
def test_commands_that_read_name_it_and_go_on(finished, workdir, drawing, capsys, name, damage):
    run, both = damaged_run(workdir, name, damage)
    before = snapshot(workdir.parent / "outside")
    assert status.main([str(workdir)]) == 0
    told = capsys.readouterr().out
    assert f"2 runs in {workdir}: " + ("2 damaged" if both else "1 completed, 1 damaged") in told
    assert f"'{run.path / name}" in told
    if both:
        with pytest.raises(UsageError, match=r"nothing to compare: .*left out: .*damaged.*damaged"):
            compare.main([str(workdir)])
        with pytest.raises(UsageError, match=f"no run in '{workdir}'; '.*' is damaged"):
            report.main([str(workdir)])
    else:
        assert compare.main([str(workdir)]) == 0
        told = capsys.readouterr().out
        assert f"{run.path / name}" in told
        assert "1 run, one config" in told
        assert report.main([str(workdir)]) == 0
        assert f"left out: '{run.path / name}" in capsys.readouterr().err
        assert run.id in (workdir / "report.html").read_text()
    assert snapshot(workdir.parent / "outside") == before


@pytest.mark.parametrize(("name", "damage"), cases(READ | UNREAD))
def test_train_refuses_it_and_a_sweep_trains_that_run_again(finished, workdir, capsys, name, damage):
    config, undamaged = finished
    run, both = damaged_run(workdir, name, damage)
    sound = {other.id: snapshot(other.path) for other in runs.all_runs(workdir) if other != run}
    before = snapshot(workdir.parent / "outside")
    seed = runs.Run(undamaged / run.id).fields()["seed"]
    with pytest.raises(DamagedError, match=f"'{run.path / name}.*' is damaged.*: delete .*run again"):
        train.main([f"--config={LINEAR}", f"--config.seed={seed}", f"--workdir={workdir}"])
    assert capsys.readouterr().err == ""
    assert sweep.main([f"--config={config}", "--sweep=seed", f"--workdir={workdir}"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 + both
    assert f"set aside as '{workdir / 'damaged' / run.id}-1', trained again" in "".join(told)
    assert (workdir / "damaged" / f"{run.id}-1").exists()
    for again in runs.all_runs(workdir):
        again.verify()
        expected = runs.Run(undamaged / again.id).result()["metrics"]
        assert again.result()["metrics"] == pytest.approx(expected, rel=1e-5)
        if again != run and not both:
            assert snapshot(again.path) == sound[again.id]
    assert snapshot(workdir.parent / "outside") == before


def unfinished(workdir, finished):
    """Makes the first run an unfinished one, whose population is there."""
    run = runs.all_runs(workdir)[0]
    (run.path / "result.json").unlink()
    config, _ = run.config()
    left = population.Population((config,), (config.latent_size, config.bottleneck_width), 1)
    left.write(workdir)
    return run, left


POPULATIONS = {
    "garbled": lambda folder, left: (folder / f"{left.id}.json").write_bytes(b"\xff"),
    "deep": lambda folder, left: DEEP["deep"](folder / f"{left.id}.json"),
    "a pipe": lambda folder, left: os.mkfifo(removed(folder / f"{left.id}.json")),
    "a folder": lambda folder, left: removed(folder / f"{left.id}.json").mkdir(),
    "endless": lambda folder, left: removed(folder / f"{left.id}.json").symlink_to("/dev/zero"),
    "lock": lambda folder, left: (folder / f"{left.id}.lock").symlink_to(outside(folder) / "events.out"),
    "own folder": lambda folder, left: (folder / left.id).symlink_to(outside(folder)),
    "told": lambda folder, left: (
        (folder / left.id).mkdir(),
        (folder / left.id / "told").symlink_to(outside(folder)),
    ),
    "all": lambda folder, left: linked_to_itself_elsewhere(folder),
}


@pytest.mark.parametrize("kind", POPULATIONS)
def test_damaged_files_of_a_population_are_named_and_set_aside(finished, workdir, drawing, capsys, kind):
    _, left = unfinished(workdir, finished)
    folder = workdir / population.FOLDER
    POPULATIONS[kind](folder, left)
    before = snapshot(workdir.parent / "outside")
    (error,) = population.damaged(workdir)
    assert status.main([str(workdir)]) == 0
    told = capsys.readouterr().out
    assert f"  {error}" in told.splitlines()
    assert "2 runs in" in told
    assert compare.main([str(workdir)]) == report.main([str(workdir)]) == 0
    capsys.readouterr()
    assert sweep.main([f"--config={finished[0]}", "--sweep=seed", f"--workdir={workdir}"]) == 0
    aside = workdir / "damaged" / f"{error.path.name}-1"
    assert f"'{error.path}' is damaged: set aside as '{aside}'" in capsys.readouterr().err.splitlines()
    assert all(run.result() for run in runs.all_runs(workdir))
    assert snapshot(workdir.parent / "outside") == before


@pytest.mark.parametrize("kind", ["link", "endless", "pipe", "folder"])
def test_schedules_are_not_written_through_a_link(finished, workdir, capsys, kind):
    unfinished(workdir, finished)
    path = removed(workdir / "schedules.jsonl")
    make = {
        "link": lambda: path.symlink_to(workdir.parent / "outside" / "events.out"),
        "endless": lambda: path.symlink_to("/dev/zero"),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }
    make[kind]()
    assert sweep.main([f"--config={finished[0]}", "--sweep=seed", f"--workdir={workdir}"]) == 0
    assert f"'{path}' is damaged" in capsys.readouterr().err
    assert (workdir.parent / "outside" / "events.out").read_text() == "somebody's"


def test_files_of_an_unfinished_run_are_not_deleted_through_a_link(finished, workdir):
    run, _ = unfinished(workdir, finished)
    target = workdir.parent / "outside"
    shutil.rmtree(run.checkpoints)
    run.checkpoints.symlink_to(target)
    (run.path / "events.out.tfevents.1.x").symlink_to(target / "events.out")
    (run.path / ".result.json.12ab.tmp").symlink_to(target / "events.out")
    before = snapshot(target)
    argv = [f"--config={LINEAR}", f"--config.seed={run.fields()['seed']}", f"--workdir={workdir}"]
    with pytest.raises(DamagedError, match=f"'{run.checkpoints}' is damaged .a link.: delete '{run.path}'"):
        train.main(argv)
    run.checkpoints.unlink()
    assert train.main(argv) == 0
    assert snapshot(target) == before


def test_nothing_is_said_of_what_is_sound(workdir, drawing, capsys):
    for command in (status, compare, report):
        assert command.main([str(workdir)]) == 0
    out, err = capsys.readouterr()
    assert (err, "damaged" in out, "left out" in out) == ("", False, False)
    ids = [run.id for run in runs.all_runs(workdir)]
    assert style.run_ids(workdir / "comparison" / "comparison.png") == ids


PAGE = {
    "comparison/comparison.png": GARBLED | {"cut": lambda path: path.write_bytes(path.read_bytes()[:-20])},
    "comparison": LINKED,
    "figures/digits/claims.csv": GARBLED | {"other": lambda path: path.write_text("a,b\n1\n")},
}


@pytest.mark.parametrize(("name", "damage"), cases(PAGE))
def test_report_leaves_out_pictures_and_claims_that_are_damaged(workdir, drawing, capsys, name, damage):
    damage(workdir / name)
    assert report.main([str(workdir)]) == 0
    assert f"left out: '{workdir / name}' is damaged" in capsys.readouterr().err


def test_claims_that_are_damaged_are_set_aside_by_the_next_study(workdir, capsys):
    folder = workdir / "figures" / "digits"
    (folder / "claims.csv").write_text("a,b\n")
    write_claims(folder, {})
    assert f"'{folder / 'claims.csv'}' is damaged: set aside as" in capsys.readouterr().err
    assert (folder / "claims.csv-damaged-1").read_text() == "a,b\n"


def test_report_leaves_out_the_decoder_of_damaged_parameters(workdir, capsys):
    run = runs.all_runs(workdir)[0]
    GARBLED["huge"](run.checkpoints / "best.npz")
    assert report.main([str(workdir)]) == 0
    assert f"left out: '{run.checkpoints / 'best.npz'}' is damaged" in capsys.readouterr().err


def test_parameters_of_another_run_are_not_taken_for_this_ones(workdir):
    from vae_jax import launch

    one, other = runs.all_runs(workdir)
    (one.checkpoints / "best.npz").write_bytes((other.checkpoints / "best.npz").read_bytes())
    with pytest.raises(DamagedError, match=f"'{one.checkpoints / 'best.npz'}' is damaged"):
        launch.load(one)


def test_export_leaves_out_what_is_damaged(workdir, tmp_path, capsys):
    pytest.importorskip("mlflow", reason="needs the extra [mlflow]")
    run, _ = damaged_run(workdir, "metrics.jsonl", GARBLED["a pipe"])
    assert export.main([str(workdir), f"--mlflow=sqlite:///{tmp_path}/runs.db"]) == 0
    out, err = capsys.readouterr()
    assert f"left out: '{run.path / 'metrics.jsonl'}' is damaged" in err
    assert out.startswith("2 finished runs: 1 exported, 1 left out: ")


def test_config_that_lacks_what_lists_rely_on_is_damaged_though_its_hash_is_right(workdir, drawing, capsys):
    text = '{"data_fingerprint": "0", "seed": [[3]]}'
    path = workdir / hash_text(text)[:12] / "config.json"
    path.parent.mkdir()
    path.write_text(text)
    for command in (status, compare, report):
        assert command.main([str(workdir)]) == 0
        assert str(path) in "".join(capsys.readouterr())


def test_compare_after_status_reads_no_run_again(workdir, drawing, monkeypatch):
    (workdir / "index.jsonl").unlink()
    status.main([str(workdir)])
    monkeypatch.setattr("vae_jax.results.read", lambda run: pytest.fail("it is in the index"))
    assert compare.main([str(workdir)]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["result.json", "metrics.jsonl", "config.json", ".lock"])
@pytest.mark.parametrize("kind", ["a pipe", "an endless device"])
def test_no_command_hangs_or_dies_of_a_file(finished, workdir, name, kind):
    run, _ = damaged_run(workdir, name, GARBLED[kind])
    sweep_ = ["sweep", f"--config={finished[0]}", "--sweep=seed", f"--workdir={workdir}"]
    for name_, *arguments in (["status", workdir], ["compare", workdir], ["report", workdir], sweep_):
        try:
            done = python("-m", f"experiments.{name_}", *arguments)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{name_} hangs")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert pathlib.Path(workdir / "damaged" / f"{run.id}-1").exists()
