"""Checks of lesson 1: a guess, index arrays, a mean of cells, a program that simulates, an own tree."""

import warnings

import numpy as np
import polars as pl

from helpers.checks import WrongAnswer, answers, exercise, programs
from helpers.data import LEVELS, measurements, stan_data


@exercise("01.1")
def alike(answer) -> str:
    """Order three pairs of cells, the most alike first."""
    wanted = "the numbers 1, 2 and 3 in a list, that of the most similar pair first"
    order = answers.whole(answer, wanted).tolist()
    if sorted(order) != [1, 2, 3]:
        raise TypeError(f"the list is {order}: give 1, 2 and 3, each once, the most similar pair first")
    shared = {1: set(), 2: {"colony", "batch", "day"}, 3: {"batch", "day"}}
    right = sorted(shared, key=lambda pair: -len(shared[pair]))
    if order == right[::-1]:
        raise WrongAnswer("This is the reverse order: begin with the pair that you expect to be most alike.")
    if order != right:
        raise WrongAnswer("List for each pair what its two cells share of a colony, a batch and a day.")
    return "The more they share, the more alike. The order does not say by how much."


@exercise("01.2")
def by_hand(answer) -> str:
    """Write the tree of our cells as arrays."""
    wanted = "a dictionary with 'index_1', 'index_2' and 'length'"
    *given, length = answers.items(answer, ["index_1", "index_2", "length"], wanted)
    arrays = [answers.whole(x, "'index_1' and 'index_2' as lists of whole numbers") for x in given]
    length = answers.number(length, "'length', that of index_3, as a whole number")
    data, labelled = stan_data(_as_in_the_picture(), LEVELS, "y", remark=False)
    colonies = labelled.unique(f"{LEVELS[2]}_stan").sort(f"{LEVELS[2]}_stan")
    if np.array_equal(arrays[1], colonies[f"{LEVELS[0]}_stan"]):
        raise WrongAnswer("index_2 holds the day of each colony. Go up one step only, to its batch.")
    if np.array_equal(arrays[1], colonies["label_"]):
        raise WrongAnswer(
            "index_2 holds the labels of the batches, which begin anew every day. Number all in one go."
        )
    for k, index in enumerate(arrays, start=1):
        _points_upwards(f"index_{k}", index, above=data[f"J_{k}"], below=data[f"J_{k + 1}"])
    truth = [data["index_1"], data["index_2"]]
    if _shape(arrays) != _shape(truth):
        k = int(np.array_equal(arrays[0], truth[0]))
        entry = np.argmax(arrays[k] != truth[k]) + 1
        raise WrongAnswer(
            f"Entry {entry} of index_{k + 1}: follow the line up from that node in the picture."
        )
    if length != data["N"]:
        raise WrongAnswer(
            "For the length of index_3: which dots have a colony as their parent, and how many are there?"
        )
    if all(map(np.array_equal, arrays, truth)):
        return "Each array is as long as the level below has nodes, because every node has one parent."
    by_label = stan_data(measurements(), LEVELS, "y", remark=False)[0]  # Thursday before Wednesday
    if all(map(np.array_equal, arrays, (by_label["index_1"], by_label["index_2"]))):
        return "You took the days by the alphabet, as Stan's dictionary will. The tree is the same."
    k = int(np.array_equal(arrays[0], truth[0]))
    entry = np.argmax(arrays[k] != truth[k]) + 1
    raise WrongAnswer(
        f"The shape is right, but not the order: counted from the left, what is above node {entry} of those "
        f"that index_{k + 1} lists?"
    )


def _as_in_the_picture() -> pl.DataFrame:
    """Our cells, with labels that sort as nodes stand from the left, and the batches' own as ``label_``."""
    cells = measurements().with_columns(label_=pl.col(LEVELS[1]))
    paths = [cells.select(pl.concat_str(LEVELS[:k], separator="/")).to_series() for k in (1, 2, 3)]
    return cells.with_columns(
        path.cast(pl.Enum(path.unique(maintain_order=True))).alias(level)
        for path, level in zip(paths, LEVELS, strict=True)
    )


@exercise("01.3")
def more_cells(answer) -> str:
    """Write down how far the mean of n cells of one colony strays from θ."""
    sd = answers.function(answer, "a function sd(n, tau, sigma)")
    designs = [(4, 1.0, 0.5), (400, 1.0, 0.5), (9, 0.3, 2.0)]
    given = np.array([answers.number(sd(*design), "a function that returns a number") for design in designs])
    n, tau, sigma = np.array(designs).T

    def is_near(other):
        return np.allclose(given, other, rtol=0.01)

    variance = 3 * tau**2 + sigma**2 / n
    answers.refuse_mistakes(is_near, _of_cells(n, tau, sigma))
    if not is_near(np.sqrt(variance)):
        raise WrongAnswer(
            "Write down the variance of the colony's mean around θ, and what n cells add to it."
        )
    return "Its square has a part that no number of cells makes smaller. What would?"


def _of_cells(n: np.ndarray, tau: np.ndarray, sigma: np.ndarray) -> list[tuple]:
    """List what is often taken for the standard deviation of a mean of cells, and what is said of it."""
    variance = 3 * tau**2 + sigma**2 / n
    return [
        (variance, "This is the variance: take its square root."),
        (
            sigma / np.sqrt(n),
            "That is how far the mean of n cells strays from its colony. What else strays from θ?",
        ),
        (
            np.sqrt((3 * tau**2 + sigma**2) / n),
            "This divides all of a cell's variance by n, as if each cell had a day of its own.",
        ),
        (
            np.sqrt(3 * tau**2 + sigma**2),
            "This is the standard deviation of a single cell. Which part of it does the mean of n reduce?",
        ),
        (
            np.sqrt(tau**2 + sigma**2 / n),
            "Count the steps from θ down to the colony: each has a variance of τ².",
        ),
        (
            3 * tau + sigma / np.sqrt(n),
            "Standard deviations do not add up. Variances of independent steps do.",
        ),
    ]


@exercise("01.4")
def three_cells(answer) -> str:
    """Program that simulates two colonies of a batch, and another batch of their day."""
    theta, tau, sigma = 12.0, 1.5, 3.0
    options = {"fixed_param": True, "iter_sampling": 2000}
    samples = programs.sample(answer, {"theta": theta, "tau": tau, "sigma": sigma}, **options)
    names = ["y_1", "y_2", "y_3"]
    if missing := [name for name in names if name not in samples["posterior"]]:
        raise WrongAnswer(f"There is no {missing[0]} among the draws: call the three cells y_1, y_2 and y_3.")
    if away := [name for name in names if programs.distance(samples, name, theta) > programs.TOO_FAR]:
        raise WrongAnswer(f"{away[0]} is not centered on theta. Around what is the day drawn?")
    # In units of τ², of which a cell has 3 + 4, as σ² is 4 of them. With 8000 draws the largest standard
    # error is 7 √(2 / 8000) = 0.11; we look for wholes, so a right program is refused once in 50,000 times.
    steps = np.cov([programs.by_chain(samples, name).ravel() for name in names]) / tau**2
    _as_wide_as_three_steps(np.diag(steps))
    (_, second, third), (_, _, other) = steps[0], steps[1]
    if second > 2.5:
        raise WrongAnswer("y_1 and y_2 vary together more than two colonies do. Which node do they share?")
    if second < 1.5:
        raise WrongAnswer("y_1 and y_2 vary together less than two cells of one batch do.")
    if max(third, other) > 1.5:
        raise WrongAnswer("y_3 shares more than the day with another cell. Around what is its colony drawn?")
    if min(third, other) < 0.5:
        raise WrongAnswer("y_3 shares no day with the others. Around what is its batch drawn?")
    return f"Covariances in units of τ²: {second:.1f} in the batch, {third:.1f} and {other:.1f} in the day."


def _as_wide_as_three_steps(variances: np.ndarray) -> None:
    """Refuse cells that do not vary by three steps of τ and one of σ, in units of τ²."""
    for k, variance in enumerate(variances, start=1):
        if variance < 6.5:
            raise WrongAnswer(f"y_{k} varies too little: count the nodes between θ and this cell.")
        if variance > 7.5:
            raise WrongAnswer(
                f"y_{k} varies too much: is one of its steps around the wrong parent, or too wide?"
            )


@exercise("01.5")
def own_tree(answer) -> str:
    """Tree of the reader's own data, with the parents of level 2 by hand."""
    df, levels, index = answers.parts(answer, 3, "a tuple of three: your frame, its levels, and index_1")
    if not isinstance(df, pl.DataFrame):
        raise answers.refuse(df, "your polars frame, its levels, and index_1")
    index = answers.whole(index, "index_1, as the third of three, as a list of whole numbers")
    levels = [levels] if isinstance(levels, str) else levels
    column = "value_"  # of no interest; stan_data wants one
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        data, _ = stan_data(df.with_columns(pl.lit(0.0).alias(column)), levels, column)
    levels = list(levels)
    sizes = [data[f"J_{k}"] for k in range(1, len(levels) + 1)]
    _add_something(levels, sizes, df.height)
    _points_upwards("index_1", index, above=sizes[0], below=sizes[1])
    if np.array_equal(index, data["index_1"]):
        agreed = f"{sizes[0]} groups of {levels[0]!r}, {sizes[1]} of {levels[1]!r}, and stan_data agrees"
        return (
            f"{agreed} with you. But read what it remarks on when you call it."
            if remarks
            else f"{agreed} with you."
        )
    if sorted(np.bincount(index)) == sorted(np.bincount(data["index_1"])):
        return (
            f"A tree of the same shape. stan_data, which sorts labels, has {data['index_1'].tolist()}. "
            "If you took the groups in another order, both are right. Mixed, they give a wrong fit."
        )
    raise WrongAnswer(
        "stan_data finds other parents. Draw the tree: is a label misspelt, or a node counted twice?"
    )


def _add_something(levels: list[str], sizes: list[int], rows: int) -> None:
    """Refuse levels of which one tells nothing."""
    if len(levels) < 2:
        raise WrongAnswer(
            "With one level there is no index_1 for nodes. What could lie in your groups, or around them?"
        )
    for above, name, n in zip([1, *sizes], levels, sizes, strict=False):
        if n == above:
            raise WrongAnswer(
                f"{name!r} adds nothing: each group above it has just one. Add rows, or leave it out."
            )
    if sizes[-1] == rows:
        raise WrongAnswer(
            f"{levels[-1]!r} names every row: no group has two measurements. Is it a level at all?"
        )


def _points_upwards(name: str, index: np.ndarray, above: int, below: int) -> None:
    """Refuse an array that does not hold, for each node of a level, a number of a node above."""
    if len(index) == above != below:
        raise WrongAnswer(f"{name} has one entry for each parent. Turn it round: one entry for each child.")
    if len(index) != below:
        raise WrongAnswer(
            f"{name} has {len(index)} entries. It needs one for each node of the next level down."
        )
    if index.min() == 0:
        raise WrongAnswer(f"{name} counts from 0, as Python does. Stan counts from 1.")
    if set(index.tolist()) != set(range(1, above + 1)):
        raise WrongAnswer(f"{name} should hold the numbers of all nodes of the level above, and no others.")


def _shape(indices: list[np.ndarray]) -> tuple:
    """Write a tree so that two are equal if one is the other with its nodes in another order."""
    nodes = [()] * len(indices[-1])
    for index in reversed(indices):
        children = [[] for _ in range(max(index))]
        for parent, node in zip(index, nodes, strict=True):
            children[parent - 1].append(node)
        nodes = [tuple(sorted(below)) for below in children]
    return tuple(sorted(nodes))
