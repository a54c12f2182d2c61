"""What `exact_loo` gives: ArviZ's own object for an elpd, which says that it was computed exactly."""

from arviz_stats.utils import ELPDData


class ExactELPD(ELPDData):
    """An expected log predictive density without draws; `arviz_stats.compare` takes it as that of ArviZ.

    Its attributes are those of `arviz_stats.loo`: ``elpd``, ``se``, ``p``, ``n_data_points``, and by
    measurement or group ``elpd_i``. There are no draws, so ``n_samples`` is 0 and ``pareto_k`` is None.
    """

    # leaving one out is one estimator, so `compare` may set exact answers beside those by importance sampling
    kind = "loo"

    def _header(self) -> str:
        name, n = self.elpd_i.dims[0], self.n_data_points
        return f"Computed exactly, without draws: {name} left out in turn, {n} times."
