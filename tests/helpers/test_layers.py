"""Arrows between modules point down, private names stay where they are, and nothing heavy loads at import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import helpers

COURSE = Path(__file__).parents[2]
FILES = [path for part in ("helpers", "tools", "book", "tests") for path in (COURSE / part).rglob("*.py")]
HEAVY = ["arviz", "arviz_stats", "bokeh", "cmdstanpy", "dask", "distributed", "iqplot", "matplotlib"]
HEAVY += ["numba", "pandas", "polars", "scipy"]
# What a package may use of those above it; `checks` may use everything
ABOVE = {
    "inputs": set(),
    "priors": {"inputs"},
    "likelihoods": {"inputs", "priors"},
    "remarks": {"inputs"},
    "diagnostics": set(),
    "predictors": {"inputs"},
    "groups": {"predictors", "remarks"},
    "data": {"inputs", "likelihoods", "priors", "predictors", "groups"},
    "tree": {"inputs", "likelihoods", "priors"},
    "simulation": {"inputs", "likelihoods", "tree"},
    "exact": {"inputs", "likelihoods", "priors", "tree"},
    "compiling": {"inputs"},
    "models": {"inputs", "compiling"},
    "calibration": {"inputs", "compiling", "models"},
    "plots": {"inputs", "data", "priors", "tree", "calibration"},
    "tree_plot": {"inputs", "plots"},
}
ABOVE["figures"] = {*ABOVE} - {"models", "compiling", "calibration"}


def module(path):
    """Name of the module in a file."""
    return ".".join(path.relative_to(COURSE).with_suffix("").parts).removesuffix(".__init__")


def imports(path):
    """Modules and names that a file imports, wherever in it, but not those for type checkers only."""
    text = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(text):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(text):
        if isinstance(node, ast.Import):
            yield from ((name.name, None) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, name.name) for name in node.names)


def part(name):
    """The module or package of `helpers` that a module belongs to; None if to none."""
    words = name.split(".")
    return words[1] if words[0] == "helpers" and len(words) > 1 else None


@pytest.mark.parametrize("path", sorted((COURSE / "helpers").rglob("*.py")), ids=module)
def test_modules_import_only_from_the_layers_below(path):
    mine = part(module(path))
    if mine in (None, "checks"):
        return
    used = {part(name) for name, _ in imports(path)} - {None, mine}
    assert used <= ABOVE[mine], "to allow this, say so in ABOVE"


def test_layers_have_no_circle():
    left = dict(ABOVE)
    while left:
        lowest = [name for name, above in left.items() if not above & left.keys()]
        assert lowest, f"a circle among {', '.join(left)}"
        for name in lowest:
            del left[name]


def test_plots_see_nothing_of_the_engine_of_calibration():
    used = {name for name, _ in imports(COURSE / "helpers" / "plots.py")}
    assert {name for name in used if name.startswith("helpers.calibration")} <= {"helpers.calibration.ranks"}


def test_modules_of_a_package_import_each_other_in_no_circle():
    edges = {}
    for path in (COURSE / "helpers").rglob("*.py"):
        if path.name != "__init__.py":
            edges[module(path)] = {name for name, _ in imports(path) if name and name.startswith("helpers.")}
    while edges:
        lowest = [name for name, above in edges.items() if not above & edges.keys()]
        assert lowest, f"a circle among {', '.join(edges)}"
        for name in lowest:
            del edges[name]


def test_no_private_name_crosses_a_file():
    ours = {module(path).split(".")[-1] for path in FILES if not path.is_relative_to(COURSE / "tests")}
    found = []
    for path in FILES:
        imported = [(where, name) for where, name in imports(path) if where]
        private = [
            f"{where}.{name}"
            for where, name in imported
            if where.split(".")[0] in ("helpers", "tools", "book") and (name or "").startswith("_")
        ]
        known = {name for _, name in imported if name in ours} | {"helpers", "tools", "book"}
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[:2] != "__":
                root = node.value
                while isinstance(root, ast.Attribute):
                    root = root.value
                if isinstance(root, ast.Name) and root.id in known:
                    private.append(ast.unparse(node))
        found += [f"{path.relative_to(COURSE)}: {name}" for name in private]
    assert found == []


def loaded(code):
    """Heavy packages that a fresh Python has loaded after the code."""
    code = f"{code}; import sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_names_load_what_they_need_when_they_are_used():
    assert loaded("import helpers") == set()
    assert loaded("import helpers; helpers.stan_data, helpers.tree_data") & {*HEAVY} <= {"polars", "pandas"}
    light = loaded("import helpers; helpers.exact_posterior, helpers.calibrate, helpers.stan_model")
    assert light <= {"polars", "pandas", "scipy"}


def test_every_public_name_is_there_and_no_other_is_promised():
    assert all(getattr(helpers, name) is not None for name in helpers.__all__)
    assert set(helpers.__all__) <= set(dir(helpers))
    with pytest.raises(AttributeError, match="no attribute 'measurement'"):
        helpers.measurement  # noqa: B018
    typed = {
        name.name
        for node in ast.walk(ast.parse(Path(helpers.__file__).read_text("utf-8")))
        if isinstance(node, ast.If)
        for line in node.body
        if isinstance(line, ast.ImportFrom)
        for name in line.names
    }
    assert typed == set(helpers.__all__), "for editors and type checkers"
