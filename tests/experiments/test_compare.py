import csv
import json

import pytest
from PIL import Image
from scipy.stats import t

from configs import ae, vae
from experiments import compare
from tests.experiments.commands import command, snapshot
from vae_jax import evaluate, runs
from vae_jax.config import override, resolved_json
from vae_jax.errors import UsageError

FINGERPRINT = "f" * 64
NLLS = {2: (30.5, 31.25, 30.0), 8: (22.0, 21.5, 23.75)}  # latent size -> a value for each seed


def write_run(workdir, config, status="completed", **metrics):
    """Writes the directory of a run as training leaves it, without training."""
    run = runs.find(workdir, config, FINGERPRINT)
    run.create(resolved_json(config, FINGERPRINT))
    if status:
        numbers = {f"test/{name}": value for name, value in metrics.items()}
        run.finish({"status": status, "metrics": numbers, "parameters": 7, "iwae_samples": 5, "seconds": 1.5})
    return run


@pytest.fixture
def workdir(tmp_path):
    """Two latent sizes, three seeds each."""
    for size, values in NLLS.items():
        for seed, nll in enumerate(values):
            config = override(vae.get_config(), {"latent_size": size, "seed": seed})
            write_run(tmp_path / "runs", config, nll=nll, mse=1 / size)
    return tmp_path / "runs"


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def half_width(values):
    """The textbook's: half the width of Student's 95% interval of the mean."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    low, high = t.interval(0.95, len(values) - 1, mean, (variance / len(values)) ** 0.5)
    return (high - low) / 2


def test_means_and_intervals_are_those_of_the_textbook(workdir):
    assert compare.main([str(workdir)]) == 0
    rows = {
        (row["latent_size"], row["metric"]): row for row in table(workdir / "comparison" / "comparison.csv")
    }
    assert set(rows) == {(size, f"test/{metric}") for size in "28" for metric in ("nll", "mse")}
    for size, values in NLLS.items():
        row = rows[str(size), "test/nll"]
        assert float(row["mean"]) == pytest.approx(sum(values) / 3)
        assert float(row["ci95_half_width"]) == pytest.approx(half_width(values))
        assert row["runs"] == "3"
        assert float(rows[str(size), "test/mse"]["mean"]) == pytest.approx(1 / size)
        assert float(rows[str(size), "test/mse"]["ci95_half_width"]) == 0


def test_table_prints_what_differs_and_nothing_else(workdir, capsys):
    compare.main([str(workdir)])
    out, err = capsys.readouterr()
    assert err == ""
    fields, numbers = out.split("\n\n")[:2]
    assert [line.split() for line in fields.splitlines()] == [
        ["6", "runs;", "their", "configs", "differ", "in:"],
        ["latent_size", "2,", "8"],
        ["seed", "0,", "1,", "2"],
    ]
    _, header, two, eight, *labels = numbers.splitlines()
    assert header.split() == ["latent_size", "runs", "test/mse", "test/nll"]
    assert two.split() == ["2", "3", "0.5000", "±", "0.0000", "30.6", "±", "1.6"]
    assert eight.split() == ["8", "3", "0.1250", "±", "0.0000", "22.4", "±", "2.9"]
    assert labels[1] == "  test/nll: −log p(x), nats per image (IWAE bound, k = 5)"


def test_of_many_values_the_first_and_the_last_are_named(tmp_path, capsys):
    for number in range(20):
        config = override(vae.get_config(), {"learning_rate": 1e-6 * (number + 1), "seed": number % 2})
        write_run(tmp_path, config, nll=30.0)
    compare.main([str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split(maxsplit=1) == ["learning_rate", "1e-06, 2e-06, 3e-06, ..., 2e-05 (20 values)"]
    assert lines[2].split(maxsplit=1) == ["seed", "0, 1"]


@pytest.mark.parametrize("conditions", [["latent_size=8"], ["latent_size=8", "learning_rate=1e-3"]])
def test_where_chooses_the_runs_whose_config_has_the_value(workdir, tmp_path, conditions):
    other = override(vae.get_config(), {"latent_size": 8, "learning_rate": 0.5})
    write_run(workdir, override(other, {"learning_rate": 1e-3}), nll=1.0)
    write_run(workdir, other, nll=2.0)
    where = [f"--where={condition}" for condition in conditions]
    assert compare.main([str(workdir), *where, f"--output={tmp_path}"]) == 0
    runs = sum(int(row["runs"]) for row in table(tmp_path / "comparison.csv"))
    assert runs == (2 * 3 + 1 + 1 if len(conditions) == 1 else 1)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("latent_size", "--where takes FIELD=VALUE, not 'latent_size'"),
        ("laten_size=8", "unknown config key 'laten_size'.*latent_size"),
        ("latent_size=9", "--where=latent_size=9: no run, there are latent_size=2, 8"),
    ],
)
def test_condition_that_no_run_meets_is_refused(workdir, condition, message):
    with pytest.raises(UsageError, match=message):
        compare.main([str(workdir), f"--where={condition}"])
    assert not (workdir / "comparison").exists()


def test_of_very_many_groups_the_first_are_printed(tmp_path, capsys):
    for number in range(compare.SHOWN + 3):
        write_run(tmp_path, override(vae.get_config(), {"latent_size": number + 1}), nll=30.0)
    compare.main([str(tmp_path)])
    out = capsys.readouterr().out
    assert "... and 3 more: all are in the CSV" in out
    assert f"\n{compare.SHOWN} " in out
    assert f"\n{compare.SHOWN + 1} " not in out
    assert len(table(tmp_path / "comparison" / "comparison.csv")) == compare.SHOWN + 3


def test_nested_fields_that_differ_are_named_and_never_averaged_over(tmp_path, capsys):
    for seed in range(2):
        for sizes in ((), (300, 400)):
            changes = {"seed": seed, "encoder.hidden_sizes": sizes}
            write_run(tmp_path, override(vae.get_config(), changes), nll=len(sizes) + seed)
    compare.main([str(tmp_path)])
    assert "encoder.hidden_sizes (), (300, 400)" in " ".join(capsys.readouterr().out.split())
    rows = table(tmp_path / "comparison" / "comparison.csv")
    means = {row["encoder.hidden_sizes"]: float(row["mean"]) for row in rows}
    assert means == {"()": 0.5, "(300, 400)": 2.5}


def test_one_run_of_a_kind_has_no_interval(tmp_path, capsys):
    write_run(tmp_path, vae.get_config(), nll=30.125)
    assert compare.main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "30.12" in out
    assert "nan" not in out
    assert "differ" not in out
    assert table(tmp_path / "comparison" / "comparison.csv")[0]["ci95_half_width"] == "nan"


def test_metric_chooses_what_is_shown_and_in_which_order(workdir):
    compare.main([str(workdir), "--metric=parameters,test/nll"])
    rows = table(workdir / "comparison" / "comparison.csv")
    assert [row["metric"] for row in rows] == ["parameters", "test/nll"] * 2
    assert {row["mean"] for row in rows if row["metric"] == "parameters"} == {"7.0"}


def test_by_puts_its_fields_first(workdir):
    for size in NLLS:
        write_run(workdir, override(vae.get_config(), {"latent_size": size, "beta": 4.0}), nll=1.0, mse=0.0)
    for by, first in (("", "beta"), ("latent_size", "latent_size"), ("latent_size,beta", "latent_size")):
        compare.main([str(workdir), f"--by={by}", "--metric=test/nll"])
        rows = table(workdir / "comparison" / "comparison.csv")
        assert next(iter(rows[0])) == first
        keys = [tuple(row.values())[:2] for row in rows]
        assert keys == sorted(keys)
        assert len(keys) == len(set(keys)) == 4


def test_groups_stand_in_the_order_of_their_numbers(tmp_path, capsys):
    for size in (16, 2, 8, 32):
        write_run(tmp_path, override(vae.get_config(), {"latent_size": size}), nll=1.0)
    compare.main([str(tmp_path)])
    rows = table(tmp_path / "comparison" / "comparison.csv")
    assert [row["latent_size"] for row in rows] == ["2", "8", "16", "32"]


@pytest.mark.filterwarnings("error")  # of a figure whose layout does not fit
def test_models_with_other_metrics_stand_side_by_side(tmp_path, capsys):
    write_run(tmp_path, vae.get_config(), nll=30.0, mse=0.25)
    write_run(tmp_path, ae.get_config(), mse=0.125)
    compare.main([str(tmp_path)])
    # One of the fields that vary together stands for the others.
    assert "posterior delta, gaussian (and with it " in " ".join(capsys.readouterr().out.split())
    rows = table(tmp_path / "comparison" / "comparison.csv")
    assert {(row["posterior"], row["metric"]) for row in rows} == {
        ("delta", "test/mse"),
        ("gaussian", "test/mse"),
        ("gaussian", "test/nll"),
    }


def test_runs_of_several_directories_count_once(workdir, tmp_path, capsys):
    write_run(tmp_path / "more", override(vae.get_config(), {"latent_size": 2, "seed": 3}), nll=30.0, mse=0.5)
    write_run(tmp_path / "more", override(vae.get_config(), {"latent_size": 2, "seed": 0}), nll=30.5, mse=0.5)
    compare.main([str(workdir), str(tmp_path / "more"), "--metric=test/nll"])
    rows = table(workdir / "comparison" / "comparison.csv")
    assert [row["runs"] for row in rows] == ["4", "3"]
    assert float(rows[0]["mean"]) == pytest.approx((30.5 + 31.25 + 30.0 + 30.0) / 4)


def test_runs_that_did_not_complete_are_counted_and_left_out(workdir, capsys):
    new = [override(vae.get_config(), {"latent_size": 2, "seed": seed}) for seed in (3, 4, 5)]
    left = [
        write_run(workdir, config, status)
        for config, status in zip(new, ("", "diverged", "failed"), strict=True)
    ]
    compare.main([str(workdir)])
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("left out, 3 runs: ")
    for run, reason in zip(left, ("not finished", "diverged", "failed"), strict=True):
        assert f"{run.path} ({reason})" in first
    assert second.startswith("6 runs;")
    assert {row["runs"] for row in table(workdir / "comparison" / "comparison.csv")} == {"3"}


def test_what_is_no_run_is_passed_over(workdir):
    (workdir / "notes").mkdir()
    (workdir / "notes.txt").write_text("mine")
    assert compare.main([str(workdir)]) == 0
    assert compare.main([str(workdir)]) == 0  # its own output is no run either


def test_figures_are_images_that_name_their_runs(workdir):
    compare.main([str(workdir)])
    ids = json.dumps([run.id for run in runs.all_runs(workdir)])
    with Image.open(workdir / "comparison" / "comparison.png") as image:
        image.load()
        assert min(image.size) > 200
        assert image.text["Description"] == f"runs {ids}"
    pdf = (workdir / "comparison" / "comparison.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert all(run.id.encode() in pdf for run in runs.all_runs(workdir))


def test_output_chooses_the_folder_and_leaves_the_runs_alone(workdir, tmp_path, capsys):
    before = snapshot(workdir)
    compare.main([str(workdir), f"--output={tmp_path / 'a' / 'b'}"])
    assert snapshot(workdir) == before
    written = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert written == ["comparison.csv", "comparison.pdf", "comparison.png"]
    last = capsys.readouterr().out.splitlines()[-1]
    assert all(str(tmp_path / "a" / "b" / name) in last for name in written)


def test_default_metrics_are_all_those_of_test(tmp_path):
    write_run(tmp_path, vae.get_config(), **{name.removeprefix("test/"): 1.0 for name in evaluate.METRICS})
    compare.main([str(tmp_path)])
    shown = [row["metric"] for row in table(tmp_path / "comparison" / "comparison.csv")]
    assert shown == list(evaluate.METRICS)


def broken_result(run):
    (run.path / "result.json").write_text('{"status": "completed"}')
    return run.path / "result.json"


def broken_config(run):
    (run.path / "config.json").write_text("not JSON")
    return run.path / "config.json"


def broken_metrics(run):
    (run.path / "metrics.jsonl").write_text('{"epoch": 1}\n')
    return run.path / "metrics.jsonl"


@pytest.mark.parametrize("damage", [broken_result, broken_config, broken_metrics])
def test_damaged_run_is_named_and_left_out(workdir, damage, capsys):
    path = damage(runs.all_runs(workdir)[2])
    assert compare.main([str(workdir)]) == 0
    told = capsys.readouterr().out
    assert f"{path} (damaged)" in told
    assert "\n5 runs; " in told


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--metric=test/nul", "unknown metric 'test/nul': choose from .*test/nll.*did you mean 'test/nll'"),
        ("--by=latent", "unknown config key 'latent': choose from .*latent_size.*did you mean 'latent_size'"),
        ("--unknown=1", "unknown argument '--unknown=1'"),
    ],
)
def test_bad_arguments_are_refused(workdir, argument, message):
    with pytest.raises(UsageError, match=message):
        compare.main([str(workdir), argument])
    assert not (workdir / "comparison").exists()


def test_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=f"no such directory: '{tmp_path / 'none'}'"):
        compare.main([str(tmp_path / "none")])


def test_output_that_cannot_be_written_is_refused(workdir, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"'{tmp_path / 'file'}"):
        compare.main([str(workdir), f"--output={tmp_path / 'file' / 'below'}"])


def test_nothing_to_compare_is_one_line_and_exit_code_2(tmp_path):
    write_run(tmp_path, vae.get_config(), status="diverged")
    done = command("compare", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (run,) = runs.all_runs(tmp_path)
    told = f"error: nothing to compare: no completed run here; left out: {run.path} (diverged)\n"
    assert done.stderr == told
    assert not (tmp_path / "comparison").exists()


def test_no_directory_is_one_line_and_exit_code_2():
    done = command("compare")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: the following arguments are required: DIR\n"
