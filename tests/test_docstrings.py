"""The examples of the docstrings: each runs, and every function and algorithm has one."""

import doctest
import importlib
import inspect

import jax.numpy as jnp
import matplotlib.pyplot as plt
import pytest
from test_structure import PUBLIC, functions, public

import jnmf

WITHOUT = {  # and why
    "jnmf.to_anndata": "anndata is not among what the tests need",
    "jnmf.sparse": "the README has one",
    "jnmf.terms.Term": "it is what terms of one's own are made of; test_testing.py has some",
    "jnmf.terms.Constraint": "the same",
    "jnmf.warm_start.Start": "it is what the functions beside it return",
}
ALGORITHMS = ("MU", "HALS", "ALS", "PGD", "ANLS", "Accelerated", "Extrapolated", "Momentum", "JointMU")
MODULES = ("plot", "terms", "warm_start")


def documented():
    """The docstrings of the public modules, functions, classes and methods, by name."""
    for name in PUBLIC:
        module = importlib.import_module(name)
        yield name, module
        for own, value in public(module).items():
            if inspect.isclass(value) or inspect.isroutine(inspect.unwrap(value)):
                yield f"{name}.{own}", value
            if inspect.isclass(value):
                yield from ((f"{name}.{full}", method) for full, method in functions(own, value))


DOCUMENTED = dict(documented())
EXAMPLES = [name for name, value in DOCUMENTED.items() if ">>>" in (value.__doc__ or "")]
PARSER = doctest.DocTestParser()


@pytest.fixture(scope="module")
def names():
    """What the examples begin with, as `jnmf` itself says."""
    found = {"jnp": jnp}
    exec("\n".join(example.source for example in PARSER.get_examples(jnmf.__doc__)), found)
    return found


@pytest.mark.quick(24)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = PARSER.get_doctest(DOCUMENTED[name].__doc__, dict(names), name, None, None)
    told = []
    doctest.DocTestRunner(verbose=False).run(example, out=told.append)
    plt.close("all")
    assert "".join(told) == ""


def test_functions_and_algorithms_have_an_example():
    asked = [f"jnmf.{name}" for name in jnmf.__all__ if inspect.isroutine(getattr(jnmf, name))]
    asked += [f"jnmf.{name}" for name in ALGORITHMS]
    asked += [f"jnmf.{module}.{name}" for module in MODULES for name in public(getattr(jnmf, module))]
    asked = [name for name in asked if name in DOCUMENTED]
    assert {name for name in asked if name not in EXAMPLES} == set(WITHOUT)
