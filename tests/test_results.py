import numpy as np
import pytest

from configs import ae, vae
from vae_jax import results, runs
from vae_jax.config import flatten, override, resolved_json
from vae_jax.errors import UsageError

FINGERPRINT = "f" * 64


def write_run(workdir, config, status="completed", **metrics):
    run = runs.find(workdir, config, FINGERPRINT)
    run.create(resolved_json(config, FINGERPRINT))
    if status:
        run.append_metrics({"step": 1, "epoch": 1, "seconds": 0.5})
        numbers = {f"test/{name}": value for name, value in metrics.items()}
        run.finish({"status": status, "metrics": numbers, "parameters": 7, "epochs": 1, "iwae_samples": 5})
    return run


def of_seed(seed, **changes):
    return override(vae.get_config(), {"seed": seed, **changes})


@pytest.fixture
def rows(tmp_path):
    for size in (8, 2):
        for seed in range(3):
            write_run(tmp_path, of_seed(seed, latent_size=size), nll=10.0 * size + seed)
    found, _ = results.read_all([tmp_path])
    return found


def test_row_says_what_was_asked_and_what_came_of_it(tmp_path):
    config = of_seed(3)
    row = results.read(write_run(tmp_path, config, nll=30.5))
    assert row.fields == flatten(config) | {"data_fingerprint": FINGERPRINT}
    assert row.numbers == {"test/nll": 30.5, "parameters": 7, "epochs": 1}
    assert (row.status, row.iwae_samples) == ("completed", 5)


@pytest.mark.parametrize("status", ["completed", "diverged"])
def test_row_of_a_run_that_is_over(tmp_path, status):
    assert results.read(write_run(tmp_path, of_seed(0), status)).status == status


def test_unfinished_run_has_no_row(tmp_path):
    assert results.read(write_run(tmp_path, of_seed(0), status="")) is None
    assert results.read(runs.find(tmp_path, of_seed(1), FINGERPRINT)) is None


def test_failed_run_has_a_row_without_numbers(tmp_path):
    run = write_run(tmp_path, of_seed(0), status="")
    run.finish({"status": "failed", "error": "MemoryError"})
    row = results.read(run)
    assert (row.status, row.numbers, row.iwae_samples) == ("failed", {}, 0)


@pytest.mark.parametrize("name", ["config.json", "result.json", "metrics.jsonl"])
def test_damaged_run_is_refused_by_name(tmp_path, name):
    run = write_run(tmp_path, of_seed(0), nll=30.0)
    (run.path / name).write_text("{}")
    with pytest.raises(UsageError, match=f"'{run.path / name}' is damaged"):
        results.read(run)
    assert results.read_all([tmp_path]) == ([], [f"{run.path / name} (damaged)"])


def test_read_all_leaves_out_what_did_not_complete_and_says_why(tmp_path):
    good = write_run(tmp_path, of_seed(0), nll=30.0)
    left = {
        write_run(tmp_path, of_seed(1), ""): "not finished",
        write_run(tmp_path, of_seed(2), "diverged"): "diverged",
    }
    found, left_out = results.read_all([tmp_path])
    assert [row.run for row in found] == [good]
    assert sorted(left_out) == sorted(f"{run.path} ({reason})" for run, reason in left.items())


def test_read_all_counts_a_run_in_two_directories_once(tmp_path):
    for name in ("one", "other"):
        write_run(tmp_path / name, of_seed(0), nll=30.0)
    found, _ = results.read_all([tmp_path / "one", tmp_path / "other"])
    assert len(found) == 1


def test_select_by_fields_and_nested_fields(rows, tmp_path):
    assert {row.fields["seed"] for row in results.select(rows, latent_size=2)} == {0, 1, 2}
    (row,) = results.select(rows, latent_size=8, seed=1)
    assert row.numbers["test/nll"] == 81.0
    assert results.select(rows, encoder__net="mlp") == rows
    assert results.select(rows, encoder__net="conv") == []


def test_over_seeds_is_the_mean_of_one_number(rows):
    found = results.over_seeds(results.select(rows, latent_size=2), "test/nll")
    assert (found.mean, found.count) == (21.0, 3)


def test_over_seeds_of_an_unknown_number_lists_those_there_are(rows):
    with pytest.raises(UsageError, match=r"unknown metric 'test/nul': choose from .*test/nll"):
        results.over_seeds(rows, "test/nul")


def test_by_seed_is_a_table_of_values_and_seeds(rows):
    sizes, numbers = results.by_seed(rows, "test/nll", by="latent_size")
    assert sizes == [2, 8]
    np.testing.assert_array_equal(numbers, [[20.0, 21.0, 22.0], [80.0, 81.0, 82.0]])


def test_by_seed_refuses_a_missing_run_and_a_second_one(rows):
    with pytest.raises(UsageError, match="needs one run for each latent_size and seed, not 5 runs"):
        results.by_seed(rows[1:], "test/nll", by="latent_size")
    with pytest.raises(UsageError, match="needs one run for each beta and seed, not 6 runs"):
        results.by_seed(rows, "test/nll", by="beta")


def test_fields_that_vary_together_are_named_by_the_first(tmp_path):
    for seed in range(2):
        for size in (2, 4):
            for width in (8, 16):
                changes = {"latent_size": size, "bottleneck_width": width, "beta": float(width)}
                write_run(tmp_path, of_seed(seed, **changes))
    rows, _ = results.read_all([tmp_path])
    names = ["bottleneck_width", "latent_size", "beta"]
    assert results.together(rows, names) == {"bottleneck_width": ["beta"], "latent_size": []}
    assert results.together(rows, names[::-1]) == {"beta": ["bottleneck_width"], "latent_size": []}


def test_group_orders_numbers_by_size_and_names_by_letter(tmp_path):
    for seed, (size, net) in enumerate([(16, "mlp"), (2, "mlp"), (8, "mlp"), (8, "linear")]):
        write_run(tmp_path, of_seed(seed, latent_size=size, **{"encoder.net": net}))
    rows, _ = results.read_all([tmp_path])
    groups = results.group(rows, ["latent_size", "encoder.net"])
    assert list(groups) == [(2, "mlp"), (8, "linear"), (8, "mlp"), (16, "mlp")]
    assert {key: [row.fields["seed"] for row in members] for key, members in groups.items()} == {
        (2, "mlp"): [1],
        (8, "linear"): [3],
        (8, "mlp"): [2],
        (16, "mlp"): [0],
    }


def test_group_by_nothing_is_one_group(rows):
    assert results.group(rows, []) == {(): rows}


def test_every_row_is_in_one_group(rows):
    groups = results.group(rows, ["latent_size"])
    assert sorted(row.run.id for members in groups.values() for row in members) == [
        row.run.id for row in rows
    ]


def test_group_by_a_field_that_does_not_exist_names_the_nearest(rows):
    with pytest.raises(UsageError, match=r"unknown config key 'latent'.*did you mean 'latent_size'"):
        results.group(rows, ["latent"])


def test_group_of_nothing_is_refused():
    with pytest.raises(UsageError, match="nothing to compare"):
        results.group([], [])


def test_models_of_other_kinds_stand_in_groups_of_their_own(tmp_path):
    write_run(tmp_path, vae.get_config(), nll=30.0, mse=0.5)
    write_run(tmp_path, ae.get_config(), mse=0.25)
    rows, _ = results.read_all([tmp_path])
    groups = results.group(rows, ["posterior", "sigma"])
    assert list(groups) == [("delta", 1.0), ("gaussian", 0.0)]
