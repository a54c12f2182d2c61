"""From where on a diagnostic is an alarm: read by the checks, by the pages that sample, and by tests.

R-hat and the effective sample size after Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021),
"Rank-normalization, folding, and localization", E-BFMI after Betancourt (2016), "Diagnosing suboptimal
cotangent disintegrations in Hamiltonian Monte Carlo".
"""

R_HAT = 1.01  # above, chains have not seen the same distribution
ESS = 400  # bulk or tail, of all chains together: below, the estimates and the diagnostics are too rough
E_BFMI = 0.3  # below, energies are explored too slowly
DISAGREE = 1.05  # R-hat above which a check averages nothing over the chains of an answer
