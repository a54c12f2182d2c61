"""How tests wait: for what has to happen and not for a time, as machines may be busy."""

import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds, and return what it gave; pytest's timeout ends a wait in vain."""
    while not (found := condition()):
        time.sleep(0.02)
    return found
