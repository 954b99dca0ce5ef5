"""Every statement holds, and the kernel can tell when one does not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from proofs import kernel
from proofs.__main__ import main
from proofs.statements import contents, statements

ALL = statements()


LONG = (33, 34, 35, 36, 37, 40)  # what they say of kinds of X, weights and terms has tests of its own


@pytest.mark.parametrize("number", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in ALL])
def test_statement_holds_and_rejects_its_controls(number):
    result = kernel.check(ALL[number])
    assert not result.failure, result.failure
    assert not result.accepted, f"controls accepted: {result.accepted}"
    assert len(result.rejected) >= 2


def test_the_numbers_are_complete():
    assert list(ALL) == list(range(1, 45))


def test_the_table_of_contents_is_that_of_the_statements():
    assert contents() in (Path(kernel.__file__).parent / "README.md").read_text()


NUMBERS = st.tuples(st.floats(1, 2).map(np.asarray))


def square(x):
    return x**2


def product(x):
    return x * x


def wrong(x):
    return x * x + 1e-6


def statement(evidence):
    return kernel.Statement(0, "a test", "none", (evidence,))


def test_a_broken_link_is_named_with_its_inputs():
    result = kernel.check(statement(kernel.chain(NUMBERS, (square, product, wrong), {})), draws=5)
    assert not result.passed
    assert "product = wrong" in result.failure
    assert "square" not in result.failure.split(":")[0]
    assert "deviation" in result.failure


def test_a_control_that_passes_fails_the_statement():
    result = kernel.check(
        statement(kernel.chain(NUMBERS, (square, product), {"equal": square, "other": wrong})), draws=5
    )
    assert result.accepted == ["equal"]
    assert result.rejected == ["other"]
    assert not result.passed


def test_exact_chains_have_no_tolerance():
    tiny = kernel.exact_chain(NUMBERS, (square, lambda x: x * x + x / 10**30), {})
    assert not kernel.check(statement(tiny), draws=5).passed


def test_a_bound_must_lie_above_touch_and_be_minimised():
    inputs = st.tuples(*[st.floats(0.5, 2).map(lambda v: np.array([v]))] * 2)
    loss = lambda new: np.sum(new**4)
    good = lambda new, old: np.sum(old**4 + 4 * old**3 * (new - old) + 50 * (new - old) ** 2)
    step = lambda old: old - 4 * old**3 / 100
    controls = {
        "below": (lambda new, old: np.sum(old**4 + 4 * old**3 * (new - old)), step),
        "elsewhere": (lambda new, old: good(new, old) + 1, step),
        "not the minimiser": (good, lambda old: old),
    }
    result = kernel.check(statement(kernel.bound(inputs, loss, good, step, controls)), draws=20)
    assert result.passed, result.failure
    assert len(result.rejected) == 3


def test_deviation():
    assert kernel.deviation([1.0, 2.0], [1.0, 2.0]) == 0
    assert kernel.deviation([0.0], [0.0]) == 0
    assert kernel.deviation([1.0], [1.0, 1.0]) == np.inf
    assert kernel.deviation([np.nan], [1.0]) == np.inf
    np.testing.assert_allclose(kernel.deviation([1e-30], [2e-30]), 0.5)


def test_command_line(capsys):
    assert main(["17", "--draws", "3"]) == 0
    shown = capsys.readouterr().out
    assert "cancelled = library" in shown
    assert "1 of 1 statements hold" in shown
    assert main(["16", "1", "--draws", "10"]) == 0
    assert "2 of 2 statements hold" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["999"])
    assert "no statement 999" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--draws", "0"])
