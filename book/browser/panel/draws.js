// Draws of the panel "Sample here" while they come, and the rows of them that its pictures show.

(() => {
  // what is kept of every draw
  const KEPT = ["theta", "tau", "sigma", "node", "energy", "divergent"];

  course.Draws = class {
    constructor({ chains, warmup, draws }) {
      this.warmup = warmup;
      this.length = warmup + draws;
      this.count = new Array(chains).fill(0); // of rows that have come, for each chain
      const rows = () => new Float64Array(this.length);
      this.columns = Object.fromEntries(KEPT.map((name) => [name, this.count.map(rows)]));
    }
    // The columns that are kept, in programs for any depth and for three levels
    static follow(isTree) {
      const [tau, node] = isTree ? ["tau.1", "node.1"] : ["tau", "theta_1.1"];
      return ["theta", tau, "sigma", node, "energy__", "divergent__"];
    }
    add(chain, rows) {
      for (let at = 0; at < rows.length; at += KEPT.length) {
        const row = this.count[chain]++;
        for (let k = 0; k < KEPT.length; k++) this.columns[KEPT[k]][chain][row] = rows[at + k];
      }
    }
    share() {
      return this.count.reduce((total, count) => total + count) / (this.count.length * this.length);
    }
    // draws without the warm-up, of chains that are complete
    complete() {
      const kept = ([name, chains]) => [name, chains.map((chain) => chain.subarray(this.warmup))];
      return Object.fromEntries(Object.entries(this.columns).map(kept));
    }
    // The pictures show so many rows at most, evenly spaced, and all that are divergent.
    step(rows, dots) {
      return Math.max(1, Math.ceil((this.count.length * rows) / dots));
    }
    trace(dots) {
      const step = this.step(this.length, dots);
      const rows = this.count.map((count) => Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step));
      return {
        draw: rows.map((some) => some.map((row) => row + 1 - this.warmup)),
        tau: rows.map((some, chain) => some.map((row) => this.columns.tau[chain][row])),
      };
    }
    // an unknown, or the node's distance from θ, against τ
    against(unknown, dots) {
      const step = this.step(this.length - this.warmup, dots);
      return this.some(unknown, (_, row) => (row - this.warmup) % step === 0);
    }
    divergent() {
      const { divergent } = this.columns;
      const one = (chain, row) => divergent[chain][row] > 0;
      return { ...this.some("theta", one), ...this.some("offset", one) };
    }
    some(unknown, wanted) {
      const { theta, node, tau } = this.columns;
      const shown = { [unknown]: [], tau: [] };
      this.count.forEach((count, chain) => {
        for (let row = this.warmup; row < count; row++) {
          if (!wanted(chain, row)) continue;
          shown[unknown].push(unknown === "theta" ? theta[chain][row] : node[chain][row] - theta[chain][row]);
          shown.tau.push(tau[chain][row]);
        }
      });
      return shown;
    }
  };
})();
