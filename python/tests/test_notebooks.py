"""The notebooks of `examples/` run, and are kept with small outputs."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from typing import Any

import pytest

MISSING = "notebooks run where nbclient, ipykernel, matplotlib, pandas and scikit-learn are installed"
for name in ("nbclient", "ipykernel", "matplotlib", "pandas", "sklearn"):
    pytest.importorskip(name, reason=MISSING)

import nbclient
import nbformat

EXAMPLES = Path(__file__).parents[2] / "examples"

# What is written in a notebook, and what it takes to be run in seconds.
SMALLER = {
    "01_company_table": {"simulate_companies(10_000": "simulate_companies(3_000", "< 7_000": "< 2_000"},
    "02_events_to_reasons": {"tenants=400": "tenants=100", "ChurnClassifier(": "ChurnClassifier(n_trees=50, "},
    "03_sklearn_to_scorer": {
        "simulate_companies(10_000": "simulate_companies(3_000",
        "< 7_000": "< 2_000",
        "repeat=5": "repeat=1",
    },
}


def test_every_notebook_is_tested() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.ipynb")) == sorted(SMALLER)


@pytest.mark.parametrize("name", SMALLER)
def test_a_notebook_runs_from_its_first_cell_to_its_last(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name.startswith("03"):
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
    notebook = read(name)
    for found, smaller in SMALLER[name].items():
        cells = [cell for cell in notebook.cells if found in cell.source]
        assert cells, f"{found} is not in the notebook any more"
        for cell in cells:
            cell.source = cell.source.replace(found, smaller)
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))  # the package that is under test
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(EXAMPLES))
    assert [warning for warning in texts(notebook, "stderr") if "encryption" not in warning] == []


@pytest.mark.parametrize("name", SMALLER)
def test_a_notebook_is_kept_as_one_clean_run_gives_it(name: str) -> None:
    notebook = read(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert texts(notebook, "stderr") == []
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    text = (EXAMPLES / f"{name}.ipynb").read_text()
    assert len(text) < 100_000
    assert re.search(r"/(tmp|home|root)/", text) is None  # nothing of the machine that it was run on
    images = [
        output.data["image/png"] for cell in code for output in cell.outputs if "image/png" in output.get("data", {})
    ]
    assert all(len(base64.b64decode(image)) < 60_000 for image in images)


def read(name: str) -> Any:
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def texts(notebook: Any, stream: str) -> list[str]:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.text for output in outputs if output.output_type == "stream" and output.name == stream]
