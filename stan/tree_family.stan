/*
 * The hierarchical model for a tree of any depth whose leaves measure
 * something else than a normal number.
 *
 *   theta ~ Normal, tau ~ HalfNormal
 *   node[j] ~ Normal(parent of node j, tau)
 *
 *   family 1   y     ~ Student-t(nu, leaf, sigma), sigma ~ HalfNormal,
 *                      nu given, or nu ~ Gamma(shape, rate)
 *   family 2   count ~ Poisson(exposure * exp(leaf))
 *   family 3   count ~ Binomial(trials, inv_logit(leaf))
 *
 * Priors are data, nodes of all levels stand in one vector, and the sampler
 * moves x, noncentered at weight 0 and centered at weight 1: see tree.stan,
 * where the functions `above` and `nodes` are the same.
 *
 * Counts of one leaf add up, so a leaf has one count, with the sum of its
 * exposures or trials; of outliers every single measurement matters.
 * helpers.tree_data makes the data.  For family 1 theta, tau, sigma, node and
 * y are in the unit of the measurements; for 2 theta, tau and node are logs of
 * a rate, in counts for one unit of exposure; for 3 they are log odds.
 */
functions {
#include tree.stanfunctions

  // The parents of some nodes of one level.
  vector above(vector node, real theta, array[] int parent) {
    if (parent[1] == 0) return rep_vector(theta, size(parent));
    return node[parent];
  }

  // All nodes, level by level from the top.  blend[k] is 0 or 1 if all nodes
  // of level k have this weight.
  vector nodes(vector x, real theta, vector tau, array[] int parent,
               array[] int last, vector weight, array[] int blend) {
    vector[rows(x)] node;
    int T = rows(tau);  // min(k, rows(tau)) does not compile from Stan 2.36 on
    int a = 1;
    for (k in 1:size(last)) {
      int b = last[k];
      real spread = tau[min(k, T)];
      if (blend[k] == 0 && k == 1) node[a:b] = theta + spread * x[a:b];
      else if (blend[k] == 0) node[a:b] = node[parent[a:b]] + spread * x[a:b];
      else if (blend[k] == 1) node[a:b] = x[a:b];
      else {
        vector[b - a + 1] up = above(node, theta, parent[a:b]);
        node[a:b] = up + exp((1 - weight[a:b]) * log(spread))
                         .* (x[a:b] - weight[a:b] .* up);
      }
      a = b + 1;
    }
    return node;
  }
}

data {
  int<lower=1> K;                                   // levels of nodes
  array[K] int<lower=1> J;                          // nodes of each level
  array[sum(J)] int<lower=0, upper=sum(J)> parent;  // 0: the population
  int<lower=1, upper=3> family;                     // see above
  int<lower=0> N;                                   // measurements, 0: counts
  vector[N] y;                                      // measurements
  array[N] int<lower=1, upper=J[K]> leaf;           // of each, from 1
  array[family == 1 ? 0 : J[K]] int<lower=0> count;   // total of each leaf
  array[family == 3 ? J[K] : 0] int<lower=1> trials;  // total of each leaf
  vector<lower=0>[family == 2 ? J[K] : 0] exposure;   // total of each leaf
  int<lower=0, upper=1> shared_tau;                 // 1: one tau, 0: K of them
  vector<lower=0, upper=1>[sum(J)] weight;          // 1: centered, 0: not
  int<lower=0, upper=1> write_nodes;                // whether to write nodes
  vector[2] prior_theta;                            // mean and sd
  vector<lower=0>[shared_tau ? 1 : K] prior_tau;    // scale of the half-normal
  real<lower=0> prior_sigma;                        // the same for sigma
  real<lower=0> nu_given;                           // 0: nu is unknown
  vector<lower=0>[2] prior_nu;                      // shape and rate
}

transformed data {
  int M = sum(J);
  int T = shared_tau ? 1 : K;
  int unknown_nu = family == 1 && nu_given == 0;
  array[K] int last = last_nodes(J);
  array[K] int blend = rep_array(-1, K);
  vector[rows(exposure)] log_exposure = log(exposure);
  for (k in 1:K) {
    vector[J[k]] w = weight[(last[k] - J[k] + 1):last[k]];
    if (min(w) == 1) blend[k] = 1;
    if (max(w) == 0) blend[k] = 0;
  }
  check_tree(J, parent);
}

parameters {
  real theta;
  vector<lower=0>[T] tau;
  vector<lower=0>[family == 1 ? 1 : 0] sigma;
  vector<lower=0>[unknown_nu] nu;
  vector[M] x;
}

model {
  vector[M] own = nodes(x, theta, tau, parent, last, weight, blend);
  vector[J[K]] leaves = own[(M - J[K] + 1):M];

  theta ~ normal(prior_theta[1], prior_theta[2]);
  tau ~ normal(0, prior_tau);                       // half-normal, as tau > 0
  sigma ~ normal(0, prior_sigma);
  nu ~ gamma(prior_nu[1], prior_nu[2]);

  if (max(weight) == 0) x ~ std_normal();
  else for (k in 1:K) {
    int a = last[k] - J[k] + 1;
    int b = last[k];
    real spread = tau[min(k, T)];
    if (blend[k] == 0) x[a:b] ~ std_normal();
    else if (blend[k] == 1)
      x[a:b] ~ normal(above(own, theta, parent[a:b]), spread);
    else
      x[a:b] ~ normal(weight[a:b] .* above(own, theta, parent[a:b]),
                      exp(weight[a:b] * log(spread)));
  }

  if (family == 1)
    y ~ student_t(unknown_nu ? nu[1] : nu_given, leaves[leaf], sigma[1]);
  else if (family == 2) count ~ poisson_log(log_exposure + leaves);
  else count ~ binomial_logit(trials, leaves);
}

generated quantities {
  vector[write_nodes ? M : 0] node;
  if (write_nodes) node = nodes(x, theta, tau, parent, last, weight, blend);
}
