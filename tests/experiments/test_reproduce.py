import csv
import itertools
import json
import math
import runpy
import types

import pytest
from matplotlib.figure import Figure
from PIL import Image

from configs import ae, common
from experiments import (
    bottleneck_width,
    cli,
    gaussian,
    latent_size,
    learning_curves,
    linear_pca,
    ppca,
    rate_distortion,
    reproduce,
    study,
    watch,
)
from experiments.study import Claim, Report
from tests.experiments.commands import command, snapshot
from vae_jax import data, launch, runs
from vae_jax.config import flatten, override
from vae_jax.errors import UsageError
from vae_jax.evaluate.pca import pca_mse
from vae_jax.figures import style
from vae_jax.results import Row
from vae_jax.statistics import Estimate

COLUMNS = ["study", "claim", "verdict", "mean", "ci95_half_width", "seeds", "bound"]


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def few_runs(monkeypatch):
    """The studies as they are, with fewer sizes, widths, seeds and draws: 32 runs."""
    monkeypatch.setattr(watch, "LINE_SECONDS", math.inf)  # on a slow machine it would print some
    fewer = {
        "sweep_seed": [{"seed": 0}, {"seed": 1}],
        "sweep_latent_size": [{"latent_size": 2}, {"latent_size": 8}],
        "sweep_bottleneck_width": [{"bottleneck_width": width} for width in (8, 64, 512)],
        "sweep_beta": [{"beta": 1.0}, {"beta": 4.0}],
    }
    monkeypatch.setattr(ppca, "SIZES", (2,))
    monkeypatch.setattr(ppca, "VARIANCES", (0.1,))
    for module in reproduce.STUDIES.values():
        for name in fewer.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, lambda name=name: fewer[name])
    monkeypatch.setattr(linear_pca, "SIZES", (2, 4))
    monkeypatch.setattr(gaussian, "AVERAGES", 10_000)
    monkeypatch.setitem(style.RC, "figure.dpi", 40)


@pytest.mark.slow
def test_reproduce_trains_draws_and_checks_once(tmp_path, few_runs, capsys):
    argv = ["--smoke", f"--workdir={tmp_path}"]
    code = reproduce.main(argv)
    out, err = capsys.readouterr()
    (output,) = (tmp_path / "figures").iterdir()
    claims = table(output / "claims.csv")
    assert err == ""
    assert f"6 runs in {tmp_path}: 6 completed" in out  # those whose seconds are compared, then the others
    assert f"26 runs in {tmp_path}: 26 completed" in out
    assert len(runs.all_runs(tmp_path)) == 32
    assert out.splitlines()[-1].startswith(f"wrote {tmp_path / 'report.html'}")
    # Hardly trained models need not show anything: the code says what the verdicts say.
    assert code == (0 if {claim["verdict"] for claim in claims} <= {"reproduced", "inconclusive"} else 1)
    assert {claim["study"] for claim in claims} == set(reproduce.STUDIES)
    assert {claim["seeds"] for claim in claims} == {"2"}
    for claim in claims:
        assert any(line.startswith(claim["verdict"]) and claim["claim"] in line for line in out.splitlines())
    for name, module in reproduce.STUDIES.items():
        needed = [common.smoke(config) for config in module.configs("digits")]
        ids = sorted({runs.find(tmp_path, config, data.source("digits").sha256).id for config in needed})
        with Image.open(output / f"{name}.png") as image:
            image.load()
            assert image.text["Description"] == f"runs {json.dumps(ids)}"
        assert (output / f"{name}.pdf").read_bytes().startswith(b"%PDF-")

    before = snapshot(tmp_path)
    # Some studies alone use the same runs, draw the same, and leave the claims of the others alone.
    capsys.readouterr()
    reproduce.main(["latent_map", "bottleneck_width", "gaussian", *argv])
    assert f"4 runs in {tmp_path}: 4 completed" in capsys.readouterr().out
    kept = {path for path in before if path.name not in ("claims.csv", "report.html")}
    again = snapshot(tmp_path)
    assert {path: again[path][1] for path in kept} == {path: before[path][1] for path in kept}
    assert sorted(map(str, table(output / "claims.csv"))) == sorted(map(str, claims))
    redrawn = {"figures", "report.html"}
    run_files = {path: content for path, content in before.items() if path.parts[0] not in redrawn}
    after = snapshot(tmp_path)
    assert {path: after[path] for path in run_files} == run_files


@pytest.mark.parametrize("name", reproduce.STUDIES)
def test_study_lists_its_runs_and_writes_nothing(tmp_path, name, capsys):
    module, argv = reproduce.STUDIES[name], ["--dry_run", f"--workdir={tmp_path / 'runs'}"]
    assert study.main({name: module}, argv, module.__doc__) == 0
    runs_of_study = len(module.configs("digits"))
    assert f"{runs_of_study} runs, {runs_of_study} to do" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("name", reproduce.STUDIES)
def test_study_is_a_command_of_its_own(monkeypatch, name):
    """Each module ends by running itself, under its own name."""
    called = []
    monkeypatch.setattr(cli, "run", lambda main: called.append(main))
    monkeypatch.setattr(study, "main", lambda studies, argv, doc: list(studies))
    runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
    (main,) = called
    assert main([]) == [name]


def test_study_is_a_command(tmp_path):
    done = command("gaussian", "--smoke", "--dry_run", f"--workdir={tmp_path / 'runs'}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 runs, 0 to do" in done.stdout


@pytest.mark.parametrize("name", reproduce.STUDIES)
def test_study_has_five_seeds_of_everything(name):
    for dataset in data.SOURCES:
        fields = [flatten(config) for config in reproduce.STUDIES[name].configs(dataset)]
        assert {field["dataset"] for field in fields} <= {dataset}
        kinds = {}
        for field in fields:
            kinds.setdefault(str(sorted((k, v) for k, v in field.items() if k != "seed")), set()).add(
                field["seed"]
            )
        assert {frozenset(seeds) for seeds in kinds.values()} <= {frozenset(range(5))}


# Claims, and what comes of their verdicts.

VERDICTS = [
    # mean, half-width, bound, verdict
    (2.0, 0.5, {"at_least": 1.0}, "reproduced"),
    (1.5, 0.5, {"at_least": 1.0}, "reproduced"),
    (1.2, 0.5, {"at_least": 1.0}, "inconclusive"),
    (0.8, 0.5, {"at_least": 1.0}, "inconclusive"),
    (0.25, 0.5, {"at_least": 1.0}, "not reproduced"),
    (0.25, 0.5, {"at_most": 1.0}, "reproduced"),
    (0.8, 0.5, {"at_most": 1.0}, "inconclusive"),
    (2.0, 0.5, {"at_most": 1.0}, "not reproduced"),
    (1.0, 0.0, {"at_most": 1.0}, "reproduced"),
    (2.0, math.nan, {"at_least": 1.0}, "inconclusive"),  # a single seed shows nothing
    (0.0, math.nan, {"at_least": 1.0}, "inconclusive"),
    (math.nan, math.nan, {"at_most": 1.0}, "not computed"),
]


@pytest.mark.parametrize(("mean", "half_width", "bound", "verdict"), VERDICTS)
def test_verdict_asks_on_which_side_of_the_bound_the_interval_lies(mean, half_width, bound, verdict):
    assert Claim("x", Estimate(mean, half_width, 3), **bound).verdict == verdict


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

    with pytest.raises(
        UsageError, match=f"checkpoint '{tmp_path}/.*/checkpoints/best.npz' is missing or damaged"
    ):
        reproduced(tmp_path, REPRODUCED, read=read)


def test_overrides_reach_every_run_and_dry_run_writes_nothing(tmp_path, capsys):
    reproduced(tmp_path, REPRODUCED, more=["--config.num_epochs=1"])
    (run,) = runs.all_runs(tmp_path)
    assert run.config()[0].num_epochs == run.result()["epochs"] == 1
    before = snapshot(tmp_path)
    assert reproduced(tmp_path, REPRODUCED, more=["--config.num_epochs=1", "--dry_run"]) == 0
    assert "1 runs, 0 to do" in capsys.readouterr().out
    assert snapshot(tmp_path) == before


# The studies' claims on numbers that are known: figures and verdicts need no training.

SIZES = (2, 4, 8, 16, 32)
WIDTHS = (8, 16, 32, 64, 128, 256, 512)


def row(tmp_path, config, **numbers):
    numbers = {name.replace("__", "/"): value for name, value in numbers.items()}
    return Row(runs.find(tmp_path, config, "f" * 64), flatten(config), "completed", numbers, 100)


def claims_of(report):
    return [(round(claim.estimate.mean, 4), claim.estimate.count, claim.verdict) for claim in report.claims]


def latent_size_rows(tmp_path, ratio, nlls):
    """The errors are `ratio` times PCA's."""
    digits = data.load("digits")
    images = [split.images / 16 for split in (digits.train, digits.test)]
    pca = dict(zip(SIZES, pca_mse(*images, list(SIZES)), strict=True))
    nll = dict(zip(SIZES, nlls, strict=True))
    for config in latent_size.configs("digits"):
        size, plain = config.latent_size, config.posterior == "delta"
        bounds = {} if plain else {"test__nll": nll[size], "test__elbo": -nll[size] - 1}
        yield row(tmp_path, config, test__mse=ratio * pca[size], **bounds)


@pytest.mark.parametrize(
    ("ratio", "nlls", "verdicts"),
    [
        (0.5, (30, 25, 22, 21.5, 21), ["reproduced", "reproduced", "reproduced"]),
        (1.5, (30, 25, 22, 25, 22), ["not reproduced", "reproduced", "not reproduced"]),
    ],
    ids=["better than PCA", "worse than PCA"],
)
def test_latent_size_judges_known_numbers(tmp_path, ratio, nlls, verdicts):
    report = latent_size.report("digits", list(latent_size_rows(tmp_path, ratio, nlls)))
    against_pca, _, rise = report.claims
    assert against_pca.estimate == pytest.approx((ratio, 0, 5))
    assert rise.estimate == (max(after - before for before, after in itertools.pairwise(nlls)), 0, 5)
    assert [claim.verdict for claim in report.claims] == verdicts
    assert list(report.figures) == ["latent_size"]


def bottleneck_rows(tmp_path, errors):
    for config in bottleneck_width.configs("digits"):
        width = config.bottleneck_width
        costs = {"parameters": 150 * width, "flops_per_image": 900.0 * width, "epoch_seconds": 1e-3 * width}
        # Seeds differ, by the same factor at all widths: ratios of widths then do not.
        yield row(tmp_path, config, test__mse=errors[WIDTHS.index(width)] * (1 + config.seed), **costs)


def test_bottleneck_width_judges_known_numbers(tmp_path):
    # From 8 to 64 the error falls to an eighth, from 64 to 512 to a half.
    errors = [0.8, 0.4, 0.2, 0.1, 0.1 * 2 ** (-1 / 3), 0.1 * 2 ** (-2 / 3), 0.05]
    report = bottleneck_width.report("digits", list(bottleneck_rows(tmp_path, errors)))
    assert claims_of(report) == [
        (0.125, 5, "reproduced"),
        (0.3333, 5, "reproduced"),  # ln 2 / ln 8
        (8.0, 5, "reproduced"),  # seconds grow as the width does
    ]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # 0 / 0
def test_bottleneck_width_that_does_not_matter_is_not_reproduced(tmp_path):
    report = bottleneck_width.report("digits", list(bottleneck_rows(tmp_path, [0.1] * 7)))
    assert "reproduced" not in [claim.verdict for claim in report.claims[:2]]


def rate_distortion_rows(tmp_path, rates, distortions):
    for config in rate_distortion.configs("digits"):
        place = (0.25, 0.5, 1.0, 2.0, 4.0).index(config.beta)
        yield row(tmp_path, config, test__kl=rates[place], test__reconstruction=distortions[place])


@pytest.mark.parametrize(
    ("rates", "distortions", "expected"),
    [
        (
            (16, 12, 8, 4, 0),
            (10, 11, 14, 19, 25),
            [(-4, 5, "reproduced"), (1, 5, "reproduced"), (1, 5, "reproduced")],
        ),
        (
            (16, 12, 12.5, 4, 0),
            (10, 11, 10.75, 13, 25),
            [(0.5, 5, "not reproduced"), (-0.25, 5, "not reproduced"), (-6.25, 5, "not reproduced")],
        ),
    ],
    ids=["a frontier", "none"],
)
def test_rate_distortion_judges_known_numbers(tmp_path, monkeypatch, rates, distortions, expected):
    digits = data.load("digits")
    trained = launch.Trained(None, None, digits, data.Preprocess("sampled", 16))
    monkeypatch.setattr(launch, "load", lambda run: trained)
    report = rate_distortion.report("digits", list(rate_distortion_rows(tmp_path, rates, distortions)))
    assert claims_of(report) == expected


def learning_rows(tmp_path, valid, gaps, epochs=3):
    """ELBO on valid, and how much higher on train, at the end; a nat less each epoch before."""
    for config in learning_curves.configs("digits"):
        place = SIZES.index(config.latent_size)
        found = row(tmp_path, config)
        found.run.path.mkdir()
        for epoch in range(1, epochs + 1 + config.seed):  # the last seeds train longer
            elbo = valid[place] - max(epochs - epoch, 0)
            line = {"epoch": epoch, "valid/elbo": elbo, "train/elbo": elbo + gaps[place]}
            found.run.append_metrics(line)
        yield found


@pytest.mark.parametrize(
    ("valid", "gaps", "expected"),
    [
        ((10, 20, 30, 40.5, 40), (1, 2, 3, 5, 5.25), [(0.5, 5, "reproduced"), (0.25, 5, "reproduced")]),
        ((10, 20, 40, 30, 20), (1, 2, 3, 5, 9), [(20, 5, "not reproduced"), (4, 5, "not reproduced")]),
    ],
    ids=["no overfitting", "overfitting"],
)
def test_learning_curves_judge_known_numbers(tmp_path, valid, gaps, expected):
    report = learning_curves.report("digits", list(learning_rows(tmp_path, valid, gaps)))
    assert claims_of(report) == expected
    drawn = report.figures["learning_curves"].axes[1].get_lines()[1].get_xydata()
    assert list(map(tuple, drawn)) == [(1152, 18), (2304, 19), (3456, 20)]
