"""The page of the package runs as it is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[1] / "README.md"


def test_the_blocks_of_the_page_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5

    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 (our own page)

    assert (tmp_path / "churn.safetensors").stat().st_size > 0
    printed = capsys.readouterr().out
    for expected in ("Evaluation: ", "raises the raw score by", "1 counted", "missing columns: "):
        assert expected in printed


def test_the_page_names_what_exists() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", PAGE.read_text())
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
