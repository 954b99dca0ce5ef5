"""What stands around the code: the references, the pages of the site, the version."""

import re
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import pytest

import jnmf
from docs import bibliography, docstrings, gallery, links, pages

ROOT = Path(__file__).parent.parent
WORKS = bibliography.works((ROOT / "docs" / "references.bib").read_text(encoding="utf-8"))
WAYS = {citation: work.key for work in WORKS for citation in work.citations}
CITING = [
    ROOT / "README.md",
    *(path for folder in ("jnmf", "proofs", "docs") for path in (ROOT / folder).rglob("*.py")),
]
CITING += [path for folder in ("proofs", "docs") for path in (ROOT / folder).glob("*.md")]


def test_every_work_that_is_cited_has_an_entry():
    cited = {(path.name, work) for path in CITING for work in bibliography.cited(path.read_text(encoding="utf-8"))}
    assert len(cited) > 80
    assert [(file, work) for file, work in sorted(cited) if work not in WAYS] == []


def test_no_two_works_are_cited_alike():
    assert len({work.key for work in WORKS}) == len(WORKS)
    assert len(WAYS) == sum(len(work.citations) for work in WORKS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("as Lee and\n    Seung 2001 (eq. 5) do", {"Lee and Seung 2001"}),
        ("Berry et al. 2007; J. Kim and Park 2011, section 4", {"Berry et al. 2007", "J. Kim and Park 2011"}),
        ("accelerated HALS, Gillis and Glineur 2012a", {"Gillis and Glineur 2012a"}),
        ("of X. Ho and Van Dooren 2008", {"Ho and Van Dooren 2008"}),
        ("Fu, Huang and others 2016", {"Fu, Huang and others 2016"}),
        ("2000 images, 1999 of them", set()),
    ],
)
def test_citations_are_found(text, found):
    assert bibliography.cited(text) == found


def test_the_version_stands_in_one_place():
    told = re.search(r"^version: (\S+)", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert told[1] == jnmf.__version__
    assert f"## {jnmf.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


SMALLER = (
    ("check_algorithm(Relaxed())", "check_algorithm(Relaxed(), num_examples=2)"),
    ("range(1, 8)", "(3, 4)"),
    ("num_restarts=10", "num_restarts=2"),
    ("num_replicates=20", "num_replicates=3"),
)


@pytest.mark.slow  # twenty seconds of compilation
@pytest.mark.parametrize("name", ["your-own", "choosing-the-rank"])
def test_a_page_runs(name):
    """The checkers and studies at a size that is quick; what they find has tests of its own."""
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    for whole, part in SMALLER:
        code = code.replace(whole, part)
    names = {}
    exec(code, names)
    plt.close("all")
    assert isinstance(names["X"], jax.Array)
    if name == "choosing-the-rank":
        assert names["held_out"].rank == 4
        assert (names["low"].H <= names["high"].H).all()


def test_links_lead_to_pages():
    assert pages.linked("[a](docs/speed.md#results) [b](jnmf/nnls.py)", "README.md") == "[a](speed.md#results) b"
    assert pages.linked("[a](../proofs/k_means.py)", "docs/sources.md") == "[a](proofs/k_means.md)"
    assert pages.linked("![a](docs/scree.png)", "README.md") == "![a](docs/scree.png)"


def test_docstrings_keep_their_shapes_formulas_and_examples():
    text = "Of `fit`.\n\nX: (m, n), real\n    and finite.\nrank: r.\n\n    q(H) = |H_k|*2\n\n>>> a_b * 2\n[2]\n"
    assert docstrings.rst(text) == (
        "Of \\ :py:obj:`fit <jnmf.fit>`\\ .\n\n* **X**: (m, n), real and finite.\n\n* **rank**: r.\n\n"
        "::\n\n    q(H) = |H_k|*2\n\n>>> a_b * 2\n[2]"
    )


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "index.html").write_text(
        '<a href="a.html#x">a</a><a href="a.html#y">b</a><a href="https://c.org">c</a>'
    )
    (tmp_path / "a.html").write_text('<p id="x"><img src="d.png"></p><a href="#x">x</a>')
    (tmp_path / "b.html").write_text("<p>by itself</p>")
    assert links.wrong(tmp_path) == ["a.html: d.png", "index.html: a.html#y", "no link leads to b.html"]


def test_an_example_is_a_page():
    example = gallery.Example("dice", "Dice: how they fall.\n\nMore.", "print(6)", "6\n", (Path("dice-1.png"),))
    (index, contents), (name, page) = gallery.pages([example])
    assert (index, name) == ("examples/index", "examples/dice")
    assert "[![Dice](dice-1.png)](dice.md)\n\n[Dice](dice.md): how they fall.\n```" in contents
    assert page.startswith("# Dice\n\nDice: how they fall.\n\nMore.\n\n![Dice](dice-1.png)")
    assert "```python\nprint(6)\n```" in page
    assert page.endswith("```text\n6\n```\n")


MARKDOWN = sorted({*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), ROOT / "proofs" / "README.md"})


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.stem)
def test_links_of_a_page_lead_to_files(path):
    targets = re.findall(r"\]\(([^()#\s]+)(?:#[\w-]*)?\)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (path.parent / target).exists()] == []


def test_every_page_is_in_the_contents():
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").split("```{toctree}")[1:]
    listed = {re.sub(r".*<(.*)>", r"\1", line) for block in contents for line in block.split("```")[0].splitlines()}
    assert {page for page in pages.PAGES.values() if "/" not in page and page != "index"} <= listed
