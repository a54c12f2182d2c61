/*
 * The hierarchical model for a tree of any depth, with theta and all nodes
 * integrated out.
 *
 *   theta ~ Normal, tau ~ HalfNormal, sigma ~ HalfNormal
 *   node[j] ~ Normal(parent of node j, tau)
 *   y       ~ Normal(leaf, sigma)
 *
 * Priors are data, nodes of all levels stand in one vector, and y are single
 * measurements.
 *
 * Given tau and sigma everything is normal, so log p(y | tau, sigma) takes one
 * pass up the tree, and the sampler moves tau and sigma alone.  theta and the
 * nodes are drawn afterwards, from their exact distribution given these two.
 *
 * The cost of a gradient goes with the nodes above the leaves, and with the
 * different sizes of the leaves below each.  helpers.tree_data makes the data.
 * theta, tau, sigma, node and y in the unit of the measurements.
 */
functions {
#include tree.stanfunctions

  // What the measurements below a node say of it is a message: a normal
  // density with mean m and precision P (1 / variance).  Returns P and m of
  // theta (row 1) and of the nodes above the leaves (node j in row j + 1), and
  // last log p(y | tau, sigma).
  //
  // A leaf of n measurements speaks of its parent with the variance
  // tau^2 + sigma^2 / n.  Leaves of one size do so with one precision, and
  // those that have the same parent make up a bin; what leaves cost goes with
  // the bins.  Their means are measured from `centre`, that of their siblings.
  vector upward(array[] int J, array[] int row, array[] int parent_row,
                array[] int children, array[] int bins, array[] int bin_size,
                vector bin_leaves, vector bin_sum, vector centre,
                vector sizes, vector leaves, vector scatter, real repeats,
                real squares, vector prior_theta, vector tau, real sigma) {
    int T = rows(tau);
    int last = size(children);  // rows first to last are those of one level
    int first = last - rows(centre) + 1;
    real log_p = -repeats * log(sigma) - 0.5 * squares / square(sigma);
    vector[last] P;
    vector[last] m;
    {
      vector[rows(sizes)] q
        = sizes ./ (square(sigma) + square(tau[T]) * sizes);
      vector[size(bin_size)] bin_q = q[bin_size];
      vector[size(bin_size)] bin_P = bin_leaves .* bin_q;
      vector[size(bin_size)] bin_away = bin_sum .* bin_q;
      vector[rows(centre)] Pk;
      vector[rows(centre)] away;
      int b = 0;
      for (j in 1:rows(centre)) {
        int a = b + 1;
        b += bins[j];
        Pk[j] = sum(bin_P[a:b]);
        away[j] = sum(bin_away[a:b]);
      }
      P[first:last] = Pk;
      m[first:last] = centre + away ./ Pk;
      log_p += 0.5 * (dot_product(leaves, log(q)) - sum(log(Pk)));
      log_p += -0.5
               * (dot_product(scatter, q) - dot_product(away, away ./ Pk));
    }
    // from the level above the leaves to the first
    for (back in 1:(size(J) - 1)) {
      int k = size(J) - back;
      array[J[k]] int siblings = row[first:last];   // siblings stand together
      vector[J[k]] mk = m[siblings];
      vector[J[k]] q
        = P[siblings] ./ (1 + square(tau[min(k, T)]) * P[siblings]);
      vector[J[k]] qm = q .* mk;
      int b = 0;
      last = first - 1;
      first = k == 1 ? 1 : first - J[k - 1];
      // normal densities multiplied: precisions add up
      for (j in first:last) {
        int a = b + 1;
        b += children[j];
        P[j] = sum(q[a:b]);
        m[j] = sum(qm[a:b]) / P[j];
      }
      log_p += 0.5 * (sum(log(q)) - sum(log(P[first:last])));
      log_p += -0.5
               * dot_product(q,
                   square(mk - m[parent_row[(last + 1):(last + J[k])]]));
    }
    real variance = square(prior_theta[2]) + 1 / P[1];
    log_p += -0.5 * (square(m[1] - prior_theta[1]) / variance + log(variance));
    return append_row(append_row(P, m), log_p);
  }

  // A positive spread from a real x.  For large x it is about scale * x.  For
  // small x it goes to zero as fast as exp(-x^2 / 2), so the flat density of a
  // spread near zero becomes the flank of a bell; in the logarithm, which Stan
  // would take for a positive parameter, it becomes a long tail.
  real spread(real x, real scale) {
    return scale * log1p_exp(x - 0.5 * square(log1p_exp(-x)));
  }
  real log_slope(real x, real scale) {  // log of d spread / d x
    real low = log1p_exp(-x);
    return log(scale) + log_inv_logit(x - 0.5 * square(low))
           + log1p(low * inv_logit(-x));
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
  int<lower=0, upper=1> write_nodes;                // whether to draw nodes
  vector[2] prior_theta;                            // mean and sd
  vector<lower=0>[shared_tau ? 1 : K] prior_tau;    // scale of the half-normal
  real<lower=0> prior_sigma;                        // the same for sigma
}

transformed data {
  int M = sum(J);
  int I = M - J[K];                                 // nodes above the leaves
  int A = K == 1 ? 1 : J[K - 1];                    // parents of leaves
  int T = shared_tau ? 1 : K;
  // means are counted from here: no digits are lost
  real shift = mean(y_mean);
  // measurements beyond the first of each leaf
  real repeats = sum(n) - J[K];
  real squares = sum(y_squares);
  real constant = -0.5 * (sum(log(n)) + sum(n) * log(2 * pi()));
  vector[2] prior = [prior_theta[1] - shift, prior_theta[2]]';
  // row 1, then those of nodes, siblings together; the rows of their parents
  array[I + 1] int row;
  array[I + 1] int parent_row;
  array[I + 1] int children = rep_array(0, I + 1);  // of each row: children
  array[A] int bins = rep_array(0, A);              // of leaves' parents: bins
  // of each leaf: which of the sizes it has; its bin, that is, parent and
  // size; its mean from that of its siblings, the centre of their parent
  array[J[K]] int kind;
  array[J[K]] int bin;
  vector[J[K]] d;
  vector[A] centre = rep_vector(0, A);
  int sizes_there_are = 0;
  int bins_there_are = 0;

  check_tree(J, parent);
  row[1] = 1;
  parent_row[1] = 0;
  {
    array[I] int order = sort_indices_asc(parent[1:I]);
    for (i in 1:I) {
      row[i + 1] = order[i] + 1;
      parent_row[i + 1] = parent[order[i]] + 1;
    }
    for (j in 1:M) children[parent[j] + 1] += 1;
    for (i in 1:J[K]) centre[parent[I + i] - I + A] += y_mean[i] - shift;
    for (j in 1:A) centre[j] /= children[I + 1 - A + j];
  }
  {
    array[J[K]] int order = sort_indices_asc(n);
    vector[J[K]] key;  // sorts leaves by parent, then by size
    for (i in 1:J[K]) {
      int leaf = order[i];
      if (i == 1 || n[leaf] > n[order[max(1, i - 1)]]) sizes_there_are += 1;
      kind[leaf] = sizes_there_are;
      key[leaf] = parent[I + leaf] + kind[leaf] / (1.0 + J[K]);
      d[leaf] = y_mean[leaf] - shift - centre[parent[I + leaf] - I + A];
    }
    order = sort_indices_asc(key);
    for (i in 1:J[K]) {
      int leaf = order[i];
      if (i == 1 || key[leaf] > key[order[max(1, i - 1)]]) {
        bins_there_are += 1;
        bins[parent[I + leaf] - I + A] += 1;
      }
      bin[leaf] = bins_there_are;
    }
  }

  // of each size: itself, its leaves, their sum of d^2
  vector[sizes_there_are] sizes;
  vector[sizes_there_are] leaves = rep_vector(0, sizes_there_are);
  vector[sizes_there_are] scatter = rep_vector(0, sizes_there_are);
  // of each bin: its size, its leaves, their sum of d
  array[bins_there_are] int bin_size;
  vector[bins_there_are] bin_leaves = rep_vector(0, bins_there_are);
  vector[bins_there_are] bin_sum = rep_vector(0, bins_there_are);
  for (i in 1:J[K]) {
    sizes[kind[i]] = n[i];
    leaves[kind[i]] += 1;
    scatter[kind[i]] += square(d[i]);
    bin_size[bin[i]] = kind[i];
    bin_leaves[bin[i]] += 1;
    bin_sum[bin[i]] += d[i];
  }

  // Rough values of tau and sigma; too large costs little, too small much.
  // And how narrow their posterior may be: in these units it is about 1 wide,
  // also in a large tree, and Stan's pull of the metric to 1e-3 does no harm.
  real noise = repeats > 0 ? squares / repeats * mean(inv(n)) : 0;
  real rough = sqrt(fmax(J[K] > 1 ? variance(y_mean) : 0, noise));
  vector[T] scale_tau = prior_tau;
  real scale_sigma = prior_sigma;
  vector[T] unit_tau;
  real unit_sigma = inv_sqrt(1 + repeats);
  if (rough > 0) {
    scale_tau = rep_vector(rough, T);
    scale_sigma = sqrt((squares + square(rough)) / (repeats + 1));
  }
  for (t in 1:T) unit_tau[t] = inv_sqrt(1 + (T == 1 ? M : J[t]));
}

parameters {
  vector[T] z_tau;
  real z_sigma;
}

transformed parameters {
  vector[T] tau;
  real sigma = spread(unit_sigma * z_sigma, scale_sigma);
  for (t in 1:T) tau[t] = spread(unit_tau[t] * z_tau[t], scale_tau[t]);
}

model {
  // Densities are written out: in the search for a step size spreads may be
  // infinite, and normal() would complain.
  target += upward(J, row, parent_row, children, bins, bin_size, bin_leaves,
                   bin_sum, centre, sizes, leaves, scatter, repeats, squares,
                   prior, tau, sigma)[2 * I + 3];
  target += -0.5 * (dot_self(tau ./ prior_tau) + square(sigma / prior_sigma));
  target += log_slope(unit_sigma * z_sigma, scale_sigma);
  for (t in 1:T) target += log_slope(unit_tau[t] * z_tau[t], scale_tau[t]);
}

generated quantities {
  real theta;
  real log_p;  // log p(y | tau, sigma), with all constants
  vector[write_nodes ? M : 0] node;
  {
    vector[2 * I + 3] message
      = upward(J, row, parent_row, children, bins, bin_size, bin_leaves,
               bin_sum, centre, sizes, leaves, scatter, repeats, squares,
               prior, tau, sigma);
    real P0 = message[1];
    real variance = 1 / (P0 + 1 / square(prior[2]));
    log_p = message[2 * I + 3] + constant;
    theta = normal_rng(prior_theta[1]
                         + variance * P0 * (message[I + 2] - prior[1]),
                       sqrt(variance));
    if (write_nodes) {
      int j = 0;
      for (k in 1:K) {
        for (i in 1:J[k]) {
          j += 1;
          real up = parent[j] == 0 ? theta : node[parent[j]];
          real P = k == K ? n[i] / square(sigma) : message[j + 1];
          real m = shift + (k == K ? y_mean[i] - shift : message[I + 2 + j]);
          real v = square(tau[min(k, T)]) / (1 + square(tau[min(k, T)]) * P);
          node[j] = normal_rng(up + v * P * (m - up), sqrt(v));
        }
      }
    }
  }
}
