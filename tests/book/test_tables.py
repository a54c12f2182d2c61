"""The page "Your data" reads tables as people have them, says what it did, and asks what is not clear."""

import re

import pytest
from reading import case, in_page, read

ROWS = "north,a,11.5\nnorth,a,9.25\nnorth,b,10\nsouth,a,8.5\nsouth,b,12\nsouth,b,7.75\n"
PLAIN = f"site,plot,y\n{ROWS}"

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
def test_thousands_or_decimals_are_asked_and_nothing_is_fitted(text):
    told = read(text, levels=["site"], value="y")
    assert told["asked"][-1] == "marks:y"
    assert "data" not in told
    assert [choice for choice, _ in told["asks"][-1]["options"]] == ["thousands", "decimals"]


@pytest.mark.parametrize("text", UNCLEAR.values(), ids=UNCLEAR)
def test_the_answer_about_thousands_is_what_is_read(text):
    first = {}
    for answer in ("thousands", "decimals"):
        answers = {"marks:y": answer, "missing:y": "yes"}
        told = read(text, levels=["site"], value="y", answers=answers)
        first[answer] = abs(float(told["csv"].split("\n")[1].split(",")[1]))
        assert "are read as" in told["said"] or answer == "decimals"
    assert first == {"thousands": 4930, "decimals": 4.93}


def test_one_column_of_thousands_is_guessed_and_asked_about():
    told = read(UNCLEAR["thousands in quotes"])
    assert told["guess"] == {"value": "y", "levels": ["site"]}
    assert told["asked"] == ["marks:y"]


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


@pytest.mark.parametrize("name", ONE_READING)
def test_numbers_with_one_reading_are_read_and_it_is_said(name):
    fields, numbers, words = ONE_READING[name]
    text = "site,y\n" + "".join(f'a,"{field}"\n' for field in fields)
    told = read(text, levels=["site"], value="y")
    assert told["asked"] == []
    assert [float(line.split(",")[1]) for line in told["csv"].split()[1:]] == numbers
    assert words in told["said"]


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


@pytest.mark.parametrize("name", AROUND)
def test_what_is_around_a_table_changes_nothing_and_is_said(name):
    text, words = AROUND[name]
    told, plain = in_page([case(text), case(PLAIN)])
    assert told["csv"] == plain["csv"], told
    assert told["data"] == plain["data"]
    said = " ".join(one["text"] for one in told["did"])
    assert words in said
    assert bool(words) or said == ""


ROW_NAMES = "".join(f'"{i}" "{s}" "{p}" {y}\n' for i, (s, p, y) in enumerate(
    (row.split(",") for row in ROWS.split()), start=1))  # fmt: skip
INDEXED = {
    "R's write.table": f'"site" "plot" "y"\n{ROW_NAMES}',
    "the same without quotes": f'"site" "plot" "y"\n{ROW_NAMES}'.replace('"', ""),
    "the same with tabs": f'"site" "plot" "y"\n{ROW_NAMES}'.replace(" ", "\t"),
    "the same with commas": f'"site" "plot" "y"\n{ROW_NAMES}'.replace(" ", ","),
    "R's write.csv": f'"" "site" "plot" "y"\n{ROW_NAMES}'.replace(" ", ","),
    "an unnamed index": ",site,plot,y\n" + "".join(f"{i},{r}\n" for i, r in enumerate(ROWS.split())),
    "an index of pandas": "Unnamed: 0,site,plot,y\n" + "".join(f"7,{r}\n" for r in ROWS.split()),
    "a running number": "nr,site,plot,y\n" + "".join(f"{3 * i},{r}\n" for i, r in enumerate(ROWS.split())),
}


@pytest.mark.parametrize("name", INDEXED)
def test_row_names_and_running_numbers_are_no_levels(name):
    told, plain = in_page([case(INDEXED[name]), case(PLAIN)])
    assert told["guess"] == {"value": "y", "levels": ["site", "plot"]}
    assert told["csv"] == plain["csv"]
    assert told["names"][0] in ("first column", "Unnamed: 0", "nr")
    named = any("“first column”" in one["text"] for one in told["did"])
    assert named == (told["names"][0] == "first column")


def test_a_note_beside_the_table_is_no_level():
    told = read("site,y,,\nn,1.5,,checked by Bob\nn,2,,\ns,3,,looks odd\ns,4,,looks odd\n")
    assert told["guess"] == {"value": "y", "levels": ["site"]}
    assert "Without a name, and called here: “column 4”." in told["said"]


def test_thousands_without_quotes_are_not_taken_for_row_names():
    told = read("site,y\nn,4,930\ns,3,120\n")
    assert "Line 2 has 3 fields, and the names are 2" in told["problem"]
    assert "has to stand in quotes" in told["problem"]


TITLES = ["Experiment 3,,\n", "Experiment 3\n", "Experiment 3,,\n3 May,,\n", "Plate 5\n\n", "Exp,3,\n"]


@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_left_out_with_one_answer(title):
    told = read(title + PLAIN)
    [ask] = told["asks"]
    line = ask["options"][0][0]
    assert f"line {line} does: site, plot, y" in ask["text"]
    again = read(title + PLAIN, answers={"names": line})
    assert again["csv"] == read(PLAIN)["csv"]
    assert "above the names" in again["said"]
    assert again["did"][-1]["undo"] == "names" or again["did"][0]["undo"] == "names"


def test_a_table_without_names_is_asked_about_and_read():
    told = read("monday,1,11.4\nmonday,2,11.5\ntuesday,1,9.5\n")
    assert told["asked"] == ["names"]
    told = read("monday,1,11.4\nmonday,2,11.5\ntuesday,1,9.5\n", answers={"names": "none"})
    assert told["names"] == ["column 1", "column 2", "column 3"]
    assert told["data"]["n"] == [1, 1, 1]
    years = read("id,2001,2002\nx,1.5,2\ny,2,3\n", answers={"names": "1"})
    assert years["asked"] == ["long"]


BROKEN = {
    "": "There is no table",
    "\ufeff\n\n": "There is no table",
    "# nothing\n": "There is no table",
    "a,b\n1,2\n3\n": "Line 3 has 1 field, and the names are 2",
    "\n\na,b\n1,2\n3,4,5\n": "Line 5 has 3 fields, and the names are 2: correct the commas (a number",
    "a;b\n1;2\n1;2;3\n": "correct the semicolons.",
    'a,b\n"x\ny",1\nz\n': "Line 4 has 1 field",
    'a,b\nx,1\n"y,2\n': "The quote that opens in line 3 is never closed",
    'a,b\n"x"y,2\n': "Line 2 goes on after a closing quote",
    "a,b,a\n1,2,3\n": "Two columns are named “a”",
    "a\n1\n2\n": "There is one column only",
    "a,b\n": "There are no rows",
    "PK\u0003\u0004\u0014\0\u0006": "save it as CSV",
    "a\0,\0b\n": "save it as CSV",
}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_text_gets_a_sentence_that_says_where(text):
    told = read(text, levels=["a"], value="b")
    assert BROKEN[text] in told["problem"]
    assert told["problem"].endswith(".")


# --- cells that are no numbers, and labels ----------------------------------------------------------------

NO_NUMBERS = ["NA", "", "NaN", "nan", "null", "#N/A", "n/a", ".", "-", "?", "None", "#VALUE!", "#DIV/0!"]


@pytest.mark.parametrize("word", NO_NUMBERS)
def test_rows_without_a_number_are_left_out_with_one_answer(word):
    text = PLAIN.replace("9.25", word).replace("12", word)
    told = read(text)
    [ask] = told["asks"]
    assert ask["id"] == "missing:y"
    assert "Leave out 2 rows without a number? In “y” lines 3, 6 have" in ask["text"]
    told = read(text, answers={"missing:y": "yes"})
    assert "Left out: 2 rows without a number in “y” (lines 3, 6)." in told["said"]
    assert told["csv"] == "site,plot,y\nnorth,a,11.5\nnorth,b,10\nsouth,a,8.5\nsouth,b,7.75\n"


@pytest.mark.parametrize("cell", ["<0.5", "> 20", "≤3", "BDL", "<LOD"])
def test_a_limit_is_named_and_its_row_is_not_offered_to_go(cell):
    told = read(PLAIN.replace("9.25", cell))
    assert f"“{cell}” in “y” (in line 3, the 2nd row below the names) is no number" in told["problem"]
    assert told["asks"] == []
    assert "data" not in told


@pytest.mark.parametrize("cell", ["4.2 mm", "about 5", "x", "inf", "1e999", "1,2,3", "12-5"])
def test_a_cell_that_is_no_number_is_named_where_it_stands(cell):
    text = PLAIN.replace("9.25", f'"{cell}"')
    told = read(text)
    assert f"“{cell}” in “y” (in line 3, the 2nd row below the names) is no number" in told["asks"][0]["text"]
    assert "Left out: 1 row whose “y” is no number (line 3)" in read(text, answers={"text:y": "yes"})["said"]


def test_lines_are_counted_as_in_the_file():
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


def test_a_name_that_stan_refuses_is_no_matter_for_the_page():
    told = read(PLAIN.replace("y\n", "Speed (µm/min)\n", 1))
    assert told["guess"]["value"] == "Speed (µm/min)"
    assert told["data"]["n"] == [2, 1, 1, 2]
