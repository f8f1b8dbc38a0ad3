"""What all distributions of segments share."""

import numpy as np

from sdclib import _checks

__all__ = ["Distribution"]


class Distribution:
    """What all distributions share. Components 0 ... K-1 are the foreground classes, the others the background.

    A subclass has ``name``, ``n_classes`` (K), ``n_components``, ``per_component`` (points of each component in a pool),
    ``feature_shape`` and ``_draw(component, n, rng)``; ``log_density`` where it can be computed.
    """

    def sample_pool(self, seed=0, *, fresh=False):
        """Draw the base points of a pool.

        Args:
            seed: data seed, 0 or more.
            fresh: base points that no training pool of that seed shares (for images: the held-out ones).

        Returns:
            points (N, *feature) float64 array, component (N,) int64 array.
        """
        rng = _checks.generator(seed, "fresh_pool" if fresh else "pool")
        points = [self._draw(c, self.per_component, rng) for c in range(self.n_components)]
        return np.concatenate(points), np.repeat(np.arange(self.n_components), self.per_component)

    def log_density(self, points):
        """Log density of every component at every point: (N, n_components) array; ValueError where it cannot be computed."""
        raise ValueError(f"the density of {self.name} is not known; it is for boxes and for Gaussians of full rank")

    def foreground_score(self, points):
        """Score of the best possible focus: log of the foreground's density over the background's at each point.

        The segment most likely to be the foreground, given the whole mosaic, is the one with the largest ratio (segments are
        independent and every position is equally likely beforehand). Points that only the foreground can give score +inf.

        Args:
            points: (N, *feature) array.

        Returns:
            (N,) array of log ratios in nats, in [-inf, inf].
        """
        log_density = self.log_density(np.asarray(points, dtype=np.float64))
        k = self.n_classes
        foreground = np.logaddexp.reduce(log_density[:, :k], axis=1) - np.log(k)
        background = np.logaddexp.reduce(log_density[:, k:], axis=1) - np.log(self.n_components - k)
        with np.errstate(invalid="ignore"):
            return np.where(np.isneginf(foreground), -np.inf, foreground - background)

    def _check(self):
        _checks.at_least("n_classes (foreground components)", self.n_classes, 2)
        _checks.at_least("background components", self.n_components - self.n_classes, 1)
        _checks.at_least("per_component", self.per_component, 1)
