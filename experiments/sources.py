"""Every question, definition and claim of the five sources, and where it is answered.

    python -m experiments.sources

checks that each answer exists and writes docs/sources.md. An answer is named in one of three ways:

    williams.scree          the section of a study that this function writes (its title is found, and may change)
    13                      a statement of proofs/
    jnmf.losses.frobenius   what can be imported
"""

import ast
import importlib
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
OUT = HERE.parent / "docs" / "sources.md"


class Ask(NamedTuple):
    """What a source asks, defines or claims, in words of our own; where it does; the answers, apart by spaces."""

    number: str
    place: str
    what: str
    answers: str


class Source(NamedTuple):
    title: str
    letter: str
    asks: tuple[Ask, ...]


HOMEWORK = (
    Ask("H1", "notation", "minimise ‖X − UVᵀ‖² over nonnegative U and V", "jnmf.losses.frobenius jnmf.ANLS"),
    Ask("H2", "notation", "fewer components than rows and than columns", "williams.scree"),
    Ask("H3", "exercise 1", "ANLS: each half-step an exact nonnegative least squares problem", "jnmf.ANLS jnmf.nnls 7"),
    Ask("H4", "exercise 1", "30 iterations, no stopping rule", "experiments.williams.Settings"),
    Ask("H5", "exercise 1", "U from V, then V from the new U", "williams.sensitivity jnmf.ANLS"),
    Ask("H6", "exercise 1", "a start of uniform random nonnegative numbers", "jnmf.init.random"),
    Ask("H7", "exercise 2", "all of it on nmfdata.txt", "experiments.data.williams_matrix"),
    Ask("H8", "exercise 3", "a function that plots the RMSE against the number of components", "jnmf.plot.scree"),
    Ask("H9", "exercise 3", "several random starts for each, every one a point", "williams.scree"),
    Ask("H10", "exercise 3", "is the RMSE sensitive to the start?", "williams.sensitivity"),
    Ask("H11", "exercise 4", "a line for the RMSE of the truncated SVD", "jnmf.svd_rmse williams.against_svd"),
    Ask("H12", "exercise 4", "is the comparison favourable for NMF?", "williams.against_svd"),
    Ask("H13", "exercise 5", "similarity of two factors: unit columns, best matching", "jnmf.similarity 22"),
    Ask(
        "H14", "exercise 5", "plot the average similarity of U against the number of components", "williams.similarity"
    ),
    Ask("H15", "exercise 5", "the same for V", "williams.similarity"),
    Ask("H16", "exercise 6", "a function that sorts samples and genes by their largest loading", "jnmf.order"),
    Ask("H17", "exercise 6", "heatmaps, as given and sorted", "jnmf.plot.heatmaps williams.blocks"),
    Ask("H18", "exercise 6", "does sorting reveal clusters?", "williams.blocks"),
)

LAB = (
    Ask("L1", "introduction", "NMF gives additive parts, easier to interpret than PCA", "lab_mnist.interpretation"),
    Ask(
        "L2", "introduction", "update one block with the other fixed, in turn", "jnmf.run lab_synthetic.about_convexity"
    ),
    Ask("L3", "introduction", "the objective is convex in W and in H alone", "lab_synthetic.about_convexity 3"),
    Ask("L4", "introduction", "it is not convex in the pair", "lab_synthetic.about_convexity"),
    Ask("L5", "preliminary 1", "the objective by traces", "1 lab_synthetic.about_preliminaries"),
    Ask("L6", "preliminary 2", "the gradients in W and in H", "2 lab_synthetic.about_preliminaries"),
    Ask("L7", "preliminary 3", "the least squares solutions for W and for H", "3 lab_synthetic.about_preliminaries"),
    Ask("L8", "part 1", "objective(V, W, H)", "jnmf.losses.frobenius lab_synthetic.about_functions"),
    Ask(
        "L9",
        "part 1",
        "grad_W and grad_H",
        "jnmf.losses.frobenius.grad_W jnmf.losses.frobenius.grad_H lab_synthetic.about_functions",
    ),
    Ask("L10", "part 1", "project_nonnegative(X)", "jnmf.project_nonnegative lab_synthetic.about_functions"),
    Ask("L11", "part 1", "random initial points", "jnmf.init.random"),
    Ask(
        "L12", "part 1", "least squares without a constraint: negative, unstable?", "lab_synthetic.about_least_squares"
    ),
    Ask("L13", "part 1", "projected ALS: W, then H", "jnmf.ALS experiments.lab_synthetic.methods.run_W_first"),
    Ask("L14", "part 1", "iterate it, watch the objective: what is seen?", "lab_synthetic.about_projecting"),
    Ask("L15", "part 1", "projected block coordinate descent", "jnmf.PGD lab_synthetic.about_steps 5"),
    Ask("L16", "part 1", "for which step sizes does it converge, typical values", "lab_synthetic.about_steps"),
    Ask("L17", "part 1", "multiplicative updates of W and H", "jnmf.MU 11"),
    Ask("L18", "part 1", "they stay nonnegative without a projection", "lab_synthetic.about_multiplying"),
    Ask("L19", "part 1", "compare trajectories, errors, sensitivity to the start", "lab_synthetic.about_comparison"),
    Ask("L20", "part 1", "sum up the differences of the three methods", "lab_synthetic.about_differences"),
    Ask("L21", "part 1", "the impact of noise", "lab_synthetic.about_noise"),
    Ask("L22", "part 1", "the impact of too low and too high a rank", "lab_synthetic.about_ranks"),
    Ask("L23", "part 1", "generate_dataset_NMF", "experiments.data.generate_dataset_NMF"),
    Ask("L24", "part 1", "the data have no noise", "lab_synthetic.about_data experiments.lab_synthetic.Settings"),
    Ask("L25", "part 1", "show V, W0 and H0", "lab_synthetic.about_data"),
    Ask("L26", "part 2", "MNIST: the first 1000 images, grey values from 0 to 1", "experiments.data.mnist_train"),
    Ask("L27", "part 2", "the dimensions, and what a row is", "lab_mnist.dimensions"),
    Ask("L28", "part 2", "three rows as images, beside their labels", "lab_mnist.pictures"),
    Ask("L29", "part 2", "apply the best algorithm of part 1", "lab_mnist.convergence"),
    Ask("L30", "part 2", "choose an appropriate rank", "lab_mnist.convergence"),
    Ask("L31", "part 2", "its convergence curve", "lab_mnist.convergence"),
    Ask("L32", "part 2", "the basis as images: which patterns?", "lab_mnist.basis"),
    Ask("L33", "part 2", "which components are most active in a test image?", "lab_mnist.activity"),
    Ask("L34", "part 2", "relate them to features of the digit", "lab_mnist.activity"),
    Ask("L35", "part 2", "the same for random images", "lab_mnist.activity"),
    Ask("L36", "part 2", "the rank: reconstruction against interpretability", "lab_mnist.trade"),
    Ask("L37", "part 2", "PCA by scikit-learn", "experiments.lab_mnist.pca.fit_pca lab_mnist.beside_pca"),
    Ask("L38", "part 2", "how do the components of PCA and NMF differ?", "lab_mnist.beside_pca"),
    Ask("L39", "part 2", "which is easier to interpret, and why?", "lab_mnist.interpretation"),
    Ask("L40", "part 2", "must a lower error mean a better interpretation?", "lab_mnist.lower_error"),
    Ask("L41", "part 3", "HALS, after Gillis 3.1.5", "jnmf.HALS 4 lab_hals.implemented"),
    Ask(
        "L42",
        "part 3",
        "compare it with projected ALS, BCD and MU on both data sets, and comment",
        "lab_hals.comparison lab_hals.how_much lab_hals.where_not",
    ),
)

LECTURE = (
    Ask(
        "C1",
        "1, setting",
        "X ≈ WH with nonnegative factors of rank k ≤ min{n, p}",
        "experiments.lecture.Settings lecture.on_setting",
    ),
    Ask("C2", "1, setting", "the factorisation is not unique; the example W L L⁻¹ H", "13 lecture.on_setting"),
    Ask("C3", "1, setting", "the truncated SVD has the least error of its rank", "12 lecture.on_setting"),
    Ask("C4", "1, setting", "NMF where nonnegativity is worth more than accuracy", "lab_mnist.when"),
    Ask("C5", "2, ANLS", "f = ½‖X − WH‖²", "jnmf.losses.frobenius"),
    Ask("C6", "2, ANLS", "a start W whose columns have maximum 1", "lecture.on_delta"),
    Ask("C7", "2, ANLS", "H, then W, by nonnegative least squares", "jnmf.nnls 7"),
    Ask("C8", "2, ANLS", "divide the columns of W by their maxima", "jnmf.normalize 14"),
    Ask("C9", "2, ANLS", "δ from the second iteration on", "lecture.on_delta"),
    Ask("C10", "2, ANLS", "δ: the sum of the relative changes of W and H", "lecture.on_delta"),
    Ask("C11", "2, ANLS", "go on while δ > τ, at most maxit times", "lecture.on_delta"),
    Ask("C12", "2, ANLS", "the objective, column by column", "6"),
    Ask("C13", "2, ANLS", "H is p nonnegative least squares problems", "6"),
    Ask("C14", "2, ANLS", "the objective, row by row", "6"),
    Ask("C15", "2, ANLS", "W is n nonnegative least squares problems", "6"),
    Ask("C16", "3, updates", "W = e^ξ, H = e^ζ", "8"),
    Ask("C17", "3, updates", "the derivative in ξ", "8"),
    Ask("C18", "3, updates", "the derivative in ζ", "8"),
    Ask("C19", "3, updates", "W⁺ and H⁺ from the equation with X^c frozen", "8 jnmf.solvers.multiplicative"),
    Ask("C20", "3, algorithm I", "a positive start, the columns of W with maximum 1", "lecture.on_delta"),
    Ask("C21", "3, algorithm I", "update H, form X^c again, update W", "jnmf.MU"),
    Ask("C22", "3, algorithm I", "divide the columns of W by their maxima", "lecture.on_scaling 14"),
    Ask("C23", "3, algorithm I", "δ: the sum of the relative changes", "lecture.on_delta"),
    Ask("C24", "3, algorithm I", "go on while δ > τ, at most maxit times", "lecture.on_delta"),
    Ask("C25", "4, entropy", "the divergence D(A‖B)", "jnmf.losses.kl lecture.on_formulas"),
    Ask("C26", "4, entropy", "D ≥ 0, and 0 only for A = B", "10 lecture.on_formulas"),
    Ask("C27", "4, entropy", "D(A‖B) is not D(B‖A)", "10 lecture.on_formulas"),
    Ask("C28", "4, entropy", "minimise D(X‖WH)", "jnmf.losses.kl jnmf.MU lecture.on_formulas"),
    Ask("C29", "4, entropy", "the derivatives in ξ and ζ", "9 lecture.on_formulas"),
    Ask("C30", "4, entropy", "the updating formulas", "9 jnmf.multiplicative.half_step"),
    Ask("C31", "4, entropy", "the columns of W sum to 1", "lecture.on_entropy"),
    Ask("C32", "4, algorithm II", "a start W whose columns sum to 1, and a positive H", "lecture.on_delta"),
    Ask("C33", "4, algorithm II", "the update of H, without a denominator", "9 24"),
    Ask("C34", "4, algorithm II", "the update of W", "jnmf.multiplicative.half_step"),
    Ask("C35", "4, algorithm II", "divide the columns of W by their sums", "lecture.on_scaling"),
    Ask("C36", "4, algorithm II", "δ: the sum of the relative changes", "lecture.on_delta"),
    Ask("C37", "5, example", "MNIST's test set, 784 × 10000", "experiments.data.mnist_test"),
    Ask("C38", "5, example", "algorithm I at k = 9 and 81, τ = 0.01", "lecture.on_delta"),
    Ask("C39", "5, example", "plot the history of δ", "lecture.on_delta"),
    Ask("C40", "5, example", "the columns of W as images", "lecture.on_features"),
    Ask("C41", "5, example", "a summary at k = 9, building blocks at k = 81", "lecture.on_building_blocks"),
)

PROBLEM_SET = (
    Ask("S1", "problem 1", "minimise ‖A − WH‖ plus penalties of W and H", "15 problem_set.regularised"),
    Ask("S2", "problem 1", "the general rule W ← [(AHᵀ − αΦ)(HHᵀ)⁻¹]₊", "15"),
    Ask("S3", "problem 1", "Φ, the derivative of the penalty", "15"),
    Ask("S4", "problem 1a", "the rule for ‖W‖²", "15 problem_set.regularised jnmf.ALS"),
    Ask("S5", "problem 1b", "the rule for ΣW, the columns of W normalised", "15 problem_set.regularised jnmf.ALS"),
    Ask("S6", "problem 2", "Hoyer's sparsity", "jnmf.hoyer_sparsity"),
    Ask("S7", "problem 2a", "it is 1 exactly for a single entry", "16 problem_set.bounds"),
    Ask("S8", "problem 2b", "it is 0 exactly where all sizes are alike", "16 problem_set.bounds"),
    Ask("S9", "problem 3", "the multiplicative rule is a gradient step: find its steps", "17 problem_set.gradient"),
    Ask("S10", "problem 4", "Newton's rule for H, truncated at 0", "18 problem_set.newtons"),
    Ask("S11", "problem 4", "it is H ← [W⁺A]₊", "18 3 problem_set.newtons"),
    Ask("S12", "problem 5", "k-means as ‖A − GM‖²", "19 problem_set.k_means"),
    Ask("S13", "problem 5", "GᵀG = I", "19 problem_set.k_means"),
    Ask("S14", "problem 5", "all matrices stay nonnegative", "19 problem_set.k_means"),
    Ask("S15", "problem 6", "pLSA as WΣH, each summing to one", "20 problem_set.semantics"),
    Ask("S16", "problem 6", "A sums to one", "20 problem_set.semantics"),
    Ask("S17", "problem 6", "the likelihood", "20"),
    Ask("S18", "problem 6", "the largest likelihood is the least divergence", "20 problem_set.semantics"),
    Ask("S19", "heading", "show the steps between", "15 16 17 18 19 20"),
)

REPORT = (
    Ask("R1", "1.1", "each data point a combination of a few basis vectors", "faces.low_rank_answer"),
    Ask("R2", "1.1", "that is X ≈ WH, column by column", "faces.low_rank_answer"),
    Ask("R3", "1.1", "the Frobenius norm as the error measure", "jnmf.losses.frobenius"),
    Ask("R4", "1.1", "with it, the answer is PCA by the SVD", "21 faces.low_rank_answer"),
    Ask("R5", "1.1", "what low-rank models are used for", "lab_mnist.when faces.low_rank_answer"),
    Ask("R6", "1.1", "the error measure should suit the statistics of the noise", "faces.low_rank_answer"),
    Ask("R7", "1.1", "variants differ in their constraints", "faces.features_answer"),
    Ask("R8", "1.2", "NMF for any distance d(X, WH)", "jnmf.losses.BetaDivergence jnmf.MU 23"),
    Ask("R9", "2", "facial features", "faces.features_answer"),
    Ask("R10", "3", "an algorithm for the Frobenius norm", "jnmf.HALS 4"),
)

SOURCES = (
    Source("The homework: exercises on NMF (Williams)", "H", HOMEWORK),
    Source("The lab: NMF in three parts", "L", LAB),
    Source("The lecture: nonnegative matrix factorization", "C", LECTURE),
    Source("The problem set: data mining and matrices, sheet 4", "S", PROBLEM_SET),
    Source("The report: nonnegative matrix factorization", "R", REPORT),
)


class Missing(Exception):
    """An answer that does not exist."""


def answered(answer: str) -> str:
    """The answer as Markdown; raises `Missing` if there is none of that name."""
    if answer.isdecimal():
        return _statement(int(answer))
    root, _, rest = answer.partition(".")
    return _imported(answer) if root in ("jnmf", "experiments") else _section(root, rest)


def _statement(number: int) -> str:
    from proofs.statements import modules

    for module in modules():
        if number in (statement.number for statement in module.STATEMENTS):
            name = module.__name__.removeprefix("proofs.")
            return f"[statement {number}](../proofs/{name}.py)"
    raise Missing(f"there is no statement {number}")


def _imported(path: str) -> str:
    parts = path.split(".")
    for k in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for name in parts[k:]:
            if not hasattr(found, name):
                raise Missing(f"{path} cannot be imported")
            found = getattr(found, name)
        return f"`{path}`"
    raise Missing(f"{path} cannot be imported")


def _section(study: str, key: str) -> str:
    found = [title for title, names in sections_of(study) if key in names]
    if len(found) != 1:
        raise Missing(f"{study}: expected one section that {key} writes, found {len(found)}")
    return f"{study}: “{found[0]}”"


@cache
def sections_of(study: str) -> list[tuple[str, frozenset[str]]]:
    """For each section of a study its title, … where a number is put in, and the file and the functions that write it.

    Read from the source: `Section(question, answer, …)`, the question there or under the name `question`.
    """
    paths = sorted((HERE / study).glob("*.py")) or [HERE / f"{study}.py"]
    if not paths[0].is_file():
        raise Missing(f"there is no study {study}")
    found = []
    every = ((path, node) for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    for path, function in every:
        if not isinstance(function, ast.FunctionDef):
            continue
        own = [n for n in ast.walk(function) if isinstance(n, ast.Assign) and _is_name(n.targets[0], "question")]
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and _is_name(call.func, "Section") and call.args:
                title = own[0].value if _is_name(call.args[0], "question") and own else call.args[0]
                names = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
                found.append((_text(title), frozenset(names | {function.name, path.stem})))
    return found


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _text(node: ast.AST) -> str:
    """A string of the source, with … for what is put in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) for value in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "…"


def render(sources=SOURCES) -> str:
    """docs/sources.md; raises `Missing` with every ask that has no answer, or one that does not exist."""
    lines, wrong = [], []
    for source in sources:
        lines += ["", f"## {source.title}", "", "| | place | what is asked, defined or claimed | answer |"]
        lines += ["|---|---|---|---|"]
        for ask in source.asks:
            try:
                if not ask.answers.split():
                    raise Missing("no answer")
                told = "; ".join(answered(answer) for answer in ask.answers.split())
            except Missing as error:
                wrong.append(f"{ask.number}: {error}")
                continue
            lines.append(f"| {ask.number} | {ask.place} | {ask.what} | {told} |")
    if wrong:
        raise Missing("\n".join(wrong))
    number = sum(len(source.asks) for source in sources)
    head = f"""# What the sources ask, and where it is answered

{number} sentences of five sources, in our own words: what each asks, defines or claims, and what answers it, which is a
section of a study (its title on the page that `python -m experiments all` writes), a statement of
[proofs/](../proofs/README.md), or a function. Written and checked by `python -m experiments.sources`."""
    return "\n".join([head, *lines]) + "\n"


def main() -> int:
    try:
        text = render()
    except Missing as error:
        print(error, file=sys.stderr)
        return 1
    OUT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
