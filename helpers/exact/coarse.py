"""The same rule with long steps, for integrals over four variables to six digits or so."""

import numpy as np

from helpers.exact.quadrature import Rule


class CoarseRule(Rule):
    """A `Rule` that ends sooner, and guesses from two coarser rules how fast it converges.

    If the error falls like exp(-(c / h)^p), then leaving out every other point (step 2h), and two of three
    (step 3h), give p. A density with tails like a normal one has p = 2, and one with a singularity off the
    real axis p = 1; less and more are not believed.
    """

    _roughly = 20.0
    _block = 2
    _strides = (2, 3)

    def _errors(self, half: np.ndarray, third: np.ndarray) -> np.ndarray:
        """Errors along each axis, from what leaving out every other point changes, and two of three."""
        p = np.log(np.log(half) / np.log(np.minimum(third, 0.7))) / np.log(1.5)
        return np.where(half < 0.5, half ** (2 ** np.clip(p, 1, 2)), half)
