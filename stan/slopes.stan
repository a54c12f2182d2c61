/*
 * Groups with a line each: intercept and slope vary together, noncentered.
 *
 *   y[i] ~ Normal(theta_1[g] + beta_1[g] X[i, 1] + the other predictors,
 *                 sigma)                              g: the group of i
 *   (theta_1[g], beta_1[g]) ~ Normal((theta, beta[1]), Sigma)
 *   Sigma = (tau[1]^2,             rho tau[1] tau[2];
 *            rho tau[1] tau[2],    tau[2]^2)
 *   theta, beta ~ Normal,  tau, sigma ~ HalfNormal,  rho ~ LKJ: its density is
 *   proportional to (1 - rho^2)^(prior_rho - 1)
 *
 * The sampler moves offsets z that are standard normal, and the Cholesky
 * factor of the correlation makes intercepts and slopes of them.  The slope
 * of the first predictor varies by group; each further one has one slope for
 * all groups, and may itself be something of the group.
 *
 * theta, theta_1, tau[1], sigma in the unit of y; beta, beta_1, tau[2] in that
 * unit for one unit of the predictor; rho and z have none.
 */
data {
  int<lower=1> N;                                // measurements
  int<lower=1> J_1;                              // groups
  array[N] int<lower=1, upper=J_1> index_1;      // the group of each
  int<lower=1> P;                                // predictors
  matrix[N, P] X;
  vector[N] y;
  vector[2] prior_theta;                         // mean and sd
  array[P] vector[2] prior_beta;                 // the same for each slope
  vector<lower=0>[2] prior_tau;                  // scales of the half-normals
  real<lower=0> prior_rho;                       // 1: flat; more: nearer to 0
  real<lower=0> prior_sigma;                     // scale of the half-normal
}

parameters {
  real theta;
  vector[P] beta;
  vector<lower=0>[2] tau;
  cholesky_factor_corr[2] L;                     // of the correlation
  real<lower=0> sigma;
  matrix[2, J_1] z;                              // offsets
}

transformed parameters {
  vector[J_1] theta_1;
  vector[J_1] beta_1;
  {
    matrix[2, J_1] u = diag_pre_multiply(tau, L) * z;
    theta_1 = theta + u[1]';
    beta_1 = beta[1] + u[2]';
  }
}

model {
  vector[N] mu = theta_1[index_1] + beta_1[index_1] .* X[, 1];
  if (P > 1) mu += X[, 2:P] * beta[2:P];

  theta ~ normal(prior_theta[1], prior_theta[2]);
  for (p in 1:P) beta[p] ~ normal(prior_beta[p][1], prior_beta[p][2]);
  tau ~ normal(0, prior_tau);                    // half-normal, as tau > 0
  L ~ lkj_corr_cholesky(prior_rho);
  sigma ~ normal(0, prior_sigma);
  to_vector(z) ~ std_normal();

  y ~ normal(mu, sigma);
}

generated quantities {
  real rho = L[2, 1];
}
