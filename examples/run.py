"""Runs the notebooks of this folder and writes them back with their outputs: `python examples/run.py [notebook ...]`."""

import base64
import io
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with what its code gives, and nothing of when and where it ran."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=900, record_timing=False, coalesce_streams=True).execute(cwd=str(FOLDER))
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = _smaller(data["image/png"])
            if "text/html" in data:
                data["text/html"] = re.sub(r"<style scoped>.*?</style>\n?", "", data["text/html"], flags=re.DOTALL)
    return notebook


def _smaller(png: str) -> str:
    """The same picture with at most 40 colours."""
    out = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(40).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]) if sys.argv[1:] else sorted(FOLDER.glob("*.ipynb")):
        notebook = run(path)
        nbformat.write(notebook, path)
        print(path, f"{path.stat().st_size / 1e3:.0f} kB")
