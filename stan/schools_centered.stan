/*
 * Rubin's eight schools, centered: estimates with known standard errors, one
 * level of groups.
 *
 *   theta   ~ Normal(0, 5)                     effect in the population
 *   tau     ~ HalfCauchy(0, 5)                 spread of schools about it
 *   theta_1 ~ Normal(theta, tau)               effect in each school
 *   y       ~ Normal(theta_1[index_1], sigma)  its estimate; sigma is given
 *
 * theta, tau, theta_1, y and sigma in points of the SAT-V score.
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
  vector[J_1] theta_1;
}

model {
  theta ~ normal(0, 5);
  tau ~ cauchy(0, 5);                               // half-Cauchy, as tau > 0

  theta_1 ~ normal(theta, tau);

  y ~ normal(theta_1[index_1], sigma);
}
