"""How fast is jnmf beside other packages? python -m experiments.race [CASE …]

Everyone gets the same matrix and the same start, in one process, in turns: each contender once, then each once more in
the opposite order, so that a machine that is busy for a while is busy for all. A time is the median over the repeats
of whole runs of a given number of iterations; no callback looks in between. Errors are computed afterwards, by NumPy in
float64, from the factors that came back. jnmf compiles before the clock starts, and the table says how long that
took; X and the start are then where each package takes them from, JAX arrays for jnmf and NumPy arrays for the others.

    cases                    the table of cases: another case is a line of it
    peers, contenders, warm  who takes part: another peer is an entry of `peers`
    case                     what a kind of case is; its kinds, with what they compute and how they show it, are
                             one_matrix, sweep, first_call, memory, scaling
    problem, clock, machine  the matrix and how far factors are from it; seconds; threads, memory, versions
    words, figure, page      what is shown
    command                  the command line

Each (case, dtype) leaves race-CASE-DTYPE.json and its figure in the folder, and race.html shows all that are there.
"""
