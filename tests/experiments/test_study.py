import math
import types

import pytest
from matplotlib.figure import Figure

from configs import ae
from experiments import study
from experiments.claims import Claim, Report
from tests.experiments.commands import snapshot, table
from vae_jax import launch, runs
from vae_jax.config import override
from vae_jax.errors import UsageError
from vae_jax.statistics import Estimate

COLUMNS = ["study", "claim", "verdict", "mean", "ci95_half_width", "seeds", "bound"]

REPRODUCED = Claim("one holds", Estimate(0.5, 0.125, 3), at_most=0.75)
OPEN = Claim("one is open, alas", Estimate(0.5, math.nan, 1), at_least=0.25)
FAILED = Claim("one fails", Estimate(2.0, 0.5, 3), at_most=1.0)
BROKEN = Claim("one is no number", Estimate(math.nan, math.nan, 3), at_most=1.0)


def study_of(*claims, read=lambda rows: None):
    """A study of one cheap run whose claims are known."""

    def report(dataset, rows):
        read(rows)
        return Report({"picture": Figure()}, claims)

    def configs(dataset):
        return [override(ae.get_config(f"{dataset},linear"), {"latent_size": 2})]

    return types.SimpleNamespace(configs=configs, report=report, __file__="known.py", __doc__="Known.")


def reproduced(tmp_path, *claims, more=(), **options):
    return study.main(
        {"known": study_of(*claims, **options)}, ["--smoke", f"--workdir={tmp_path}", *more], "Known."
    )


@pytest.mark.parametrize(
    ("claims", "code"),
    [((REPRODUCED, OPEN), 0), ((REPRODUCED, FAILED, OPEN), 1), ((REPRODUCED, BROKEN), 1)],
)
def test_exit_code_is_1_if_a_claim_is_not_reproduced(tmp_path, claims, code):
    assert reproduced(tmp_path, *claims) == code


def test_runs_whose_seconds_are_compared_train_alone_and_first(tmp_path, monkeypatch):
    plans, execute, module = [], study.execute, study_of(REPRODUCED)

    def note(planned, *arguments, alone=False):
        plans.append(([entry.config.stop_epoch for entry in planned], alone))
        return execute(planned, *arguments, alone=alone)

    read = []
    module.timed = lambda configs: [override(config, {"stop_epoch": 1}) for config in configs]
    module.report = lambda dataset, rows: read.extend(rows) or Report({}, [REPRODUCED])
    monkeypatch.setattr(study, "execute", note)
    assert study.main({"known": module}, ["--smoke", f"--workdir={tmp_path}"], "Known.") == 0
    assert plans == [([1], True), ([0], False)]
    assert [row.fields["stop_epoch"] for row in read] == [0, 1]


def written(workdir):
    (path,) = workdir.glob("figures/*/claims.csv")
    return table(path)


def test_claims_are_printed_and_written_as_a_table(tmp_path, capsys):
    reproduced(tmp_path, REPRODUCED, OPEN, FAILED)
    lines = capsys.readouterr().out.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("verdict"))
    assert [line.split() for line in lines[start : start + 4]] == [
        ["verdict", "measured", "(95%", "CI", "over", "seeds)", "bound", "claim"],
        ["reproduced", "0.50", "±", "0.12", "≤", "0.75", "known:", "one", "holds"],
        ["inconclusive", "0.5", "≥", "0.25", "known:", "one", "is", "open,", "alas"],
        ["not", "reproduced", "2.00", "±", "0.50", "≤", "1", "known:", "one", "fails"],
    ]
    rows = written(tmp_path)
    assert [list(row.values()) for row in rows] == [
        ["known", "one holds", "reproduced", "0.5", "0.125", "3", "≤ 0.75"],
        ["known", "one is open, alas", "inconclusive", "0.5", "nan", "1", "≥ 0.25"],
        ["known", "one fails", "not reproduced", "2.0", "0.5", "3", "≤ 1"],
    ]
    assert list(rows[0]) == COLUMNS


def test_claims_of_a_study_replace_its_earlier_ones(tmp_path):
    reproduced(tmp_path, REPRODUCED, FAILED)
    reproduced(tmp_path, OPEN)
    rows = written(tmp_path)
    assert [row["claim"] for row in rows] == ["one is open, alas"]


def test_run_that_diverges_leaves_no_figures_and_exit_code_1(tmp_path, capsys):
    diverging = ["--config.optimizer.name=sgd", "--config.learning_rate=1e30"]
    assert reproduced(tmp_path, REPRODUCED, more=diverging) == 1
    assert "did not complete" in capsys.readouterr().err
    assert not (tmp_path / "figures").exists()


def test_damaged_run_is_named_and_trained_again(tmp_path, capsys):
    reproduced(tmp_path, REPRODUCED)
    (run,) = runs.all_runs(tmp_path)
    (run.path / "metrics.jsonl").write_text("")
    capsys.readouterr()
    assert reproduced(tmp_path, REPRODUCED) == 0
    aside = tmp_path / "damaged" / f"{run.id}-1"
    told = f"'{run.path / 'metrics.jsonl'}' is damaged: set aside as '{aside}', trained again"
    assert told in capsys.readouterr().err


def test_damaged_checkpoint_of_a_finished_run_is_named(tmp_path):
    def read(rows):
        (rows[0].run.checkpoints / "best.npz").unlink()
        launch.load(rows[0].run)

    with pytest.raises(UsageError, match=f"'{tmp_path}/.*/checkpoints/best.npz' is damaged .missing."):
        reproduced(tmp_path, REPRODUCED, read=read)


def test_overrides_reach_every_run_and_dry_run_writes_nothing(tmp_path, capsys):
    reproduced(tmp_path, REPRODUCED, more=["--config.num_epochs=1"])
    (run,) = runs.all_runs(tmp_path)
    assert run.config()[0].num_epochs == run.result()["epochs"] == 1
    before = snapshot(tmp_path)
    assert reproduced(tmp_path, REPRODUCED, more=["--config.num_epochs=1", "--dry_run"]) == 0
    assert "1 runs, 0 to do" in capsys.readouterr().out
    assert snapshot(tmp_path) == before
