"""How `helpers.stan_model` compiles: where no name can harm, and once for all who ask.

`compiler` copies a program and what it includes, under plain names, into a folder where Stan and `make` find
nothing else; `cache` keeps what came of it where nobody else can change it; `model` is what samples,
`progress` tells how far it is, and `errors` what went wrong, in a line.
"""

from helpers.compiling.errors import StanError

__all__ = ["StanError"]
