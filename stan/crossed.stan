/*
 * Groups of several factors, nested or crossed: each factor adds the effect of
 * a measurement's group, noncentered.
 *
 *   y[i] ~ Normal(theta + X[i] beta + u of the group of i in each factor,
 *                 sigma)
 *   u    ~ Normal(0, tau[f])                      for the groups of factor f
 *   theta, beta ~ Normal,  tau, sigma ~ HalfNormal
 *
 * u holds the effects of all factors, one after the other; the sampler moves
 * offsets z that are standard normal.  A batch within a day and a plate that
 * meets all batches are factors alike: what is nested in what shows in the
 * groups that `index` gives to each measurement.
 *
 * theta, u, tau, sigma in the unit of y; beta in that unit for one unit of the
 * predictor; z has none.
 */
data {
  int<lower=1> N;                                // measurements
  int<lower=1> F;                                // factors
  array[F] int<lower=1> J;                       // groups of each factor
  array[F, N] int<lower=1> index;                // the group of each, from 1
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
  for (f in 1:F) {
    first[f] = sum(J[1:(f - 1)]) + 1;
    if (max(index[f]) > J[f])
      reject("factor ", f, " has a group ", max(index[f]), " of ", J[f]);
  }
}

parameters {
  real theta;
  vector[P] beta;
  vector<lower=0>[F] tau;
  real<lower=0> sigma;
  vector[sum(J)] z;                              // offsets, in units of tau
}

transformed parameters {
  vector[sum(J)] u;
  for (f in 1:F)
    u[first[f]:(first[f] + J[f] - 1)]
      = tau[f] * segment(z, first[f], J[f]);
}

model {
  vector[N] mu = rep_vector(theta, N);
  for (f in 1:F) mu += segment(u, first[f], J[f])[index[f]];

  theta ~ normal(prior_theta[1], prior_theta[2]);
  for (p in 1:P) beta[p] ~ normal(prior_beta[p][1], prior_beta[p][2]);
  tau ~ normal(0, prior_tau);                    // half-normal, as tau > 0
  sigma ~ normal(0, prior_sigma);
  z ~ std_normal();

  y ~ normal_id_glm(X, mu, beta, sigma);
}
