"""Compile Stan programs where no name can harm, and keep what was compiled where nobody can change it."""

from helpers.compiling.compiler import StanError

__all__ = ["StanError"]
