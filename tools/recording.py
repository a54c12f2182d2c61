"""What `tools/claims.py` puts into the kernel of a lesson; apart, as it has to load fast."""

import json
from collections.abc import Callable
from functools import wraps

import numpy as np


def recorder(record: str) -> Callable[..., None]:
    """Return a function that, in the kernel of a lesson, appends what a claim saw to the file `record`."""

    def claim(statement: str, held: object, *values: object) -> None:
        arrays = [np.asarray(value) for value in values]
        seen = [[float(a.min()), float(a.max())] for a in arrays if a.dtype.kind in "biuf" and a.size]
        with open(record, "a", encoding="utf-8") as file:
            print(json.dumps({"claim": statement, "held": bool(held), "seen": seen}), file=file)

    return claim


def shift_seeds(shift: int) -> None:
    """Add `shift` to the seed of every fit to come; chains run one by one, as lessons fill the cores."""
    import cmdstanpy

    sample = cmdstanpy.CmdStanModel.sample

    @wraps(sample)  # calibrate looks at its signature
    def shifted(self, *args, seed: int, **options):
        return sample(self, *args, seed=seed + shift, **{"parallel_chains": 1} | options)

    cmdstanpy.CmdStanModel.sample = shifted
