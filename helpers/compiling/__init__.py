"""How `helpers.stan_model` compiles: where no name can harm, and once for all who ask.

`compiler` copies a program and what it includes, under plain names, into a folder where Stan and `make` find
nothing else; `cache` keeps what came of it where nobody else can change it; `model` is what samples.
"""

from helpers.compiling.compiler import StanError

__all__ = ["StanError"]
