"""The page "Your data" reads tables as people have them, says what it did, and asks what is not clear."""

from reading import case, in_page, read

ROWS = "north,a,11.5\nnorth,a,9.25\nnorth,b,10\nsouth,a,8.5\nsouth,b,12\nsouth,b,7.75\n"
PLAIN = f"site,plot,y\n{ROWS}"
NUMBERED = "".join(f"{i},{row}\n" for i, row in enumerate(ROWS.split(), start=1))


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


UNCLEAR = {
    "in quotes": 'site,y\nn,"4,930"\nn,"5,120"\ns,"12,004"\n',
    "semicolons": "site;y\nn;4,930\nn;998\ns;6,001\n",
    "below zero": 'site,y\nn,"-4,930"\nn,"-5,120"\ns,"6,001"\n',
    "decimal points in another column": 'site,x,y\nn,1.5,"4,930"\nn,2.5,"5,120"\ns,1.25,"6,001"\n',
    "missing numbers and percentages": 'site,y\nn,"4,930%"\nn,NA\ns,"6,001%"\n',
    "points with semicolons": "site;y\nn;4.930\nn;5.120\ns;6.001\n",
    "points beside decimal commas": "site;y\nn;4.930\nn;11,5\ns;6.001\n",
}


def test_thousands_or_decimals_are_asked_and_the_answer_is_read():
    choices = ("thousands", "decimals")
    answers = [{}] + [{"marks:y": answer, "missing:y": "yes"} for answer in choices]
    results = iter(
        in_page(*(case(text, ["site"], "y", given) for text in UNCLEAR.values() for given in answers))
    )
    for name, open_, thousands, decimals in zip(UNCLEAR, results, results, results, strict=True):
        assert open_["asked"][-1] == "marks:y", name
        assert "data" not in open_
        assert tuple(choice for choice, _ in open_["asks"][-1]["options"]) == choices
        read_as = [abs(float(told["csv"].split("\n")[1].split(",")[1])) for told in (thousands, decimals)]
        assert read_as == [4930, 4.93], name
        assert "are read as" in thousands["said"]


ONE_READING = [
    (["1,234.5", "998.2", "4,930"], [1234.5, 998.2, 4930], "marks of thousands"),
    (["11,5", "4,930"], [11.5, 4.93], "decimal commas"),
    (["0,123", "4,930"], [0.123, 4.93], "decimal commas"),
    (["1.234,5", "12.345,25", "3"], [1234.5, 12345.25, 3], "marks of thousands"),
    (["1 234,5", "2\u00a0500", "3,25"], [1234.5, 2500, 3.25], "Spaces and apostrophes inside"),
    (["1'234.5", "1’000’000.25"], [1234.5, 1000000.25], "Spaces and apostrophes"),
    (["3.81%", "6 %"], [3.81, 6], "% signs"),
    (["\u22121.5", "-2", "+3", "1.5e-3", ".5", "5."], [-1.5, -2, 3, 0.0015, 0.5, 5], ""),
    (["1.234", "2.345"], [1.234, 2.345], ""),  # nothing here hints at commas
]


def test_numbers_with_one_reading_are_read_and_it_is_said():
    cases = {}
    for fields, numbers, words in ONE_READING:
        text = "site,y\n" + "".join(f'a,"{field}"\n' for field in fields)
        csv = "site,y\n" + "".join(f"a,{number}\n" for number in numbers)
        cases[text] = (case(text, ["site"], "y"), {"csv": csv, "said": words})
    expect(cases, asked=[])


AROUND = {
    "a spreadsheet's empty columns": (PLAIN.replace("\n", ",,\r\n"), "Left out: 2 empty columns."),
    "empty rows": (PLAIN.replace("south,a", ",,\n\nsouth,a") + ",,\n", "Left out: 3 empty rows."),
    "comments": (f'# the "new, old" ones\n{PLAIN}# done\n', "2 lines that begin with # (1, 9)"),
    "names in a comment": (f"# site,plot,y\n{ROWS}", "The names are those of line 1, without its #."),
    "spaces": (PLAIN.replace(",", ", ").replace("south,", '"south" ,'), "Spaces around names, labels"),
    "tabs and old line ends": (PLAIN.replace(",", "\t").replace("\n", "\r"), ""),
    "semicolons, announced": (f"sep=;\n{PLAIN.replace(',', ';')}", ""),
    "semicolons and decimal commas": (PLAIN.replace(",", ";").replace(".", ","), "decimal commas"),
    "a byte order mark": (f"\ufeff{PLAIN}", ""),
}


def test_what_is_around_a_table_changes_nothing_and_is_said():
    plain = read(PLAIN)
    cases = {name: (case(text), {"said": words}) for name, (text, words) in AROUND.items()}
    expect(cases, csv=plain["csv"], data=plain["data"])


INDEXED = {
    "write.table of R": ("site plot y\n" + NUMBERED.replace(",", " "), "“first column”"),
    "write.csv of R": (f'"",site,plot,y\n{NUMBERED}', "“first column”"),
    "an index of pandas": (f"Unnamed: 0,site,plot,y\n{NUMBERED}", ""),
    "a running number": (f"nr,site,plot,y\n{NUMBERED}", ""),
}


def test_row_names_running_numbers_and_notes_are_no_levels():
    cases = {name: (case(text), {"said": said}) for name, (text, said) in INDEXED.items()}
    expect(cases, guess={"value": "y", "levels": ["site", "plot"]}, csv=read(PLAIN)["csv"])
    told = read("site,y,,\nn,1.5,,checked by Bob\nn,2,,\ns,3,,looks odd\ns,4,,looks odd\n")
    assert told["guess"] == {"value": "y", "levels": ["site"]}
    assert "Without a name, and called here: “column 4”." in told["said"]


def test_a_title_or_missing_names_are_settled_with_one_answer():
    titles = {"4": "Experiment 3,,\n3 May,,\n\n", "3": "Plate 5\n\n", "2": "Exp,3,\n"}
    asks = {
        title: (case(title + PLAIN), {"ask": f"line {line} does: site, plot, y"})
        for line, title in titles.items()
    }
    expect(asks, asked=["names"])
    answered = {title: (case(title + PLAIN, answers={"names": line}), {}) for line, title in titles.items()}
    expect(answered, csv=PLAIN, said="above the names")
    text, columns = "monday,1,11.4\nmonday,2,11.5\ntuesday,1,9.5\n", ["column 1", "column 2", "column 3"]
    years = case("id,2001,2002\nx,1.5,2\ny,2,3\n", answers={"names": "1"})
    expect({
        "asked": (case(text), {"asked": ["names"]}),
        "answered": (case(text, answers={"names": "none"}), {"names": columns, "asked": []}),
        "names that are years": (years, {"asked": ["long"]}),
    })  # fmt: skip


BROKEN = {
    "\ufeff\n\n": "There is no table",
    "\n\na,b\n1,2\n3\n": "Line 5 has 1 field, and the names are 2",
    "a,b\nn,4,930\ns,3,120\n": "Line 2 has 3 fields, and the names are 2: correct the commas (a number",
    "a;b\n1;2\n1;2;3\n": "correct the semicolons.",
    'a,b\n"x\ny",1\nz\n': "Line 4 has 1 field",
    'a,b\nx,1\n"y,2\n': "The quote that opens in line 3 is never closed",
    'a,b\n"x"y,2\n': "Line 2 goes on after a closing quote",
    "a,b,a\n1,2,3\n": "Two columns are named “a”",
    "a\n1\n2\n": "There is one column only",
    "a,b\n": "There are no rows",
    "PK\u0003\u0004\u0014\0\u0006": "save it as CSV",
    "a,b\n" * 2_600_000: "10 MB, and this page reads up to 10",
}


def test_broken_text_gets_a_sentence_that_says_where():
    expect({text[:40]: (case(text, ["a"], "b"), {"problem": words}) for text, words in BROKEN.items()})


NO_NUMBERS = ["NA", "", "NaN", "nan", "null", "#N/A", "n/a", ".", "-", "?", "None", "#VALUE!", "#DIV/0!"]
IS_NO_NUMBER = "“{}” in “y” (in line 3, the 2nd row below the names) is no number"


def test_rows_without_a_number_are_left_out_with_one_answer():
    texts = [PLAIN.replace("9.25", word).replace("12", word) for word in NO_NUMBERS]
    words = "Leave out 2 rows without a number? In “y” lines 3, 6 have"
    expect({text: (case(text), {}) for text in texts}, asked=["missing:y"], ask=words)
    rest = PLAIN.replace("north,a,9.25\n", "").replace("south,b,12\n", "")
    words = "Left out: 2 rows without a number in “y” (lines 3, 6)."
    expect({text: (case(text, answers={"missing:y": "yes"}), {}) for text in texts}, said=words, csv=rest)


def test_a_limit_is_named_and_its_row_is_not_offered_to_go():
    cells = ["<0.5", "> 20", "≤3", "BDL", "<LOD"]
    cases = {c: (case(PLAIN.replace("9.25", c)), {"problem": IS_NO_NUMBER.format(c)}) for c in cells}
    expect(cases, asks=[], data=None)


def test_a_cell_that_is_no_number_is_named_where_it_stands():
    cells = ["4.2 mm", "about 5", "x", "inf", "1e999", "1,2,3", "12-5"]
    texts = {cell: PLAIN.replace("9.25", f'"{cell}"') for cell in cells}
    expect({cell: (case(text), {"ask": IS_NO_NUMBER.format(cell)}) for cell, text in texts.items()})
    said = "Left out: 1 row whose “y” is no number (line 3)"
    expect({cell: (case(text, answers={"text:y": "yes"}), {}) for cell, text in texts.items()}, said=said)
    both = PLAIN.replace("9.25", "x").replace("12", "NA")
    assert read(both, answers={"text:y": "yes"})["asked"] == ["missing:y"]
    told = read("# by hand\n\nsite,y\n\nn,1.5\n\nn,x\ns,3.5\n")
    assert "“x” in “y” (in line 7, the 2nd row below the names)" in told["asks"][0]["text"]


def test_labels_that_are_numbers_or_have_spaces_around_are_kept():
    numbers = "school,cls,y\n1.0,1.0,3.5\n1.0,2.0,4.5\n2.0,1.0,2.5\n2.0,1.0,6\n"
    numbers, zeros, spaces = in_page(
        case(numbers), case("g,y\n007,1.5\n7,2.5\n7,3.5\n"), case("site,y\nnorth,1.5\nnorth ,9\nNorth,10\n")
    )
    assert numbers["guess"] == {"value": "y", "levels": ["school", "cls"]}
    assert numbers["csv"].startswith("school,cls,y\n1,1,3.5\n1,2,4.5\n")
    assert "In “school”, 1.0 is the label 1." in numbers["said"]
    assert dict(zeros["schema"]) == {"g": "String", "y": "Float64"}
    assert "007,1.5" in zeros["csv"]
    assert "“north” and “north ” are taken for one" in spaces["said"]
    remarks = [(one["rule"], one["labels"]) for one in spaces["remarks"]]
    assert ("alike", ["North", "north"]) in remarks


def test_rows_without_a_label_are_remarked_on_and_left_out():
    text = PLAIN.replace("north,b", "NA,b")
    [one] = [remark for remark in read(text)["remarks"] if remark["rule"] == "missing"]
    assert (one["column"], one["labels"]) == ("site", ["NA"])
    told = read(text, answers={one["fix"]["answer"]: "yes"})
    assert "Left out: 1 row without a label in “site” (line 4)." in told["said"]
    assert "missing" not in [remark["rule"] for remark in told["remarks"]]


NOT_CLEAR = {
    "whole numbers only": "weight,Time,Chick,Diet\n42,0,1,1\n51,2,1,1\n40,0,2,1\n49,2,2,1\n41,0,3,2\n",
    "a count to the right of a covariate": "plate,temp,count\na,20.5,3\na,21,4\nb,19.5,2\nb,20,5\n",
    "a limit beside another measured column": "site,ph,y\nn,7.5,1.5\nn,7.1,<0.5\ns,7,2\n",
}
CLEAR = {
    "whole numbers beside text": ("site,plot,y\nn,a,3\nn,b,5\ns,a,4\ns,b,4\n", "y", ["site", "plot"]),
    "labels that are numbers": ("day,batch,y\n1,1,9.5\n1,1,8.5\n1,2,9\n2,1,8\n", "y", ["day", "batch"]),
    "thousands": (UNCLEAR["in quotes"], "y", ["site"]),
    "a name that Stan refuses": (PLAIN.replace(",y\n", ",µm/min\n", 1), "µm/min", ["site", "plot"]),
}


def test_columns_are_guessed_where_they_are_clear_and_only_there():
    unclear = {name: (case(text), {}) for name, text in NOT_CLEAR.items()}
    expect(unclear, guess={"value": None, "levels": []}, problem="Which column is measured?", data=None)
    guesses = {
        name: (case(text), {"guess": {"value": value, "levels": levels}})
        for name, (text, value, levels) in CLEAR.items()
    }
    expect(guesses)


WIDE = {
    "id,site,t1,t2,t3\n1,n,4.5,5.5,6\n2,n,5,6.5,7\n3,s,4,5,6.5\n": ("looks wide", 9),
    "id,w1,w2\na,4.5,7\nb,9,2\nc,5,5\n": ("looks wide", 6),
    "plot,before,after\na,1.5,2.5\na,2.5,3\nb,2,2\n": ("Several columns may be measured", 6),
}


def test_a_wide_table_is_noticed_and_made_long():
    expect(
        {text: (case(text), {"ask": words}) for text, (words, _) in WIDE.items()}, asked=["long"], data=None
    )
    made_long = in_page(*(case(text, answers={"long": "yes"}) for text in WIDE))
    for told, (_, numbers) in zip(made_long, WIDE.values(), strict=True):
        assert told["names"][-2:] == ["column", "value"]
        assert "Made long: “value” has the numbers of" in told["said"]
        assert sum(told["data"]["n"]) == numbers
        assert "column" not in told["guess"]["levels"]
    told = read('id,t1,t2\na,"4,930","5,120"\nb,"3,001",998\n', answers={"long": "yes"})
    assert told["asked"] == ["marks:value"]


NUMBERS = [
    ([3, 0, 2, 7], "are whole: are they counts?", "poisson"),
    ([1, 0, 0, 1], "do they say no and yes", "binomial"),
    ([0.5, 0.25, 1, 0], "all between 0 and 1. If each is a share", None),
    (["3.5%", "60%", "7%", "8%"], "percentages. If each is a share", None),
    ([11.5, 2.5, 4, 3], None, None),
]


def test_numbers_that_may_be_something_else_are_remarked_on():
    texts = [
        "g,y\n" + "".join(f"{g},{y}\n" for g, y in zip("abca", some, strict=True)) for some, *_ in NUMBERS
    ]
    results = in_page(*(case(text, value="y") for text in texts))
    for (_, words, likelihood), told in zip(NUMBERS, results, strict=True):
        said = [one for one in told["remarks"] if one["rule"] == "numbers"]
        assert len(said) == (words is not None), words
        for one in said:
            assert words in one["text"]
            assert one.get("fix", {}).get("likelihood") == likelihood
        assert "family" not in told.get("data", {}), "nothing but numbers is chosen by the page itself"
    told = read("treatment,mouse,y\ndrug,a,1.5\ndrug,b,2\nplacebo,c,3\nplacebo,d,3.5\nplacebo,d,4\n")
    [one] = told["remarks"]
    assert (one["rule"], one["column"], one["labels"]) == ("two", "treatment", ["drug", "placebo"])


CHOICES = [([], "y", "Choose the column that has the labels"), (["y"], "y", "“y” is chosen twice")]
CHOICES += [(["g", "g"], "y", "“g” is chosen twice"), (["g"], "h", "“h” has no number")]


def test_a_choice_that_cannot_be_gets_a_sentence():
    text = "g,h,y\na,,1.5\nb,NA,2.5\n"
    expect({words: (case(text, levels, value), {"problem": words}) for levels, value, words in CHOICES})
