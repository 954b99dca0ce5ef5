"""The examples run, fit a page, print finite numbers for what they compare, draw a picture and show what they say."""

import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))

SHOWN = {  # of the numbers in the order in which they are printed
    "counts": lambda kl, negative_binomial: negative_binomial < kl,
    "shared_factor": lambda both, *alone: both > max(alone),
    "notes": lambda none, known, last: known > 0.85 and last > none,
    "signatures": lambda error, far, less, near, alone: less < error / 2 and far < 0.9 < min(near, alone),
    "graph": lambda without, *weights: max(weights) > without,
    "signed": lambda error, agreement, less, more: less < error and more > agreement,
    "communities": lambda far, plain, near, agreement, *most: near < 0.01 < far and agreement >= max(plain, 0.95),
}


@pytest.mark.quick(1)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, capsys):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert re.match(r'"""[A-Z][^:\n]+: ', text)  # the title of its page
    plt.close("all")
    runpy.run_path(str(path))
    assert plt.get_fignums()
    plt.close("all")
    numbers = [float(number) for number in re.findall(r"\d+\.\d{3}", capsys.readouterr().out)]
    assert len(numbers) >= 2
    assert np.isfinite(numbers).all()
    assert SHOWN.get(path.stem, lambda *numbers: True)(*numbers), numbers
