"""Trees that may be none: `stan_data` says so in a line, once, and goes on; sound tables pass in silence."""

import io
import random
import warnings

import polars as pl
import pytest

import helpers
from helpers.data import stan_data


def told(df, levels, values="y", **options) -> list[str]:
    """What stan_data remarks on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stan_data(df, levels, values, **options)
    assert all(one.category is UserWarning and one.filename == __file__ for one in caught)
    return [str(one.message) for one in caught]


def plates(drugs, times=2) -> pl.DataFrame:
    rows = [(p, d, 1.5 * i) for i, (p, ds) in enumerate(drugs.items()) for d in ds for _ in range(times)]
    return pl.DataFrame(rows, schema=["plate", "drug", "y"], orient="row")


CROSSED = {
    "every drug on every plate": plates(dict.fromkeys("abc", "XYZ")),
    "numbered items for numbered subjects": plates({subject: [1, 2] for subject in (1, 2, 3)}),
    "most drugs on several plates": plates({"a": "XY", "b": "YZ", "c": "XZ"}),
    "subjects with numbers of their own": plates({"a": [308, 309], "b": [308, 310], "c": [309, 310]}),
}
NESTED = {
    "labels of their own": plates({"a": "XY", "b": "ZU"}),
    "numbered within each": plates({"a": [1, 2, 3], "b": [1, 2], "c": [1]}),
    "numbered as text": plates({"a": "123", "b": "12"}),
    "identifiers read as decimal numbers": plates({"a": [1.0, 2.0], "b": [1.0]}),
    "one label that two share": plates({"a": "XY", "b": "XZU"}),
    "a single parent": plates({"a": "XYZ"}),
    "our cells": helpers.measurements().rename({"day": "plate", "batch": "drug"}),
}


@pytest.mark.parametrize("df", CROSSED.values(), ids=CROSSED)
def test_crossed_groups_are_remarked_on_once(df):
    [words] = told(df, ["plate", "drug"])
    assert words.startswith("labels of 'drug' stand under ")
    assert "crosses the levels above: give it as crossed='drug' (lesson 8); a nested model" in words
    assert told(df, "plate", crossed="drug") == []
    assert told(df, ["plate", "drug"], remark=False) == []


@pytest.mark.parametrize("df", NESTED.values(), ids=NESTED)
def test_nested_groups_pass_in_silence(df):
    assert told(df, ["plate", "drug"]) == []


def test_levels_in_the_wrong_order_are_remarked_on():
    df = pl.DataFrame({"class": ["an", "bn", "as", "bs"], "school": ["n", "n", "s", "s"], "y": range(4)})
    [remark] = told(df, ["class", "school"])
    words = "level 2 ('school') has as many groups as level 1 ('class'), 4: if it is the outer level, name"
    assert remark.startswith(words)
    assert told(df, ["school", "class"]) == []


def test_a_level_that_only_relabels_is_remarked_on():
    df = pl.DataFrame({"site": [*"nnss"], "plot": [*"abab"], "code": ["na", "nb", "sa", "sb"], "y": range(4)})
    _, remark = told(df, ["site", "plot", "code"])  # the first is that of plots a and b in both sites
    words = "level 3 ('code') has as many groups as level 2 ('plot'), 4: if it names the same groups again"
    assert remark.startswith(words)
    assert told(df, ["site", "code"]) == []
    [remark] = told(plates(dict.fromkeys("abc", "X")), ["plate", "drug"])
    assert remark.startswith("level 2 ('drug') has as many groups as level 1 ('plate'), 3: if it names")


@pytest.mark.parametrize("label", ["NA", "N/A", "#N/A", "n/a", "NaN", "null", "None", "", " ", "?", "."])
def test_a_label_that_means_a_missing_one_is_remarked_on(label):
    df = pl.DataFrame({"site": ["north", "south", label, label], "y": [1.0, 2.0, 3.0, 4.0]})
    for dtype in (pl.String, pl.Categorical):
        [remark] = told(df.cast({"site": dtype}), "site")
        assert f"column 'site' has {label!r} in row 2, which makes a group of that name" in remark


@pytest.mark.parametrize("other", ["north ", " north", "North", "NORTH", "north\t"])
def test_labels_that_look_alike_are_remarked_on(other):
    [remark] = told(pl.DataFrame({"site": ["north", other, "south"], "y": [1.0, 2.0, 3.0]}), "site")
    assert all(word in remark for word in (repr(other), "'north'", "differ only in spaces or case"))


def test_levels_below_misspelt_labels_are_not_remarked_on():
    """Four sites for two make as many plots as sites, and the advice to swap them would be wrong."""
    df = pl.DataFrame({"site": ["North", "north", "NORTH ", "south"], "plot": [*"abab"], "y": [1.0, 2, 3, 4]})
    [remark] = told(df, ["site", "plot"])
    assert "'NORTH ', 'North' and 'north': they differ only in spaces or case" in remark
    assert len(told(df, ["plot", "site"])) == 1


def test_labels_that_only_resemble_a_missing_one_pass():
    df = pl.DataFrame({"site": ["na", "Nan", "north west", "north  east", "-1"], "y": [1.0, 2, 3, 4, 5]})
    assert told(df, "site") == []


def by_loops(rows) -> tuple[bool, bool]:
    """Whether two levels look crossed, and whether there are as many groups at both."""
    under, parents = {}, {}
    for plate, drug, _ in rows:
        under.setdefault(drug, set()).add(plate)
        parents.setdefault(plate, set()).add(drug)
    if len(parents) == 1:
        return False, False
    as_many = all(len(drugs) == 1 for drugs in parents.values())
    everywhere = len(under) > 1 and all(len(plates) == len(parents) for plates in under.values())
    numbered = all(drugs == set(range(1, len(drugs) + 1)) for drugs in parents.values())
    shared = sum(len(plates) > 1 for plates in under.values())
    return not as_many and (everywhere or (2 * shared > len(under) and not numbered)), as_many


def test_random_tables_are_remarked_on_as_loops_say():
    rng, seen = random.Random(20261125), set()
    for _ in range(400):
        most, first = rng.choice([(2, 1), (4, 1), (9, 1), (3, 0)])
        rows = [
            (rng.randrange(rng.choice([2, 5])), rng.randrange(first, first + most), 1.0)
            for _ in range(rng.randint(2, 12))
        ]
        remarks = told(pl.DataFrame(rows, schema=["plate", "drug", "y"], orient="row"), ["plate", "drug"])
        crossed, as_many = by_loops(rows)
        expected = [(crossed, as_many)] if crossed or as_many else []
        assert [("stand under" in one, "as many" in one) for one in remarks] == expected, rows
        seen.add((crossed, as_many))
    assert seen == {(False, False), (True, False), (False, True)}


# --- the line at the end of a message is to be pasted, and does what it says ----------------------------


def pasted(message: str, df: pl.DataFrame) -> pl.DataFrame:
    """What the line at the end of a message makes of a frame."""
    scope = {"df": df, "pl": pl}
    exec("df = " + message.partition("df = ")[2], scope)
    return scope["df"]


def refusal(df, levels="g") -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011, what is said is looked at by those who ask
        stan_data(df, levels, "y")
    return str(caught.value)


def test_the_remedies_for_spaces_after_commas_work_when_pasted():
    df = pl.read_csv(io.StringIO("site, plot, y\nnorth, a, 11.5\nnorth, b, 9.25\nsouth, c, 10\n"))
    for message in [
        "no column 'plot', only with spaces around: ",
        "column 'y' is ' 11.5' in row 0: ",
    ]:
        said = refusal(df, ["site", "plot"])
        assert said.startswith(message)
        df = pasted(said, df)
    assert stan_data(df, ["site", "plot"], "y")[0]["y"].tolist() == [11.5, 9.25, 10]


def test_the_remedies_for_missing_numbers_work_one_by_one():
    text = "site,plot,y\nnorth,a,11.5\nnorth,a,NA\nNA,b,10\nsouth,c,12\nsouth,c,\n"
    said = refusal(pl.read_csv(io.StringIO(text)), ["site", "plot"])
    assert "'y' is 'NA' in row 1: read the table with null_values='NA'" in said
    df = pl.read_csv(io.StringIO(text), null_values="NA")
    assert "'site' is null in row 2" in refusal(df, ["site", "plot"])
    df = df.with_columns(pl.col("site").fill_null("unknown"))
    said = refusal(df, ["site", "plot"])
    assert "'y' is null in row 1: drop such rows with " in said
    assert stan_data(pasted(said, df), ["site", "plot"], "y")[0]["N"] == 3


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["11,5", "-9,25", "10"], [11.5, -9.25, 10]),
        (["1,234.5", "998", "-1,000,000"], [1234.5, 998, -1e6]),
        (["12", "1,000,000", "2,000"], [12, 1e6, 2000]),
        ([" 3.81%", " 4 %", "5 "], [3.81, 4, 5]),
        (["4,930", " 11,5"], [4.93, 11.5]),  # the whole column says what a comma is
    ],
)
def test_numbers_in_another_notation_are_read_by_the_pasted_line(texts, numbers):
    df = pl.DataFrame({"g": [*"abc"][: len(texts)], "y": texts})
    said = refusal(df)
    assert ": make numbers of the text, " in said
    assert stan_data(pasted(said, df), "g", "y")[0]["y"].tolist() == numbers


def test_numbers_written_in_several_ways_get_no_line_to_paste():
    # one decimal, or a thousand and more; 115, were commas left out; and two that cannot both be meant
    for texts in (["2,5", "1.234"], ["1,234.5", "11,5"], ["4,930", "11,5", "x"], ["3%", "2,5"]):
        said = refusal(pl.DataFrame({"g": [*"abc"][: len(texts)], "y": texts}))
        assert "correct the text, then cast the column" in said


def test_a_comma_with_three_digits_after_it_is_asked_about():
    df = pl.DataFrame({"g": ["a", "b"], "y": ["4,930", "5,100"]})
    said = refusal(df)
    assert "'4,930' in row 0: if the comma is a decimal one, " in said
    for line, first in zip(said.split("; if it marks thousands, "), [4.93, 4930], strict=True):
        assert stan_data(pasted(line, df), "g", "y")[0]["y"][0] == first


def test_the_remedies_for_labels_work_when_pasted():
    df = pl.DataFrame({"site": ["North", "north ", "NA", None, "south"], "y": [1.0, 2, 3, 4, 5]})
    said = refusal(df, "site")
    assert "column 'site' is null in row 3: name its group, or drop" in said
    missing, alike = told(pasted(said, df), "site")
    for remark in (missing, alike):
        df = pasted(remark.removesuffix(" (remark=False, if it is as you mean it)"), df)
    _, labelled = stan_data(df.drop_nulls(), "site", "y")
    assert labelled["site"].to_list() == ["north", "north", "south"]
    df = pl.DataFrame({"g": [1.0, float("nan"), 2.0], "y": ["1", "2", None]})
    for _ in range(3):  # a label, a number that is missing, and text
        df = pasted(refusal(df), df)
    assert stan_data(df, "g", "y")[0]["y"].tolist() == [1]
    assert told(pl.DataFrame({"g": ["NaN", "x"], "y": [1.0, 2.0]}), "g"), (
        "the text NaN as a label is no number"
    )
