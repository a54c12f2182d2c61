"""Posteriors of one level of groups by composite Gauss-Legendre quadrature, for any likelihood.

It shares nothing with `helpers.exact`: no grid of equal steps, no Fourier transform, no substitution.
"""

import numpy as np
from scipy.special import expit, gammaln
from scipy.stats import norm

# for a τ of scale 1, and leaves no narrower than a tenth
TAU_EDGES = [0, 0.15, 0.3, 0.6, 1, 1.5, 2.2, 3.2, 4.5, 6.5, 9]


def panels(edges):
    """Points and weights of Gauss-Legendre quadrature on panels."""
    x, w = np.polynomial.legendre.leggauss(12)
    half = np.diff(edges)[:, None] / 2
    return ((np.array(edges)[:-1, None] + half) + half * x).ravel(), (half * w).ravel()


def binomial(successes, trials):
    choices = gammaln(trials + 1) - gammaln(successes + 1) - gammaln(trials - successes + 1)
    return lambda x: choices + successes * x - trials * np.logaddexp(0, x)


def poisson(count, exposure=1.0):
    constant = count * np.log(exposure) - gammaln(count + 1)
    return lambda x: constant + count * x - exposure * np.exp(x)


def student_t(y, nu, sigma):
    one = gammaln((nu + 1) / 2) - gammaln(nu / 2) - np.log(nu * np.pi) / 2 - np.log(sigma)
    return lambda x: sum(one - (nu + 1) / 2 * np.log1p(((each - x) / sigma) ** 2 / nu) for each in y)


def half_normal(scale):
    return lambda x: np.log(2 / np.pi) / 2 - np.log(scale) - (x / scale) ** 2 / 2


def identity(x):
    return x


class ByTheta:
    """Posterior of θ, τ and the nodes: given θ and τ the nodes are independent, an integral each.

    Parameters
    ----------
    leaves : list
        Log likelihoods of one group each, functions of an array.
    theta
        Mean and sd of θ's prior.
    log_tau
        Logarithm of τ's prior.
    reach : (low, high, width)
        Where θ and the nodes are looked for, and how wide panels may be.
    cuts : (of τ, of θ)
        Values at which panels end, so that probabilities below them can be had.
    to_data
        From the scale of the nodes to that of the data.
    """

    def __init__(self, leaves, theta, log_tau, reach, cuts=((), ()), to_data=expit, tau_edges=TAU_EDGES):
        low, high, width = reach
        self.tau, w_tau = panels(np.unique([*tau_edges, *cuts[0]]))
        edges = np.linspace(low, high, int((high - low) / width) + 2)
        self.theta, w_theta = panels(np.unique([*edges, *cuts[1]]))
        fixed, w_fixed = panels(edges)
        z, w_z = panels(np.linspace(-9, 9, 19))
        w_z *= norm.pdf(z)
        functions = identity, np.square, to_data, lambda x: to_data(x) ** 2
        log_p = np.empty((len(self.tau), len(self.theta)))
        self.given = np.empty((len(leaves), 4, *log_p.shape))  # means of functions of a node, given θ and τ
        for t, tau in enumerate(self.tau):
            log_p[t] = norm.logpdf(self.theta, *theta) + log_tau(tau)
            wide = tau > 0.7 * width  # then nodes are looked for where θ is, else near their parent
            x = fixed if wide else self.theta[:, None] + tau * z
            kernel = norm.pdf(fixed, self.theta[:, None], tau) * w_fixed if wide else w_z
            values = [function(x) for function in functions]
            for j, leaf in enumerate(leaves):
                log_l = leaf(x)
                top = log_l.max(axis=-1, keepdims=True)
                f = np.exp(log_l - top) * kernel
                total = f.sum(axis=1)
                log_p[t] += top[..., 0] + np.log(total)
                self.given[j, :, t] = [np.einsum("...x,...x", f, value) / total for value in values]
        top = log_p.max()
        p = np.exp(log_p - top) * np.outer(w_tau, w_theta)
        self.log_evidence, self.p = top + np.log(p.sum()), p / p.sum()

    def tau_moments(self):
        p = self.p.sum(axis=1)
        return moments(p @ self.tau, p @ self.tau**2)

    def theta_moments(self):
        p = self.p.sum(axis=0)
        return moments(p @ self.theta, p @ self.theta**2)

    def node_moments(self, j):
        """Mean and sd of node j, and of what it is on the scale of the data."""
        found = (self.p * self.given[j]).sum(axis=(1, 2))
        return *moments(*found[:2]), *moments(*found[2:])

    def tau_below(self, cut):
        return self.p[self.tau < cut].sum()

    def theta_below(self, cut):
        return self.p[:, self.theta < cut].sum()


def moments(mean, square):
    return mean, np.sqrt(square - mean**2)


def first_of_two(leaves, theta, log_tau, reach, at, tau_edges=TAU_EDGES):
    """Density and distribution function, at `at`, of the first of two nodes; θ is integrated out by formula.

    With d = x₁ - x₂ ~ Normal(0, √2 τ), the middle (x₁ + x₂) / 2 is Normal(m, √(s² + τ²/2)), independently.
    """
    low, high, width = reach
    tau, w_tau = panels(tau_edges)
    edges = np.linspace(low, high, int((high - low) / width) + 2)
    x, w_x = panels(np.unique([*edges, at]))
    x, w_x = np.append(x, at), np.append(w_x, 0)
    density = np.zeros(len(x))
    scale = max(leaves[0](x).max() + leaves[1](x).max(), -600)
    fixed, w_fixed = panels(edges)
    z, w_z = panels(np.linspace(-9, 9, 19))
    for one, weight in zip(tau, w_tau * np.exp(log_tau(tau)), strict=True):
        wide = one > 0.5 * width
        y = fixed if wide else x[:, None] - np.sqrt(2) * one * z
        d = x[:, None] - y
        w = norm.pdf(d, 0, np.sqrt(2) * one) * w_fixed if wide else w_z * norm.pdf(z)
        log_f = leaves[0](x)[:, None] + leaves[1](y) - scale
        log_f += norm.logpdf(x[:, None] - d / 2, theta[0], np.hypot(theta[1], one / np.sqrt(2)))
        density += weight * (np.exp(log_f) * w).sum(axis=1)
    total = density @ w_x
    return density[-1] / total, density[x < at] @ w_x[x < at] / total


def two_apart(leaves, theta, log_tau, windows, tau_edges):
    """Posterior of τ and two nodes that need not agree: a plain grid over x₁, x₂ and τ.

    `windows` hold (low, high, width of panels) of each node. Good where τ is not below those widths.
    """
    points = [panels(np.linspace(a, b, int((b - a) / width) + 2)) for a, b, width in windows]
    (x, w_x), (y, w_y), (tau, w_tau) = *points, panels(tau_edges)
    middle, d = (x[:, None] + y) / 2, x[:, None] - y
    log_l = leaves[0](x)[:, None] + leaves[1](y) + np.log(np.outer(w_x, w_y))
    log_p = np.array(
        [
            log_l
            + norm.logpdf(d, 0, np.sqrt(2) * t)
            + norm.logpdf(middle, theta[0], np.hypot(theta[1], t / 2**0.5))
            for t in tau
        ]
    )
    log_p += (log_tau(tau) + np.log(w_tau))[:, None, None]
    top = log_p.max()
    p = np.exp(log_p - top)
    log_evidence, p = top + np.log(p.sum()), p / p.sum()
    found = {"tau": moments(p.sum(axis=(1, 2)) @ tau, p.sum(axis=(1, 2)) @ tau**2)}
    for name, values, axes in [("theta_1[1]", x, (0, 2)), ("theta_1[2]", y, (0, 1))]:
        found[name] = moments(p.sum(axis=axes) @ values, p.sum(axis=axes) @ values**2)
    gain = theta[1] ** 2 / (theta[1] ** 2 + tau**2 / 2)
    mean = theta[0] + gain[:, None, None] * (middle - theta[0])
    variance = (theta[1] ** 2 * (1 - gain))[:, None, None]
    found["theta"] = moments((p * mean).sum(), (p * (mean**2 + variance)).sum())
    return log_evidence, found


class Nested:
    """A tree of any depth at one τ: integrals within integrals, by quadrature that is anew at every node.

    Parameters
    ----------
    leaves : list
        Log likelihoods of the leaves.
    parents : list of list
        The parents of the nodes of every level, from 0; of the first level all 0.
    theta
        Mean and sd of θ's prior.
    tau
    reach : (low, high, width)
        Where nodes are looked for if τ is large, and how wide panels may be.
    """

    def __init__(self, leaves, parents, theta, tau, reach):
        self.leaves, self.parents, self.theta, self.tau = leaves, parents, theta, tau
        low, high, width = reach
        self.x, self.w = panels(np.linspace(low, high, int((high - low) / width) + 2))
        self.kernel = norm.pdf(self.x[:, None], self.x, tau) * self.w if tau > 0.5 else None
        self.top = sum(leaf(self.x).max() for leaf in leaves)

    def integral(self, level=None, node=None, function=np.ones_like):
        """Integrate likelihood and priors, times a function of one node."""

        def message(k, i):
            if k == len(self.parents):
                leaf, top = self.leaves[i], self.leaves[i](self.x).max()
                below = [lambda u: np.exp(leaf(u) - top)]
            else:
                children = [j for j, parent in enumerate(self.parents[k]) if parent == i]
                below = [self.blurred(message(k + 1, j)) for j in children]
            if (k, i) == (level, node):
                below.append(function)
            return lambda u: np.prod([f(u) for f in below], axis=0)

        return (message(0, 0)(self.x) * norm.pdf(self.x, *self.theta)) @ self.w

    def blurred(self, f):
        """Convolve a function with Normal(0, τ)."""
        if self.kernel is not None:
            found = self.kernel @ f(self.x)
            return lambda u: found
        z, w = np.polynomial.hermite_e.hermegauss(12)
        return lambda u: f(u[..., None] + self.tau * z) @ w / w.sum()

    def moments(self, level, node):
        total, *found = (self.integral(level, node, f) for f in (np.ones_like, identity, np.square))
        return moments(*(x / total for x in found))

    def log_p(self):
        return self.top + np.log(self.integral())
