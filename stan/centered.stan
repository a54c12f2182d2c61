/*
 * The hierarchical model, centered: every node is drawn directly about its
 * parent.
 *
 *   theta   ~ Normal(10, 3)                      population mean        (a.u.)
 *   tau     ~ HalfNormal(5)                      spread about a parent  (a.u.)
 *   sigma   ~ HalfNormal(5)                      spread of single cells (a.u.)
 *   theta_1 ~ Normal(theta,            tau)      days
 *   theta_2 ~ Normal(theta_1[index_1], tau)      batches
 *   theta_3 ~ Normal(theta_2[index_2], tau)      colonies
 *   y       ~ Normal(theta_3[index_3], sigma)    single cells
 *
 * a.u.: arbitrary units of fluorescence, the unit of y.
 *
 * Model, priors and index arrays are by Justin Bois, BE/Bi 103 b, Caltech:
 * "General implementation of hierarchical models", bebi103b.github.io
 * (MIT License, see LICENSE).
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
  real<lower=0> tau;
  real<lower=0> sigma;
  vector[J_1] theta_1;
  vector[J_2] theta_2;
  vector[J_3] theta_3;
}

model {
  theta ~ normal(10, 3);
  tau ~ normal(0, 5);                               // half-normal, as tau > 0
  sigma ~ normal(0, 5);

  theta_1 ~ normal(theta, tau);
  theta_2 ~ normal(theta_1[index_1], tau);
  theta_3 ~ normal(theta_2[index_2], tau);

  y ~ normal(theta_3[index_3], sigma);
}
