/*
 * The model of noncentered.stan with a spread for every level: days, batches
 * and colonies each have a tau of their own.
 *
 *   theta ~ Normal(10, 3),  tau[k] ~ HalfNormal(5),  sigma ~ HalfNormal(5)
 *   theta_k_tilde ~ Normal(0, 1)             k = 1 days, 2 batches, 3 colonies
 *   theta_1 = theta            + tau[1] theta_1_tilde
 *   theta_2 = theta_1[index_1] + tau[2] theta_2_tilde
 *   theta_3 = theta_2[index_2] + tau[3] theta_3_tilde
 *   y       ~ Normal(theta_3[index_3], sigma)
 *
 * theta, tau, sigma, theta_k and y in arbitrary units of fluorescence (a.u.);
 * the offsets theta_k_tilde have no unit.
 */
data {
  int<lower=1> N;                                   // cells measured
  int<lower=1> J_1;                                 // days
  int<lower=1> J_2;                                 // batches
  int<lower=1> J_3;                                 // colonies
  array[J_2] int<lower=1, upper=J_1> index_1;       // the day of each batch
  array[J_3] int<lower=1, upper=J_2> index_2;       // the batch of each colony
  array[N] int<lower=1, upper=J_3> index_3;         // the colony of each cell
  vector[N] y;                                      // fluorescence (a.u.)
}

parameters {
  real theta;
  vector<lower=0>[3] tau;                           // days, batches, colonies
  real<lower=0> sigma;
  vector[J_1] theta_1_tilde;                        // offsets, in units of
  vector[J_2] theta_2_tilde;                        // the tau of their level
  vector[J_3] theta_3_tilde;
}

transformed parameters {
  vector[J_1] theta_1 = theta + tau[1] * theta_1_tilde;
  vector[J_2] theta_2 = theta_1[index_1] + tau[2] * theta_2_tilde;
  vector[J_3] theta_3 = theta_2[index_2] + tau[3] * theta_3_tilde;
}

model {
  theta ~ normal(10, 3);
  tau ~ normal(0, 5);                               // half-normal, as tau > 0
  sigma ~ normal(0, 5);

  theta_1_tilde ~ std_normal();
  theta_2_tilde ~ std_normal();
  theta_3_tilde ~ std_normal();

  y ~ normal(theta_3[index_3], sigma);
}
