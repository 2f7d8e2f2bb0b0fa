import math
import sys

import pytest

from experiments import export
from tests.experiments.commands import snapshot
from tests.experiments.test_status import SHA, begun
from vae_jax.config import flatten
from vae_jax.errors import UsageError

VERSIONS = {"jax": "1.2.3", "vae_jax": "0.1.0"}
FINAL = {"test/mse": 0.25, "test/nll": -3.5}


def ended(workdir, seed, *losses, status="completed", **result):
    run = begun(workdir, seed, *losses)
    about = {"status": status, "epochs": len(losses), "versions": VERSIONS, "device": "cpu"}
    run.finish(about | result)
    return run


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of every end, and one that has none yet; more epochs than go into one of MLflow's batches."""
    folder = tmp_path_factory.mktemp("results")
    ended(folder, 0, *range(1001, 0, -1), metrics=FINAL, valid_loss=1.0)
    ended(folder, 1, 7.0, math.nan, status="diverged", diverged_step=9, metrics={}, valid_loss=7.0)
    ended(folder, 2, status="failed", error="RuntimeError: no more memory")
    begun(folder, 3, 5.0)
    return folder


@pytest.fixture(scope="module")
def mlflow():
    return pytest.importorskip("mlflow", reason="needs the extra [mlflow]")


@pytest.fixture(scope="module")
def uri(tmp_path_factory, mlflow):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/runs.db"


@pytest.fixture(scope="module")
def read(workdir, uri, mlflow):
    """Exports once, and reads every run back with MLflow's own client: {seed: run}."""
    before = snapshot(workdir)
    assert export.main([str(workdir), f"--mlflow={uri}", "--experiment=ours", "--artifacts"]) == 0
    assert snapshot(workdir) == before
    client = mlflow.MlflowClient(uri)

    def runs():
        (experiment,) = [e for e in client.search_experiments() if e.name == "ours"]
        return {int(run.data.params["seed"]): run for run in client.search_runs([experiment.experiment_id])}

    return client, runs


def test_every_finished_run_is_there_with_its_status(read, workdir):
    _, runs = read
    assert {seed: run.info.status for seed, run in runs().items()} == {
        0: "FINISHED",
        1: "FAILED",
        2: "FAILED",
    }
    ids = {seed: run.data.tags["vae_jax.run_id"] for seed, run in runs().items()}
    assert ids == {seed: begun(workdir, seed).id for seed in range(3)}
    assert all(run.info.run_name == ids[seed] for seed, run in runs().items())


def test_config_versions_and_times_are_there(read, workdir):
    _, runs = read
    for seed, run in runs().items():
        own = begun(workdir, seed)
        assert run.data.params == {name: str(v) for name, v in flatten(own.config()[0]).items()}
        assert run.data.tags["data_fingerprint"] == SHA
        assert run.data.tags["version.jax"] == "1.2.3"
        assert (run.info.start_time, run.info.end_time) == tuple(int(1000 * t) for t in own.times())
    assert runs()[1].data.tags["diverged_step"] == "9"
    assert runs()[2].data.tags["error"] == "RuntimeError: no more memory"


def test_metrics_of_every_epoch_and_of_the_end_are_there(read):
    client, runs = read
    completed, diverged, _ = (runs()[seed] for seed in range(3))
    history = client.get_metric_history(completed.info.run_id, "valid/loss")
    assert [(point.step, point.value) for point in history] == [(i, 1002 - i) for i in range(1, 1002)]
    assert completed.data.metrics == FINAL | {"valid/loss": 1.0, "valid_loss": 1.0, "epochs": 1001}
    values = [point.value for point in client.get_metric_history(diverged.info.run_id, "valid/loss")]
    assert values[0] == 7.0
    assert math.isnan(values[1])


def test_artifacts_are_the_files_of_the_run(read):
    client, runs = read
    names = [file.path for file in client.list_artifacts(runs()[0].info.run_id)]
    assert names == ["config.json", "result.json"]


def test_second_export_adds_nothing_and_takes_up_what_is_new(read, workdir, uri, capsys):
    _, runs = read
    before = {seed: run.info.run_id for seed, run in runs().items()}
    ended(workdir, 2, 4.0, metrics=FINAL, valid_loss=4.0)  # tried again: it completed
    ended(workdir, 4, 3.0, metrics=FINAL, valid_loss=3.0)
    assert export.main([str(workdir), str(workdir), f"--mlflow={uri}", "--experiment=ours"]) == 0
    assert "4 finished runs: 2 exported, 2 were there already" in capsys.readouterr().out
    after = runs()
    assert len(after) == 4
    assert {seed for seed in before if after[seed].info.run_id == before[seed]} == {0, 1}
    assert after[2].info.status == "FINISHED"


def test_interrupted_export_is_made_whole_by_the_next(read, workdir, uri, monkeypatch, mlflow):
    _, runs = read
    new = ended(workdir, 5, 3.0, metrics=FINAL, valid_loss=3.0)

    def stop(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_terminated", stop)
        with pytest.raises(KeyboardInterrupt):
            export.main([str(workdir), f"--mlflow={uri}", "--experiment=ours"])
    export.main([str(workdir), f"--mlflow={uri}", "--experiment=ours"])
    assert [run.info.status for run in runs().values() if run.info.run_name == new.id] == ["FINISHED"]


BAD = {
    "a folder": ("mlruns", "needs sqlite:///FILE or http"),
    "no path": ("sqlite:///", "needs sqlite:///FILE or http"),
    "nowhere": ("sqlite:////nowhere/at/all.db", "no file can be at"),
}


def test_run_that_failed_in_one_directory_and_not_in_another_is_the_one_that_did_not(tmp_path):
    here = ended(tmp_path / "here", 0, 2.0, metrics=FINAL)
    there = ended(tmp_path / "there", 0, status="failed")
    for order in ([here, there], [there, here]):
        assert export.finished([run.path.parent for run in order]) == [here]


@pytest.mark.parametrize("which", BAD)
def test_bad_uri_is_refused(workdir, which):
    uri, message = BAD[which]
    with pytest.raises(UsageError, match=message):
        export.main([str(workdir), f"--mlflow={uri}"])


def test_file_that_is_no_database_is_refused_in_one_line(workdir, tmp_path, mlflow):
    (tmp_path / "note.txt").write_text("no database at all, but a text of some length" * 100)
    with pytest.raises(UsageError, match="MLflow store 'sqlite") as refused:
        export.main([str(workdir), f"--mlflow=sqlite:///{tmp_path}/note.txt"])
    assert "\n" not in str(refused.value)


def test_server_that_is_not_there_is_refused_in_one_line(workdir, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UsageError, match=r"MLflow store 'http://127\.0\.0\.1:1'") as refused:
        export.main([str(workdir), "--mlflow=http://127.0.0.1:1"])
    assert "\n" not in str(refused.value)


def test_nothing_to_export_is_refused_and_makes_no_file(tmp_path):
    begun(tmp_path, 0, 1.0)
    with pytest.raises(UsageError, match="no finished run in"):
        export.main([str(tmp_path), f"--mlflow=sqlite:///{tmp_path}/runs.db"])
    assert not (tmp_path / "runs.db").exists()


def test_without_mlflow_the_extra_is_named(workdir, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UsageError, match=r"pip install -e \.\[mlflow\]"):
        export.main([str(workdir), f"--mlflow=sqlite:///{tmp_path}/runs.db"])
