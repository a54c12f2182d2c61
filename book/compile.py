"""Compile all programs of the course side by side, before the lessons ask for them one by one."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import helpers

if __name__ == "__main__":
    programs = sorted((Path(__file__).parent.parent / "stan").glob("*.stan"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(helpers.stan_model, programs))
