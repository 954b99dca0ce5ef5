"""When parts are identifiable: the conditions of Donoho and Stodden, and which of these parts can move."""

import numpy as np

from experiments.study import Arrays, Section, Table
from experiments.swimmer import LIMBS, POSITIONS, TORSO, WIDTH, Given, Problem, Settings
from experiments.words import listed, span

ANSWERS = ("torso a part of its own", "torso on one limb", "a quarter of the torso on each limb")


def compute(settings: Settings, given: Given) -> Arrays:
    """own_pixels, present, absent (17,); room (17, 17); residual (3,), of the exact answers."""
    (X, parts), H = given.problem, given.problem.weights
    # Statement 13 (c) of the proofs: so much of part a may move into part b, min over the pictures with b of H_a / H_b.
    room = np.array([[np.min(a[b > 0]) if i != j else 0 for j, b in enumerate(H)] for i, a in enumerate(H)])
    return {
        "own_pixels": np.sum((parts > 0) & (parts.sum(axis=1, keepdims=True) == parts), axis=0),
        "present": np.sum(H > 0, axis=1),
        "absent": np.sum(H == 0, axis=1),
        "room": room,
        "residual": np.array([np.abs(X - W @ H).max() for W, H in exact_answers(given.problem)]),
    }


def exact_answers(problem: Problem) -> list[tuple[np.ndarray, np.ndarray]]:
    """Three nonnegative W, H with W H = X, which differ in where they put the torso: see ANSWERS."""
    (_, parts), H = problem, problem.weights
    limbs, torso = parts[:, :TORSO], parts[:, TORSO:]
    on_one = limbs + torso * (np.arange(TORSO) < POSITIONS)
    return [(parts, H), (on_one, H[:TORSO]), (limbs + torso / len(LIMBS), H[:TORSO])]


def sections(arrays: Arrays) -> list[Section]:
    return [Section("When are parts identifiable?", condition_answer(arrays), tables=(condition_table(arrays),))]


def condition_answer(arrays: Arrays) -> str:
    room, absent, own, residual = (arrays[name] for name in ("room", "absent", "own_pixels", "residual"))
    movable = np.flatnonzero(room.max(axis=1) > 0)
    if movable.tolist() == [TORSO]:
        moves = (
            f"Of the {WIDTH} parts only the torso can, into each of {np.sum(room[TORSO] > 0)} limb parts. No limb part "
            "can, for it is missing in some picture that has the other part. So the torso is the part that the data do "
            "not determine: it can be spread over the limbs in any proportion."
        )
    else:
        names = [part_name(int(k)) for k in movable]
        moves = f"The parts that can: {listed(names) if names else 'none'}."
    products = f"Their products differ from X by {residual.max():.1g} at most." if residual.any() else "Each gives X."
    return (
        "Donoho and Stodden ask for three things: the pictures are sums of parts; each part in each position has "
        "pixels of its own; all combinations of positions are there. Then the parts are the only nonnegative factors, "
        f"up to order and scale. Here each limb part has {span(own[:TORSO])} pixels of its own, the torso "
        f"{own[TORSO]}, and the combinations are there. But the torso has one position only. It is absent from "
        f"{absent[TORSO] or 'no'} pictures, while each limb part is absent from {span(absent[:TORSO])}.\n\n"
        "What that does can be said without their theorem. Part a can move into part b if a is present whenever b is: "
        "add t times the picture of a to that of b, and take t times the weights of b from those of a. The product "
        "stays, and the weights stay nonnegative while t is at most the least ratio of the two (statement 13 (c) in "
        f"proofs/non_uniqueness.py; the last column of the table). {moves} Three such answers have been made: "
        f"{listed(list(ANSWERS))}. {products}\n\n"
        "This looks at two parts at a time and shows what is free. That nothing else is, for parts that meet the three "
        "conditions, is their theorem."
    )


def part_name(k: int) -> str:
    return "torso" if k == TORSO else f"{LIMBS[k // POSITIONS]} {k % POSITIONS + 1}"


def condition_table(arrays: Arrays) -> Table:
    rows = [
        (part_name(k), str(arrays["own_pixels"][k]), str(arrays["present"][k]), str(arrays["absent"][k]), f"{room:g}")
        for k, room in enumerate(arrays["room"].max(axis=1))
    ]
    columns = ("part", "pixels of its own", "pictures with it", "without it", "may move by")
    return Table(columns, [*rows[:POSITIONS], *rows[-1:]], f"{LIMBS[0]} and torso; the other limbs are as the first.")
