"""The notebook runs top to bottom, in a kernel of its own."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import REPOSITORY
from vae_jax.runs import all_runs

PATH = REPOSITORY / "experiments" / "tour.ipynb"


@pytest.mark.slow
def test_notebook_runs_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKDIR", str(tmp_path / "runs"))
    monkeypatch.setenv("EPOCHS", "2")
    notebook = nbformat.read(PATH, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    told = "".join(output.text for output in outputs if output.output_type == "stream")
    assert told.count("completed") == 8  # and one was there
    assert told.count("−log p(x)") == 3
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert {run.result()["status"] for run in all_runs(tmp_path / "runs")} == {"completed"}


def test_notebook_is_kept_without_its_outputs():
    notebook = nbformat.read(PATH, as_version=4)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
