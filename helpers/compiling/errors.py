"""Errors whose message says all: IPython shows it without the frames of Python that led there."""


class Told(Exception):
    """An error that IPython shows by its message only: the frames would push that off the screen."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class StanError(Told, ValueError):
    """A program does not compile; the message is Stan's own, with line and caret, or the C++ compiler's."""


class RunError(Told, RuntimeError):
    """A program stopped while it ran; the message is Stan's reason, and `__cause__` has the whole log."""


def without_traceback(error: Exception) -> Exception:
    """Let IPython show an error of any kind in one line, which says its kind, too; one of ours is left."""
    if not isinstance(error, Told):
        line = " ".join(f"{type(error).__name__}: {error}".split())
        error._render_traceback_ = lambda: [line]
    return error
