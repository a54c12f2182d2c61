"""The page "Your data" guesses columns where they are clear, asks where not, and makes remarks."""

import pytest
from reading import read

PLAIN = "site,plot,y\nnorth,a,11.5\nnorth,a,9.25\nnorth,b,10\nsouth,a,8.5\nsouth,b,12\nsouth,b,7.75\n"

NOT_CLEAR = {
    "whole numbers only": "weight,Time,Chick,Diet\n42,0,1,1\n51,2,1,1\n40,0,2,1\n49,2,2,1\n41,0,3,2\n",
    "a count to the right of a covariate": "plate,temp,count\na,20.5,3\na,21,4\nb,19.5,2\nb,20,5\n",
    "a limit beside another measured column": "site,ph,y\nn,7.5,1.5\nn,7.1,<0.5\ns,7,2\n",
    "thousands beside another measured column": 'site,ph,y\nn,7.5,"4,930"\nn,7.1,"5,120"\ns,7,"6,001"\n',
    "whole numbers that hardly repeat": "site,steps,x\nn,4930,1.5\nn,5121,1.5\ns,4871,2\ns,6001,2.5\n",
}


@pytest.mark.parametrize("text", NOT_CLEAR.values(), ids=NOT_CLEAR)
def test_nothing_is_chosen_where_the_measured_column_is_not_clear(text):
    told = read(text)
    assert told["guess"] == {"value": None, "levels": []}
    assert "Which column is measured?" in told["problem"]
    assert "data" not in told


CLEAR = {
    "one with decimals": (PLAIN, "y", ["site", "plot"]),
    "whole numbers beside text": ("site,plot,y\nn,a,3\nn,b,5\ns,a,4\ns,b,4\n", "y", ["site", "plot"]),
    "labels that are numbers": ("day,batch,y\n1,1,9.5\n1,1,8.5\n1,2,9\n2,1,8\n", "y", ["day", "batch"]),
    "a limit among them": ("site,y\nn,1.5\nn,<0.5\ns,2\n", "y", ["site"]),
}


@pytest.mark.parametrize("name", CLEAR)
def test_what_is_clear_is_guessed(name):
    text, value, levels = CLEAR[name]
    assert read(text)["guess"] == {"value": value, "levels": levels}


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
    told = read(text)
    assert told["guess"]["value"] is None
    [ask] = told["asks"]
    assert ask["id"] == "long"
    assert words in ask["text"]
    assert "data" not in told
    told = read(text, answers={"long": "yes"})
    assert told["names"][-2:] == ["column", "value"]
    assert "Made long: “value” has the numbers of" in told["said"]
    rows, columns = len(text.split()) - 1, ask["text"].count("“")
    assert sum(told["data"]["n"]) == rows * columns
    assert "column" not in told["guess"]["levels"]


def test_numbers_of_a_long_table_are_asked_about_together():
    told = read('id,t1,t2\na,"4,930","5,120"\nb,"3,001",998\n', answers={"long": "yes"})
    assert told["asked"] == ["marks:value"]


NUMBERS = {
    "counts": ([3, 0, 2, 7], "a count"),
    "yes and no": ([1, 0, 0, 1], "a yes or no"),
    "shares": ([0.5, 0.25, 1, 0], "a share of a whole"),
    "percentages": (["3.5%", "60%", "7%", "8%"], "a share of a whole"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_counts_and_shares_are_remarked_on(name):
    fields, kind = NUMBERS[name]
    told = read("g,y\n" + "".join(f"{g},{x}\n" for g, x in zip("abca", fields, strict=True)), value="y")
    [one] = [r for r in told["remarks"] if r["rule"] == "numbers"] or [None]
    assert one, told
    assert f"If each is {kind}, this model is not for them" in one["text"]


def test_ordinary_numbers_are_not_remarked_on():
    for y in ("11.5", "-3", "1.5"):
        told = read(f"g,y\na,{y}\nb,2.5\nc,4\n")
        assert told["remarks"] == []


def test_an_outermost_level_of_two_labels_is_remarked_on():
    told = read("treatment,mouse,y\ndrug,a,1.5\ndrug,b,2\nplacebo,c,3\nplacebo,d,3.5\nplacebo,d,4\n")
    [one] = told["remarks"]
    assert (one["rule"], one["column"], one["labels"]) == ("two", "treatment", ["drug", "placebo"])


CHOICES = [([], "y", "Choose the column that has the labels"), (["y"], "y", "“y” is chosen twice")]
CHOICES += [(["g", "g"], "y", "“g” is chosen twice"), (["g"], "h", "“h” has no number")]


@pytest.mark.parametrize(("levels", "value", "words"), CHOICES)
def test_a_choice_that_cannot_be_gets_a_sentence(levels, value, words):
    assert words in read("g,h,y\na,,1.5\nb,NA,2.5\n", levels=levels, value=value)["problem"]
