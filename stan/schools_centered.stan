/*
 * Rubin's eight schools, centered: estimates with known standard errors, one level of groups.
 *
 *   theta   ~ Normal(0, 5)                           effect in the population   (points)
 *   tau     ~ HalfCauchy(0, 5)                       spread of schools about it (points)
 *   theta_1 ~ Normal(theta, tau)                     effect in each school      (points)
 *   y       ~ Normal(theta_1[index_1], sigma)        its estimate; sigma is given
 *
 * points: of the SAT-V score, the unit of y and sigma.
 */
data {
  int<lower=1> N;                                   // estimates
  int<lower=1> J_1;                                 // schools
  array[N] int<lower=1, upper=J_1> index_1;         // the school of each estimate
  vector[N] y;                                      // estimated effects (points)
  vector<lower=0>[N] sigma;                         // their standard errors (points)
}

parameters {
  real theta;
  real<lower=0> tau;
  vector[J_1] theta_1;
}

model {
  theta ~ normal(0, 5);
  tau ~ cauchy(0, 5);                               // half-Cauchy: tau is declared positive

  theta_1 ~ normal(theta, tau);

  y ~ normal(theta_1[index_1], sigma);
}
