import json
import math
import runpy

import pytest
from PIL import Image

from configs import common
from experiments import (
    cli,
    drawing,
    gaussian,
    linear_pca,
    ppca,
    reproduce,
    study,
    watch,
)
from tests.experiments.commands import command, snapshot, table
from vae_jax import data, runs
from vae_jax.config import flatten
from vae_jax.figures import style
from vae_jax.sweeps import scheduling

pytestmark = pytest.mark.usefixtures("quick_programs")


@pytest.fixture
def few_runs(monkeypatch):
    """The studies as they are, with fewer sizes, widths, seeds and draws: 42 runs."""
    monkeypatch.setattr(drawing, "most", lambda: 1)  # another process would not see what is changed here
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
    assert f"36 runs in {tmp_path}: 36 completed" in out
    assert len(runs.all_runs(tmp_path)) == 42
    assert out.splitlines()[-1].startswith(f"wrote {tmp_path / 'report.html'}")
    # Hardly trained models need not show anything: the code says what the verdicts say.
    assert code == (0 if {claim["verdict"] for claim in claims} <= {"reproduced", "inconclusive"} else 1)
    assert {claim["study"] for claim in claims} == set(reproduce.STUDIES)
    assert {claim["seeds"] for claim in claims} == {"2"}
    for claim in claims:
        assert any(line.startswith(claim["verdict"]) and claim["claim"] in line for line in out.splitlines())
    for name, module in reproduce.STUDIES.items():
        needed = [common.smoke(config) for config in module.configs("digits")]
        needed += study.timed_of(module, needed)
        ids = sorted({runs.find(tmp_path, config, data.source("digits").fingerprint).id for config in needed})
        with Image.open(output / f"{name}.png") as image:
            image.load()
            assert image.text["Description"] == f"runs {json.dumps(ids)}"
        assert (output / f"{name}.pdf").read_bytes().startswith(b"%PDF-")

    before = snapshot(tmp_path)
    # Some studies alone use the same runs, draw the same, and leave the claims of the others alone.
    capsys.readouterr()
    reproduce.main(["latent_map", "bottleneck_width", "gaussian", *argv])
    assert f"10 runs in {tmp_path}: 10 completed" in capsys.readouterr().out
    kept = {path for path in before if path.name not in ("claims.csv", "report.html")}
    again = snapshot(tmp_path)
    assert {path: again[path][1] for path in kept} == {path: before[path][1] for path in kept}
    assert sorted(map(str, table(output / "claims.csv"))) == sorted(map(str, claims))
    redrawn = {"figures", "report.html"}
    run_files = {path: content for path, content in before.items() if path.parts[0] not in redrawn}
    after = snapshot(tmp_path)
    assert {path: after[path] for path in run_files} == run_files


@pytest.mark.parametrize("name", reproduce.STUDIES)
def test_study_lists_its_runs_and_writes_nothing(tmp_path, name, capsys, monkeypatch):
    monkeypatch.setattr(scheduling, "WORTH_MEASURING", math.inf)
    module, argv = reproduce.STUDIES[name], ["--dry_run", f"--workdir={tmp_path / 'runs'}"]
    assert study.main({name: module}, argv, module.__doc__) == 0
    configs = module.configs("digits")
    out = capsys.readouterr().out
    for part in (configs, study.timed_of(module, configs)):
        assert f"{len(part)} runs, {len(part)} to do" in out or not part
    assert " programs to compile, " in out
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
        module = reproduce.STUDIES[name]
        configs = module.configs(dataset)
        fields = [flatten(config) for config in configs + study.timed_of(module, configs)]
        assert {field["dataset"] for field in fields} <= {dataset}
        kinds = {}
        for field in fields:
            kinds.setdefault(str(sorted((k, v) for k, v in field.items() if k != "seed")), set()).add(
                field["seed"]
            )
        assert {frozenset(seeds) for seeds in kinds.values()} <= {frozenset(range(5))}


@pytest.mark.slow
def test_several_processes_draw_what_one_does(tmp_path, monkeypatch):
    argv = ["gaussian", "architecture", "--smoke", f"--workdir={tmp_path}"]
    drawn = {}
    for processes in (2, 1):
        monkeypatch.setattr(drawing, "most", lambda count=processes: count)
        assert reproduce.main(argv) == 0
        drawn[processes] = {path.name: path.read_bytes() for path in tmp_path.glob("figures/*/*")}
    assert drawn[1].keys() == {
        "gaussian.png",
        "gaussian.pdf",
        "architecture.png",
        "architecture.pdf",
        "claims.csv",
    }
    assert drawn[1] == drawn[2]
