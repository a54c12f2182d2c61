/*
 * The same model as schools_centered.stan, noncentered: the sampler moves in
 * standardised offsets, and the effects of the schools are computed from them.
 *
 *   theta ~ Normal(0, 5),  tau ~ HalfCauchy(0, 5)
 *   theta_1_tilde ~ Normal(0, 1)
 *   theta_1 = theta + tau theta_1_tilde
 *   y       ~ Normal(theta_1[index_1], sigma), sigma given
 *
 * theta, tau, theta_1, y and sigma in points of the SAT-V score; the offsets
 * have no unit.
 */
data {
  int<lower=1> N;                                   // estimates
  int<lower=1> J_1;                                 // schools
  array[N] int<lower=1, upper=J_1> index_1;         // of each: its school
  vector[N] y;                                      // the estimates
  vector<lower=0>[N] sigma;                         // their standard errors
}

parameters {
  real theta;
  real<lower=0> tau;
  vector[J_1] theta_1_tilde;                        // offsets, in units of tau
}

transformed parameters {
  vector[J_1] theta_1 = theta + tau * theta_1_tilde;
}

model {
  theta ~ normal(0, 5);
  tau ~ cauchy(0, 5);                               // half-Cauchy, as tau > 0

  theta_1_tilde ~ std_normal();

  y ~ normal(theta_1[index_1], sigma);
}
