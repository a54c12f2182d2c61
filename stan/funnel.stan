/*
 * A funnel, after Neal: the geometry of a hierarchical model with nothing
 * else in the way.
 *
 *   log_tau ~ Normal(0, 3)
 *   x       ~ Normal(0, exp(log_tau))
 *
 * One group mean x, whose spread tau = exp(log_tau) is itself unknown, and no
 * data.
 */
parameters {
  real log_tau;
  real x;
}

model {
  log_tau ~ normal(0, 3);
  x ~ normal(0, exp(log_tau));
}
