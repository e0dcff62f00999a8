"""Everything public says what it is, and what its examples show is what it does."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterator
from typing import Any

import churn_model as cm
import pytest

MODULES = ["churn_model._native"] + [
    found.name
    for found in pkgutil.walk_packages(cm.__path__, "churn_model.")
    if not found.name.startswith("churn_model._native")
]

COMPILED_MEMBERS = (types.MethodDescriptorType, types.ClassMethodDescriptorType, types.GetSetDescriptorType)


def is_ours(thing: Any) -> bool:
    return (getattr(thing, "__module__", None) or "").startswith("churn_model")


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Methods and properties of a class that this package defines."""
    for base in filter(is_ours, kind.__mro__):
        for name, member in vars(base).items():
            is_member = inspect.isroutine(member) or isinstance(member, (property, classmethod, staticmethod))
            if not name.startswith("_") and (is_member or inspect.isdatadescriptor(member)):
                yield f"{kind.__name__}.{name}", member


def public_things() -> Iterator[tuple[str, Any]]:
    for name in cm.__all__:
        thing = getattr(cm, name)
        if callable(thing):
            yield name, thing
        if inspect.isclass(thing):
            yield from members(thing)
    for module_name in MODULES:
        try:
            module = importlib.import_module(module_name)
        except ImportError:  # one for a library that is not installed
            continue
        yield module_name, module
        for name, thing in vars(module).items():
            if name.startswith("_") or not callable(thing) or not is_ours(thing):
                continue
            yield f"{module_name}.{name}", thing
            if inspect.isclass(thing):
                yield from members(thing)


# A class's own member comes before the one of its base that it replaces.
THINGS = dict(reversed(list(public_things())))


def is_documented(name: str, thing: Any) -> bool:
    if isinstance(thing, types.MemberDescriptorType):  # one of `__slots__`, which cannot have one of its own
        return f"\n{thing.__name__} : " in inspect.getdoc(thing.__objclass__)
    return bool((thing.__doc__ or "").strip())


def test_everything_public_has_a_docstring():
    without = [name for name, thing in THINGS.items() if not is_documented(name, thing)]
    assert not without, without
    assert len(THINGS) > 150


@pytest.mark.parametrize("name", cm.__all__)
def test_parameters_are_documented_by_their_names(name: str):
    thing = getattr(cm, name)
    methods = [member for owner, member in members(thing)] if inspect.isclass(thing) else []
    for function in filter(callable, [thing, *methods]):
        try:
            parameters = list(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            continue
        doc = function.__doc__ or ""
        if "Parameters\n" in doc:
            missing = [p for p in parameters if p not in ("self", "cls", "args", "kwargs") and p not in doc]
            assert not missing, (name, function, missing)


def run_examples(tests: list[doctest.DocTest]) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL)
    for test in tests:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("module_name", ["churn_model", *MODULES[1:]])
def test_examples_in_docstrings_do_what_they_show(module_name: str):
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        pytest.skip(f"{error}")
    run_examples(doctest.DocTestFinder(exclude_empty=True).find(module))


def test_examples_in_compiled_docstrings_do_what_they_show():
    # Methods that are compiled are none of those that doctest looks for.
    compiled = {
        name: thing.__doc__
        for name, thing in THINGS.items()
        if name.startswith("churn_model._native.") or isinstance(thing, COMPILED_MEMBERS)
    }
    parser = doctest.DocTestParser()
    tests = [parser.get_doctest(doc, {}, name, None, None) for name, doc in compiled.items() if ">>>" in (doc or "")]
    assert {"Model.score", "Model.decide", "Model.matrix", "Model.load"} <= {test.name for test in tests}
    run_examples(tests)
