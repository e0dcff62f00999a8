"""How far a long call is: a bar where tqdm is installed, or a function of the caller's."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

Step = Callable[[str], None]


@contextmanager
def steps(progress: Any, n_parts: int | None, what: str) -> Generator[Step | None, None, None]:
    """What native code calls with `"trial"` or `"part"` after each step; None where nobody wants to know.

    `progress` is True for a bar, or a function that is called with the steps done and those known so far.
    """
    if progress is None or progress is False:
        yield None
        return
    done, total = 0, n_parts

    def count(kind: str) -> None:
        nonlocal done, total
        done += 1
        if kind == "trial" and total is not None:
            total += 1

    if callable(progress):

        def call(kind: str) -> None:
            count(kind)
            progress(done, total)

        yield call
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    with tqdm(total=n_parts, desc=what) as bar:

        def show(kind: str) -> None:
            count(kind)
            if total != bar.total:
                bar.total = total
            bar.update(1)

        yield show


@contextmanager
def events(progress: Any) -> Generator[Callable[[int], object] | None, None, None]:
    """What native code calls now and then with the number of events so far; None where nobody wants to know.

    `progress` is True for a bar, or a function that is called as in `steps`; how many events there are is never known.
    """
    if progress is None or progress is False:
        yield None
        return
    if callable(progress):
        yield lambda n_events: progress(n_events, None)
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    with tqdm(unit=" events", unit_scale=True) as bar:
        yield lambda n_events: bar.update(n_events - bar.n)
