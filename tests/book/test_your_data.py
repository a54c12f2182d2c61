"""What the page "Your data" makes of a table is what Python makes of it, in numbers and in remarks."""

import io
import random
import re
import warnings

import numpy as np
import polars as pl
import pytest
from reading import case, in_page

import helpers


def in_python(case: dict, told: dict) -> tuple[dict, list[str]]:
    """Tell what Python makes of the table that the page hands over: data, and remarks."""
    schema = {name: getattr(pl, kind) for name, kind in told["schema"]}
    df = pl.read_csv(io.StringIO(told["csv"]), schema=schema)
    *levels, value = df.columns
    options = case["options"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data, _ = helpers.stan_data(df.rename({value: "y"}), levels, "y")
    flat = helpers.tree_data(
        data, prior=options["prior"], shared_tau=options["sharedTau"], weight=options["weight"],
        write_nodes=options["writeNodes"],
    )  # fmt: skip
    return flat, [str(one.message) for one in caught if one.category is UserWarning]


WORDS = {
    "missing": "column {column} has {0} in row ",
    "alike": "column {column} has {all}",
    "order": r"level \d+ \({column}\) has as many groups as level .* if it is the outer level",
    "again": r"level \d+ \({column}\) has as many groups as level .* if it names the same groups again",
    "crossed": "labels of {column} stand under .* if {0} is the same thing",
}


def in_words_of_python(remark: dict, schema: dict) -> str:
    """Say in a regular expression what Python has to say where the page makes a remark."""
    make = {"String": str, "Int64": int, "Float64": float}[schema[remark["column"]]]
    labels = [re.escape(repr(make(label))) for label in remark["labels"]]
    listed = " and ".join(filter(None, [", ".join(labels[:-1]), *labels[-1:]]))
    return WORDS[remark["rule"]].format(*labels, all=listed, column=re.escape(repr(remark["column"])))


def agree(case: dict, told: dict):
    """Hold what the page tells of a table against Python."""
    if "data" not in told:
        assert "equal within every group" in told["problem"], case
        with pytest.raises(ValueError, match="equal within every group"):
            in_python(case, told)
        return
    expected, said = in_python(case, told)
    wanted = [in_words_of_python(one, dict(told["schema"])) for one in told["remarks"][: told["told"]]]
    assert len(said) == len(wanted), (said, wanted, case)
    for words, pattern in zip(said, wanted, strict=True):
        assert re.match(pattern, words), (words, pattern, case)
    assert list(told["data"]) == list(expected)
    scale = max(abs(expected["y_mean"])) + np.sqrt(max(expected["y_squares"]))
    for item, value in expected.items():
        close = {"rtol": 1e-12, "atol": (1e-14 * scale) ** (2 if item == "y_squares" else 1)}
        np.testing.assert_allclose(told["data"][item], value, **close, err_msg=f"{item} of {case}")


ONE, TWO = {"levels": ["g"], "value": "y"}, {"levels": ["a", "b"], "value": "y"}
MILLIONS = "g,y\n" + "".join(f"{i % 7},{1e6 + 0.1 * (i * i % 11)}\n" for i in range(50))
SOUND = {
    "fractions": case("g,y\n0.5,1\n-0.0,2\n0.0,3\n1.50,4\n", **ONE),
    "text by character": case("g,y\nB,1\na,2\né,3\n\uffee,4\n\U0001f600,5\nab,6\na,7\n", **ONE),
    "large whole numbers": case("g,y\n9007199254740993,1\n9007199254740992,2\n-5,3\n", **ONE),
    "quotes": case('"g ""1""",y\n"a ""b"", c",1\n"a\nb",2\n"",3\n', levels=["g ”1”"], value="y"),
    "far from zero": case(MILLIONS, **ONE),
    "a τ for each": case("a,b,y\n2,x,5\n1,x,3\n1,y,4\n", **TWO, sharedTau=False, weight=0.5, writeNodes=True),
    "missing labels": case("g,y\nNA,1\n,2\nb,3\n#N/A,4\nna,5\n", **ONE),
    "alike, and no tree": case("a,b,y\nNorth,x,1\nnorth,y,2\nNORTH,x,3\nsouth,y,4\n", **TWO),
    "crossed, not everywhere": case("a,b,y\np,X,1\np,Y,2\nq,Y,3\nq,Z,4\nr,X,5\nr,Z,6\n", **TWO),
    "numbered within each": case("a,b,y\np,1,1\np,2,2\np,3,2\nq,1,3\nq,2,4\n", **TWO),
    "the wrong order": case("a,b,y\nan,n,1\nbn,n,2\nas,s,4\nbs,s,5\nbs,s,6\n", **TWO),
    "the same again": case("a,b,y\nn,x,1\ns,z,2\ns,z,3\n", **TWO),
}


def test_a_table_becomes_the_dictionary_of_python():
    for (name, asked), told in zip(SOUND.items(), in_page(*SOUND.values()), strict=True):
        assert "csv" in told, (name, told)
        agree(asked, told)


LABELS = [
    lambda rng: str(rng.randint(-3, 12)),
    lambda rng: rng.choice(["a", "B", "b", "ab", "Zoë", "x y", '"p, q"', '"say ""x"""', "\U0001f600", " a "]),
    lambda rng: rng.choice(["1.5", "2.0", ".25", "1e3", "2"]),
    lambda rng: rng.choice(["true", "False", "NA", "-"]),
    lambda rng: str(2**53 + rng.randint(0, 3)),
]
ODD = ["", " 1", "NaN", "inf", "x", "1e5", "+1", "+1.5", "null", '""', '"3"', "007", "-", "1_0", "<2", "5%"]


def some_csv(rng: random.Random) -> dict:
    """Make a table of levels and values that are mostly fine, in one of the ways people write them."""
    levels = [f"level {k}" for k in range(rng.randint(1, 4))]
    make = [rng.choice(LABELS) for _ in levels]
    digits, offset = rng.choice([0, 2, 2, 2]), rng.choice([0, 10, -1e4])
    rows = []
    for _ in range(rng.randint(1, 40)):
        fields = [label(rng) for label in make] + [f"{offset + rng.gauss(0, 2):.{digits}f}"]
        if rng.random() < 0.01:
            fields[rng.randrange(len(fields))] = rng.choice(ODD)
        rows.append(fields)
    header = [*levels, rng.choice(["y"] * 3 + ["case", "y.1", "J_1", "Größe"])]
    separator, end = rng.choice([",", ",", ";", "\t"]), rng.choice(["\n", "\r\n"])
    text = end.join(separator.join(row) for row in [header, *rows]) + rng.choice([end, ""])
    answers = {f"missing:{header[-1]}": "yes"} if rng.random() < 0.5 else {}
    options = {"sharedTau": rng.random() < 0.5, "weight": rng.choice([0, 0.25, 1])}
    return case(text, levels, header[-1], answers, **options)


def test_random_tables_become_what_python_makes_of_them():
    rng = random.Random(20261123)
    cases = [some_csv(rng) for _ in range(600)]
    results = in_page(*cases)
    for asked, told in zip(cases, results, strict=True):
        if "csv" in told:
            agree(asked, told)
        else:
            assert told.get("problem") or told["asks"], asked
    assert sum("data" in told for told in results) > 400
    seen = {one["rule"] for told in results for one in told.get("remarks", [])}
    assert seen >= set(WORDS) | {"two", "numbers"}


PYTHON = re.compile(r"\b(df|pl|polars|numpy|None|null|nan|column '|frame|levels is|shared_tau)\b|\[\]")


def test_no_sentence_of_the_page_speaks_python():
    tables = [one["text"] for one in SOUND.values()]
    tables += ["g,y\na,x\nb,1\n", "g,y\n,1\nb,\n", "", "g,y\na\n", 'g,y\na,"1,234"\n', "a,b\n1.5,2.5\n1,2\n"]
    choices = [(levels, value) for levels in (None, [], ["g"]) for value in (None, "y")]
    cases = [case(text, *chosen) for text in tables for chosen in choices if "g" in text or not chosen[0]]
    for told in in_page(*cases):
        said = [one["text"] for key in ("did", "asks", "remarks") for one in told.get(key) or []]
        said.append(told.get("problem") or "")
        assert not [sentence for sentence in said if PYTHON.search(re.sub("“.*?”", "", sentence))]
