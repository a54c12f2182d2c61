"""The page "Your data" reads tables as people have them, says what it did, and asks what is not clear."""

import re

import pytest
from reading import case, in_page, read

ROWS = "north,a,11.5\nnorth,a,9.25\nnorth,b,10\nsouth,a,8.5\nsouth,b,12\nsouth,b,7.75\n"
PLAIN = f"site,plot,y\n{ROWS}"


def expect(cases: dict, **common):
    """Hold what the page makes of `cases`, {name: (case, what is wanted)}, against that, and what all share.

    What is wanted to be said, asked or called a problem is a part of it; "" is nothing at all.
    """
    results = in_page(*(one for one, _ in cases.values()))
    for told, (name, (_, wanted)) in zip(results, cases.items(), strict=True):
        told["ask"] = told["asks"][0]["text"] if told["asks"] else ""
        for key, value in (common | wanted).items():
            found = told.get(key)
            part = key in ("said", "ask", "problem") and value
            assert value in found if part else found == value, (name, key, told)
            assert key != "problem" or found.endswith("."), (name, found)


# --- thousands and decimals -------------------------------------------------------------------------------

UNCLEAR = {
    "thousands in quotes": 'site,y\nn,"4,930"\nn,"5,120"\ns,"12,004"\n',
    "some below a thousand": 'site,y\nn,"4,930"\nn,998\ns,"5,120"\n',
    "beside decimal points": 'site,y\nn,"4,930"\nn,998.2\ns,"5,120"\n',
    "semicolons": "site;y\nn;4,930\nn;5,120\ns;6,001\n",
    "tabs": "site\ty\nn\t4,930\nn\t5,120\ns\t6,001\n",
    "below zero": 'site,y\nn,"-4,930"\nn,"-5,120"\ns,"6,001"\n',
    "decimal commas in another column": "site;x;y\nn;1,5;4,930\nn;2,5;5,120\ns;1,25;6,001\n",
    "decimal points in another column": 'site,x,y\nn,1.5,"4,930"\nn,2.5,"5,120"\ns,1.25,"6,001"\n',
    "missing numbers": 'site,y\nn,"4,930"\nn,NA\ns,"6,001"\n',
    "percentages": 'site,y\nn,"4,930%"\ns,"6,001%"\n',
    "points with semicolons": "site;y\nn;4.930\nn;5.120\ns;6.001\n",
    "points beside decimal commas": "site;y\nn;4.930\nn;11,5\ns;6.001\n",
    "points where others have decimal commas": "site\tx\ty\nn\t1,5\t4.930\nn\t2,5\t5.120\ns\t1,2\t6.001\n",
}


@pytest.mark.parametrize("text", UNCLEAR.values(), ids=UNCLEAR)
def test_thousands_or_decimals_are_asked_and_the_answer_is_read(text):
    answers = [{}] + [{"marks:y": answer, "missing:y": "yes"} for answer in ("thousands", "decimals")]
    open_, *told = in_page(*(case(text, ["site"], "y", given) for given in answers))
    assert open_["asked"][-1] == "marks:y"
    assert "data" not in open_
    assert [choice for choice, _ in open_["asks"][-1]["options"]] == ["thousands", "decimals"]
    assert [abs(float(one["csv"].split("\n")[1].split(",")[1])) for one in told] == [4930, 4.93]
    assert "are read as" in told[0]["said"]


ONE_READING = {
    "1,234.5": (["1,234.5", "998.2", "4,930"], [1234.5, 998.2, 4930], "marks of thousands"),
    "1,234,567": (["1,234,567", "4,930"], [1234567, 4930], "marks of thousands"),
    "11,5": (["11,5", "9,25", "10"], [11.5, 9.25, 10], "decimal commas"),
    "11,5 decides": (["11,5", "4,930"], [11.5, 4.93], "decimal commas"),
    "0,123 cannot be thousands": (["0,123", "4,930"], [0.123, 4.93], "decimal commas"),
    "12345,678": (["12345,678", "4,930"], [12345.678, 4.93], "decimal commas"),
    "German": (["1.234,5", "12.345,25", "3"], [1234.5, 12345.25, 3], "marks of thousands"),
    "spaces": (["1 234,5", "2 500", "3,25"], [1234.5, 2500, 3.25], "Spaces and apostrophes inside"),
    "no-break spaces": (["1\u00a0234.5", "12\u202f000.1"], [1234.5, 12000.1], "Spaces and apostrophes"),
    "Swiss": (["1'234.5", "1’000’000.25"], [1234.5, 1000000.25], "Spaces and apostrophes"),
    "percent": (["3.81%", "6 %"], [3.81, 6], "% signs"),
    "minus signs": (["\u22121.5", "-2", "+3"], [-1.5, -2, 3], ""),
    "powers": (["1.5e-3", "2E2", ".5", "5."], [0.0015, 200, 0.5, 5], ""),
    "points without a hint of commas": (["1.234", "2.345"], [1.234, 2.345], ""),
}


def test_numbers_with_one_reading_are_read_and_it_is_said():
    cases = {}
    for name, (fields, numbers, words) in ONE_READING.items():
        text = "site,y\n" + "".join(f'a,"{field}"\n' for field in fields)
        csv = "site,y\n" + "".join(f"a,{number}\n" for number in numbers)
        cases[name] = (case(text, ["site"], "y"), {"csv": csv, "said": words})
    expect(cases, asked=[])


# --- what is around a table -------------------------------------------------------------------------------

AROUND = {
    "a spreadsheet's empty columns": (PLAIN.replace("\n", ",,\r\n"), "Left out: 2 empty columns."),
    "an empty column within": (re.sub("(?m)^([a-z]+),", r"\1,,", PLAIN), "Left out: 1 empty column."),
    "a spreadsheet's empty rows": (PLAIN + ",,\n" * 3, "Left out: 3 empty rows."),
    "empty rows within": (PLAIN.replace("south,a", ",,\n\nsouth,a"), "Left out: 2 empty rows."),
    "comments": (f"# counted by hand, 20x\n# y in a.u.\n{PLAIN}", "2 lines that begin with # (1, 2)"),
    "a comment with quotes": (f'# the "new, old" ones\n{PLAIN}', "1 line that begins with # (1)"),
    "a comment at the end": (f"{PLAIN}# done\n", "1 line that begins with # (8)"),
    "names in a comment": (f"# site,plot,y\n{ROWS}", "The names are those of line 1, without its #."),
    "spaces after commas": (PLAIN.replace(",", ", "), "Spaces around names, labels and numbers"),
    "spaces around quotes": (PLAIN.replace("north,", '"north" , '), "Spaces around"),
    "tabs": (PLAIN.replace(",", "\t"), ""),
    "bars": (PLAIN.replace(",", "|"), ""),
    "semicolons, announced": (f"sep=;\n{PLAIN.replace(',', ';')}", ""),
    "semicolons and decimal commas": (PLAIN.replace(",", ";").replace(".", ","), "decimal commas"),
    "spaces": (PLAIN.replace(",", "  "), ""),
    "old line ends": (PLAIN.replace("\n", "\r"), ""),
    "a byte order mark": (f"\ufeff{PLAIN}", ""),
}


def test_what_is_around_a_table_changes_nothing_and_is_said():
    plain = read(PLAIN)
    cases = {name: (case(text), {"said": words}) for name, (text, words) in AROUND.items()}
    expect(cases, csv=plain["csv"], data=plain["data"])


NAMED = "".join(
    f'"{i}" "{site}" "{plot}" {y}\n'
    for i, (site, plot, y) in enumerate((row.split(",") for row in ROWS.split()), start=1)
)
INDEXED = {
    "R's write.table": f'"site" "plot" "y"\n{NAMED}',
    "the same without quotes": f'"site" "plot" "y"\n{NAMED}'.replace('"', ""),
    "the same with tabs": f'"site" "plot" "y"\n{NAMED}'.replace(" ", "\t"),
    "the same with commas": f'"site" "plot" "y"\n{NAMED}'.replace(" ", ","),
    "R's write.csv": f'"" "site" "plot" "y"\n{NAMED}'.replace(" ", ","),
    "an unnamed index": ",site,plot,y\n" + "".join(f"{i},{r}\n" for i, r in enumerate(ROWS.split())),
    "an index of pandas": "Unnamed: 0,site,plot,y\n" + "".join(f"7,{r}\n" for r in ROWS.split()),
    "a running number": "nr,site,plot,y\n" + "".join(f"{3 * i},{r}\n" for i, r in enumerate(ROWS.split())),
}


def test_row_names_and_running_numbers_are_no_levels():
    named = {"an index of pandas", "a running number"}
    said = {name: "" if name in named else "“first column”" for name in INDEXED}
    cases = {name: (case(text), {"said": said[name]}) for name, text in INDEXED.items()}
    expect(cases, guess={"value": "y", "levels": ["site", "plot"]}, csv=read(PLAIN)["csv"])


def test_a_note_beside_the_table_is_no_level():
    told = read("site,y,,\nn,1.5,,checked by Bob\nn,2,,\ns,3,,looks odd\ns,4,,looks odd\n")
    assert told["guess"] == {"value": "y", "levels": ["site"]}
    assert "Without a name, and called here: “column 4”." in told["said"]


@pytest.mark.parametrize(
    "title", ["Experiment 3,,\n", "Experiment 3,,\n3 May,,\n", "Plate 5\n\n", "Exp,3,\n"]
)
def test_a_title_is_left_out_with_one_answer(title):
    [ask] = read(title + PLAIN)["asks"]
    line = ask["options"][0][0]
    assert f"line {line} does: site, plot, y" in ask["text"]
    again, plain = in_page(case(title + PLAIN, answers={"names": line}), case(PLAIN))
    assert again["csv"] == plain["csv"]
    assert "above the names" in again["said"]
    assert "names" in [one.get("undo") for one in again["did"]]


def test_a_table_without_names_is_asked_about_and_read():
    text = "monday,1,11.4\nmonday,2,11.5\ntuesday,1,9.5\n"
    years = case("id,2001,2002\nx,1.5,2\ny,2,3\n", answers={"names": "1"})
    asked, told, years = in_page(case(text), case(text, answers={"names": "none"}), years)
    assert asked["asked"] == ["names"]
    assert told["names"] == ["column 1", "column 2", "column 3"]
    assert told["data"]["n"] == [1, 1, 1]
    assert years["asked"] == ["long"]


BROKEN = {
    "": "There is no table",
    "\ufeff\n\n": "There is no table",
    "# nothing\n": "There is no table",
    "a,b\n1,2\n3\n": "Line 3 has 1 field, and the names are 2",
    "\n\na,b\n1,2\n3,4,5\n": "Line 5 has 3 fields, and the names are 2: correct the commas (a number",
    "a,b\nn,4,930\ns,3,120\n": "Line 2 has 3 fields, and the names are 2: correct the commas (a",
    "a;b\n1;2\n1;2;3\n": "correct the semicolons.",
    'a,b\n"x\ny",1\nz\n': "Line 4 has 1 field",
    'a,b\nx,1\n"y,2\n': "The quote that opens in line 3 is never closed",
    'a,b\n"x"y,2\n': "Line 2 goes on after a closing quote",
    "a,b,a\n1,2,3\n": "Two columns are named “a”",
    "a\n1\n2\n": "There is one column only",
    "a,b\n": "There are no rows",
    "PK\u0003\u0004\u0014\0\u0006": "save it as CSV",
    "a\0,\0b\n": "save it as CSV",
    "a,b\n" * 2_600_000: "10 MB, and this page reads up to 10",
}


def test_broken_text_gets_a_sentence_that_says_where():
    expect({text[:40]: (case(text, ["a"], "b"), {"problem": words}) for text, words in BROKEN.items()})


# --- cells that are no numbers, and labels ----------------------------------------------------------------

NO_NUMBERS = ["NA", "", "NaN", "nan", "null", "#N/A", "n/a", ".", "-", "?", "None", "#VALUE!", "#DIV/0!"]


def test_rows_without_a_number_are_left_out_with_one_answer():
    texts = [PLAIN.replace("9.25", word).replace("12", word) for word in NO_NUMBERS]
    words = "Leave out 2 rows without a number? In “y” lines 3, 6 have"
    expect({text: (case(text), {}) for text in texts}, asked=["missing:y"], ask=words)
    rest = "site,plot,y\nnorth,a,11.5\nnorth,b,10\nsouth,a,8.5\nsouth,b,7.75\n"
    words = "Left out: 2 rows without a number in “y” (lines 3, 6)."
    expect({text: (case(text, answers={"missing:y": "yes"}), {}) for text in texts}, said=words, csv=rest)


def test_a_limit_is_named_and_its_row_is_not_offered_to_go():
    words = "“{}” in “y” (in line 3, the 2nd row below the names) is no number"
    cells = ["<0.5", "> 20", "≤3", "BDL", "<LOD"]
    cases = {cell: (case(PLAIN.replace("9.25", cell)), {"problem": words.format(cell)}) for cell in cells}
    expect(cases, asks=[], data=None)


def test_a_cell_that_is_no_number_is_named_where_it_stands():
    words = "“{}” in “y” (in line 3, the 2nd row below the names) is no number"
    cells = ["4.2 mm", "about 5", "x", "inf", "1e999", "1,2,3", "12-5"]
    texts = {cell: PLAIN.replace("9.25", f'"{cell}"') for cell in cells}
    expect({cell: (case(text), {"ask": words.format(cell)}) for cell, text in texts.items()})
    said = "Left out: 1 row whose “y” is no number (line 3)"
    expect({cell: (case(text, answers={"text:y": "yes"}), {}) for cell, text in texts.items()}, said=said)
    both = PLAIN.replace("9.25", "x").replace("12", "NA")
    assert read(both, answers={"text:y": "yes"})["asked"] == ["missing:y"]
    told = read("# by hand\n\nsite,y\n\nn,1.5\n\nn,x\ns,3.5\n")
    assert "“x” in “y” (in line 7, the 2nd row below the names)" in told["asks"][0]["text"]


def test_numbers_that_identify_are_labels():
    told = read("school,cls,y\n1.0,1.0,3.5\n1.0,2.0,4.5\n2.0,1.0,2.5\n2.0,1.0,6\n")
    assert told["guess"] == {"value": "y", "levels": ["school", "cls"]}
    assert told["csv"].startswith("school,cls,y\n1,1,3.5\n1,2,4.5\n")
    assert "In “school”, 1.0 is the label 1." in told["said"]
    told = read("g,y\n007,1.5\n7,2.5\n7,3.5\n")
    assert dict(told["schema"]) == {"g": "String", "y": "Float64"}
    assert "007,1.5" in told["csv"]


def test_labels_with_spaces_around_are_one_and_it_is_said():
    told = read("site,y\nnorth,11.5\nnorth ,9.25\nNorth,10\nsouth,8.5\n")
    assert "“north” and “north ” are taken for one" in told["said"]
    assert [(one["rule"], one["labels"]) for one in told["remarks"]] == [("alike", ["North", "north"])]


def test_rows_without_a_label_are_remarked_on_and_left_out():
    text = PLAIN.replace("north,b", "NA,b")
    [one, *_] = [r for r in read(text)["remarks"] if r["rule"] == "missing"]
    assert (one["column"], one["labels"]) == ("site", ["NA"])
    told = read(text, answers={one["fix"]["answer"]: "yes"})
    assert "Left out: 1 row without a label in “site” (line 4)." in told["said"]
    assert not [r for r in told["remarks"] if r["rule"] == "missing"]


# --- what is guessed, and what is not ---------------------------------------------------------------------

NOT_CLEAR = {
    "whole numbers only": "weight,Time,Chick,Diet\n42,0,1,1\n51,2,1,1\n40,0,2,1\n49,2,2,1\n41,0,3,2\n",
    "a count to the right of a covariate": "plate,temp,count\na,20.5,3\na,21,4\nb,19.5,2\nb,20,5\n",
    "a limit beside another measured column": "site,ph,y\nn,7.5,1.5\nn,7.1,<0.5\ns,7,2\n",
    "thousands beside another measured column": 'site,ph,y\nn,7.5,"4,930"\nn,7.1,"5,120"\ns,7,"6,001"\n',
    "whole numbers that hardly repeat": "site,steps,x\nn,4930,1.5\nn,5121,1.5\ns,4871,2\ns,6001,2.5\n",
}
CLEAR = {
    "one with decimals": (PLAIN, "y", ["site", "plot"]),
    "whole numbers beside text": ("site,plot,y\nn,a,3\nn,b,5\ns,a,4\ns,b,4\n", "y", ["site", "plot"]),
    "labels that are numbers": ("day,batch,y\n1,1,9.5\n1,1,8.5\n1,2,9\n2,1,8\n", "y", ["day", "batch"]),
    "a limit among them": ("site,y\nn,1.5\nn,<0.5\ns,2\n", "y", ["site"]),
    "thousands": (UNCLEAR["thousands in quotes"], "y", ["site"]),
    "a name that Stan refuses": (PLAIN.replace(",y\n", ",µm/min\n", 1), "µm/min", ["site", "plot"]),
}


def test_columns_are_guessed_where_they_are_clear_and_only_there():
    unclear = {name: (case(text), {}) for name, text in NOT_CLEAR.items()}
    none = {"value": None, "levels": []}
    expect(unclear, guess=none, problem="Which column is measured?", data=None)
    wanted = {
        name: {"guess": {"value": value, "levels": levels}} for name, (_, value, levels) in CLEAR.items()
    }
    expect({name: (case(CLEAR[name][0]), guess) for name, guess in wanted.items()})


WIDE = {
    "times": ("id,site,t1,t2,t3\n1,n,4.5,5.5,6\n2,n,5,6.5,7\n3,s,4,5,6.5\n4,s,3.5,4.5,5\n", "looks wide"),
    "hours": ("id,0h,6h\na,1.5,2.5\nb,2,3\n", "looks wide"),
    "whole numbers": ("id,w1,w2,w3\na,4,7,6\nb,9,2,8\nc,5,5,1\n", "looks wide"),
    "one with decimals": ("id,w1,w2\na,4.5,7\nb,9,2\nc,5,5\n", "looks wide"),
    "conditions": ("plot,before,after\na,1.5,2.5\na,2.5,3\nb,2,2\n", "Several columns may be measured"),
}


@pytest.mark.parametrize("name", WIDE)
def test_a_wide_table_is_noticed_and_made_long(name):
    text, words = WIDE[name]
    asked, told = in_page(case(text), case(text, answers={"long": "yes"}))
    assert asked["guess"]["value"] is None
    [ask] = asked["asks"]
    assert ask["id"] == "long"
    assert words in ask["text"]
    assert "data" not in asked
    assert told["names"][-2:] == ["column", "value"]
    assert "Made long: “value” has the numbers of" in told["said"]
    rows, columns = len(text.split()) - 1, ask["text"].count("“")
    assert sum(told["data"]["n"]) == rows * columns
    assert "column" not in told["guess"]["levels"]


def test_numbers_of_a_long_table_are_asked_about_together():
    told = read('id,t1,t2\na,"4,930","5,120"\nb,"3,001",998\n', answers={"long": "yes"})
    assert told["asked"] == ["marks:value"]


NUMBERS = {
    "a count": [3, 0, 2, 7],
    "a yes or no": [1, 0, 0, 1],
    "a share of a whole": [0.5, 0.25, 1, 0],
    "a share of a whole ": ["3.5%", "60%", "7%", "8%"],
    "": [11.5, 2.5, 4, 3],
    " ": [-3, 2, 4, 3],
}


def test_counts_and_shares_are_remarked_on_and_other_numbers_are_not():
    rows = [zip("abca", fields, strict=True) for fields in NUMBERS.values()]
    texts = ["g,y\n" + "".join(f"{g},{y}\n" for g, y in some) for some in rows]
    for kind, told in zip(NUMBERS, in_page(*(case(text, value="y") for text in texts)), strict=True):
        said = [one["text"] for one in told["remarks"] if one["rule"] == "numbers"]
        assert len(said) == bool(kind.strip()), kind
        assert all(f"If each is {kind.strip()}, this model is not for them" in text for text in said), said


def test_an_outermost_level_of_two_labels_is_remarked_on():
    told = read("treatment,mouse,y\ndrug,a,1.5\ndrug,b,2\nplacebo,c,3\nplacebo,d,3.5\nplacebo,d,4\n")
    [one] = told["remarks"]
    assert (one["rule"], one["column"], one["labels"]) == ("two", "treatment", ["drug", "placebo"])


CHOICES = [([], "y", "Choose the column that has the labels"), (["y"], "y", "“y” is chosen twice")]
CHOICES += [(["g", "g"], "y", "“g” is chosen twice"), (["g"], "h", "“h” has no number")]


def test_a_choice_that_cannot_be_gets_a_sentence():
    text = "g,h,y\na,,1.5\nb,NA,2.5\n"
    expect({words: (case(text, levels, value), {"problem": words}) for levels, value, words in CHOICES})
