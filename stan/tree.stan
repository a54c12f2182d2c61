/*
 * The hierarchical model for a tree of any depth, anywhere between noncentered
 * and centered.
 *
 *   theta ~ Normal, tau ~ HalfNormal, sigma ~ HalfNormal
 *   node[j] ~ Normal(parent of node j, tau)
 *   y       ~ Normal(leaf, sigma)
 *
 * Priors are data, nodes of all levels stand in one vector, and y are single
 * measurements.
 *
 * The sampler moves x.  With w[j] the weight of node j,
 *
 *   x[j] ~ Normal(w[j] parent, tau^w[j]),
 *   node[j] = parent + tau^(1 - w[j]) (x[j] - w[j] parent).
 *
 * Weight 0 is noncentered (x is the standardised offset), weight 1 centered
 * (x is the node itself).
 *
 * Of a leaf's measurements only their number, mean and sum of squares matter,
 * so the cost goes with the nodes, not with the measurements.
 * helpers.tree_data makes the data.  theta, tau, sigma, node and y in the unit
 * of the measurements.
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
  vector<lower=1>[J[K]] n;                          // measurements of a leaf
  vector[J[K]] y_mean;                              // their mean
  vector<lower=0>[J[K]] y_squares;                  // sum of squares about it
  int<lower=0, upper=1> shared_tau;                 // 1: one tau, 0: K of them
  vector<lower=0, upper=1>[sum(J)] weight;          // 1: centered, 0: not
  int<lower=0, upper=1> write_nodes;                // whether to write nodes
  vector[2] prior_theta;                            // mean and sd
  vector<lower=0>[shared_tau ? 1 : K] prior_tau;    // scale of the half-normal
  real<lower=0> prior_sigma;                        // the same for sigma
}

transformed data {
  int M = sum(J);
  int T = shared_tau ? 1 : K;
  array[K] int last = last_nodes(J);
  array[K] int blend = rep_array(-1, K);
  vector[J[K]] root_n = sqrt(n);
  vector[J[K]] root_n_y = root_n .* y_mean;
  // measurements beyond the first of each leaf
  real repeats = sum(n) - J[K];
  real squares = sum(y_squares);
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
  real<lower=0> sigma;
  vector[M] x;
}

model {
  vector[M] own = nodes(x, theta, tau, parent, last, weight, blend);

  theta ~ normal(prior_theta[1], prior_theta[2]);
  tau ~ normal(0, prior_tau);                       // half-normal, as tau > 0
  sigma ~ normal(0, prior_sigma);

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

  // The same as y ~ normal(leaf, sigma) for single measurements, up to a
  // constant.
  root_n_y ~ normal(root_n .* own[(M - J[K] + 1):M], sigma);
  target += -repeats * log(sigma) - 0.5 * squares / square(sigma);
}

generated quantities {
  vector[write_nodes ? M : 0] node;
  if (write_nodes) node = nodes(x, theta, tau, parent, last, weight, blend);
}
