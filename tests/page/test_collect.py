import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.page.workdir import HOSTILE
from vae_jax import page
from vae_jax.errors import UsageError
from vae_jax.page.collect import collect, plain, thinned


@given(st.integers(1, 700), st.integers(2, 200))
def test_thinned_curves_keep_both_ends_and_the_order(count, points):
    lines = [{"step": 9 * n, "epoch": n, "valid/loss": n / 3} for n in range(1, count + 1)]
    kept = thinned(lines, points)
    assert set(kept) == {"epoch", "valid/loss"}
    epochs = kept["epoch"]
    assert len(epochs) == min(count, points) == len(kept["valid/loss"])
    assert (epochs[0], epochs[-1]) == (1, count)
    assert epochs == sorted(set(epochs))
    np.testing.assert_allclose(kept["valid/loss"], np.array(epochs) / 3, rtol=1e-4)


@pytest.mark.slow
def test_everything_stands_in_the_value(workdir, written):
    first, second, conv, begun = written
    found = collect(workdir, {"latent_map": "Where?"})
    rows = {row["id"]: row for row in found["table"]["rows"]}
    assert set(rows) == {run.id for run in written}
    assert rows[begun.id]["status"] == "not finished"
    assert rows[begun.id]["decoder.activation"] == HOSTILE
    assert rows[conv.id]["test/mse"] == conv.result()["metrics"]["test/mse"]
    assert "batch_size" in found["table"]["same"]
    assert not found["table"]["fields"].keys() & found["table"]["same"].keys()
    (figure,) = found["figures"]
    assert figure["question"] == "Where?"
    assert figure["runs"] == sorted([first.id, second.id])
    assert found["curves"][begun.id]["valid/loss"] == [4.0]
    measured = [claim["measured"] for claim in found["claims"][0]["claims"]]
    assert measured == ["0.25 ± 0.12", HOSTILE]
    assert [model["run"] for model in found["explorer"]["models"]] == [first.id, conv.id, second.id]


@pytest.mark.slow
def test_fields_that_vary_together_are_one_column(workdir, written):
    fields = collect(workdir, {})["table"]["fields"]
    assert "likelihood" in {name for others in fields.values() for name in others} | set(fields)
    names = [name for first, others in fields.items() for name in (first, *others)]
    assert len(names) == len(set(names))


@pytest.mark.slow
def test_asked_for_models_are_the_only_ones(workdir, written):
    found = collect(workdir, {}, [written[2].id])["explorer"]
    assert [model["run"] for model in found["models"]] == [written[2].id]
    (model,) = found["models"]
    activity = np.array(model["activity"])[model["order"]]
    assert len(activity) == 5
    assert (np.diff(activity) <= 0).all()
    with pytest.raises(UsageError, match="unknown finished run"):
        collect(workdir, {}, [written[3].id])


@pytest.mark.slow
def test_decoders_too_large_for_the_page_are_left_out_unless_asked_for(workdir, written, monkeypatch):
    monkeypatch.setattr("vae_jax.page.explorer.MODEL_BYTES", 50_000)
    found = collect(workdir, {})["explorer"]
    assert [model["run"] for model in found["models"]] == [written[2].id]
    assert set(found["left_out"]) == {written[0].id, written[1].id}
    assert f"--explore={written[0].id}" in found["left_out"][written[0].id]
    assert collect(workdir, {}, [written[0].id])["explorer"]["left_out"] == {}


@pytest.mark.slow
def test_damaged_runs_are_named(tmp_path, workdir, written):
    for run in written[1:]:
        (tmp_path / run.id).mkdir()
        for name in ("config.json", "metrics.jsonl"):
            (tmp_path / run.id / name).write_bytes((run.path / name).read_bytes())
    (tmp_path / written[1].id / "config.json").write_text("{")
    (tmp_path / written[2].id / "metrics.jsonl").write_text("{\n")
    found = collect(tmp_path, {})
    assert set(found["damaged"]) == {written[1].id, written[2].id}
    assert written[2].id not in found["curves"]


@pytest.mark.slow
def test_numbers_that_json_does_not_have_are_nothing(workdir, written):
    assert [plain(value) for value in (math.nan, math.inf, 2, (3, 4), True)] == [
        *(None, None, 2, "3, 4", "True")
    ]
    text = page.render(collect(workdir, {}))
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert "<" not in data
    claims = json.loads(data)["claims"][0]["claims"]
    assert claims[0]["claim"] == HOSTILE


def test_no_run_no_page(tmp_path):
    with pytest.raises(UsageError, match="no run in"):
        collect(tmp_path, {})
    with pytest.raises(UsageError, match="no such directory"):
        collect(tmp_path / "missing", {})
