"""What the first cell of a lesson waits for: times to import, as ratios to that of polars."""

import subprocess
import sys
import time
from statistics import median

REPEATS = 7
CODE = {
    "polars": "import polars",
    "helpers": "import helpers",
    "stan_data": "import helpers; helpers.stan_data",
    "exact_posterior": "import helpers; helpers.exact_posterior",
    "draw_tree": "import helpers; helpers.draw_tree",
    "calibrate": "import helpers; helpers.calibrate",
    "arviz": "import arviz",
    "bokeh": "import bokeh.plotting",
}


def seconds(code: str) -> float:
    """Time a fresh Python that runs the code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    empty = median(seconds("pass") for _ in range(REPEATS))
    times = {name: [] for name in CODE}
    for _ in range(REPEATS):  # they take turns, so that what disturbs one disturbs all
        for name, code in CODE.items():
            times[name].append(seconds(code) - empty)
    ratios = {name: [t / p for t, p in zip(ts, times["polars"], strict=True)] for name, ts in times.items()}
    for name, found in ratios.items():
        print(f"import, {name}: {median(found):.1f} times polars ({min(found):.1f} to {max(found):.1f})")
