"""Compile all programs of the course side by side, before the lessons ask for them one by one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import helpers
from tools.machine import cores

if __name__ == "__main__":
    programs = sorted((Path(__file__).parent.parent / "stan").glob("*.stan"))
    with ThreadPoolExecutor(min(cores(), 4)) as pool:  # a compile takes about a gigabyte
        list(pool.map(helpers.stan_model, programs))
