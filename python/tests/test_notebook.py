"""A real kernel of Jupyter: what a cell shows of a job."""

import json
import textwrap

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

# Seconds. A kernel starts within a few, and so does a cluster.
_CELL_MAX = 120


def executed(*cells):
    """A notebook with these cells, as its kernel leaves it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=_CELL_MAX, kernel_name="python3").execute()
    return notebook


def submitted(spec):
    return f"import json, shoal\njob = shoal.local().submit(json.loads({json.dumps(json.dumps(spec))}))"


def job(name, output):
    from test_jobs import training

    return training(name, output)


def test_wait_shows_a_bar_that_fills(binary, tmp_path):
    pytest.importorskip("ipywidgets")
    notebook = executed(submitted(job("widgets", tmp_path / "models")), "job.wait()", "job.table().to_pandas(['firm', 'r2'])")
    _, waited, shown = notebook.cells
    views = [output["data"] for output in waited.outputs if "data" in output]
    assert any("application/vnd.jupyter.widget-view+json" in view for view in views), waited.outputs
    models = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    bars = [model["state"] for model in models if model["model_name"] == "FloatProgressModel"]
    texts = " ".join(str(model["state"].get("value")) for model in models if model["model_name"] == "HTMLModel")
    # Spaces as wide as a digit keep it still.
    texts = texts.replace("\u2007", " ")
    assert [(bar["value"], bar["max"], bar["bar_style"]) for bar in bars] == [(100.0, 100.0, "success")]
    assert "widgets: 100%" in texts and ", Succeeded 11/11 groups" in texts
    assert "<table" in shown.outputs[0]["data"]["text/html"]


def test_without_widgets_the_bar_is_text(binary, tmp_path):
    hidden = "import sys\nsys.modules['ipywidgets'] = None"
    notebook = executed(hidden, submitted(job("text", tmp_path / "models")), "job.wait()")
    said = "".join(output["text"] for output in notebook.cells[2].outputs if output.output_type == "stream")
    assert "text: 100%" in said and ", Succeeded 11/11 groups" in said
    assert "Warning" not in said


def test_a_job_that_fails_is_an_error_of_its_cell(binary, tmp_path):
    spec = job("wrong", tmp_path / "models")
    spec["spec"]["groupedTraining"]["input"]["table"] = str(tmp_path / "none.csv")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="JobFailed"):
        executed(submitted(spec), "job.wait()")
