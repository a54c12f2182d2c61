/*
 * Groups of several factors, nested or crossed: each factor adds the effect of
 * a measurement's group, centered or noncentered.
 *
 *   y[i] ~ Normal(theta + X[i] beta + u of the group of i in each factor,
 *                 sigma)
 *   u    ~ Normal(0, tau[f])                      for the groups of factor f
 *   theta, beta ~ Normal,  tau, sigma ~ HalfNormal
 *
 * u holds the effects of all factors, one after the other.  The sampler moves
 * x: the effects themselves where a factor is centered, which suits groups
 * with many measurements, and offsets in units of tau where it is not.
 * A batch within a day and a plate that meets all batches are factors alike:
 * what is nested in what shows in the groups that `index` gives to each
 * measurement.
 *
 * theta, u, tau, sigma in the unit of y; beta in that unit for one unit of the
 * predictor.
 */
data {
  int<lower=1> N;                                // measurements
  int<lower=1> F;                                // factors
  array[F] int<lower=1> J;                       // groups of each factor
  array[F, N] int<lower=1> index;                // the group of each, from 1
  array[F] int<lower=0, upper=1> centered;       // 1: centered, 0: not
  int<lower=0> P;                                // predictors
  matrix[N, P] X;
  vector[N] y;
  vector[2] prior_theta;                         // mean and sd
  array[P] vector[2] prior_beta;                 // the same for each slope
  vector<lower=0>[F] prior_tau;                  // scales of the half-normals
  real<lower=0> prior_sigma;                     // the same for sigma
}

transformed data {
  array[F] int first;                            // where a factor begins in u
  array[F] int last;
  for (f in 1:F) {
    last[f] = sum(J[1:f]);
    first[f] = last[f] - J[f] + 1;
    if (max(index[f]) > J[f])
      reject("factor ", f, " has a group ", max(index[f]), " of ", J[f]);
  }
}

parameters {
  real theta;
  vector[P] beta;
  vector<lower=0>[F] tau;
  real<lower=0> sigma;
  vector[sum(J)] x;                              // u, or u in units of tau
}

transformed parameters {
  vector[sum(J)] u = x;
  for (f in 1:F)
    if (!centered[f]) u[first[f]:last[f]] *= tau[f];
}

model {
  vector[N] mu = theta + X * beta;
  for (f in 1:F) mu += u[first[f]:last[f]][index[f]];

  theta ~ normal(prior_theta[1], prior_theta[2]);
  for (p in 1:P) beta[p] ~ normal(prior_beta[p][1], prior_beta[p][2]);
  tau ~ normal(0, prior_tau);                    // half-normal, as tau > 0
  sigma ~ normal(0, prior_sigma);
  for (f in 1:F)
    x[first[f]:last[f]] ~ normal(0, centered[f] ? tau[f] : 1);

  y ~ normal(mu, sigma);
}
