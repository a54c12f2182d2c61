// The weights of the chosen node at the τ of the slider, from a table computed in Python (nested_weights.py).
const at = nodes.data.name.indexOf(node.value);
const { x, number, own, n } = leaves.data;
const across = own.length + 1;
const first = (slider.value * level.length + at) * across;
const weight = Array.from(table.slice(first, first + across));
const prior = weight.pop();

// a disc under every leaf, in the colour of its kind
const kinds = totals.data.kin;
const colors = totals.data.color;
const kind = kin[at];
leaves.data = {
  x,
  number,
  own,
  n,
  weight,
  size: weight.map((w) => disc * Math.sqrt(w)),
  kin: kind.map((k) => kinds[k]),
  color: kind.map((k) => colors[k]),
};
ring.data = { x: [nodes.data.x[at]], y: [nodes.data.y[at]] };

// the sums by kind; a dash where the node has no such kin
const sums = kinds.map(() => 0);
weight.forEach((w, leaf) => {
  sums[kind[leaf]] += w;
});
sums[sums.length - 1] = prior;
const share = sums.map((sum) => (sum === 0 ? "–" : `${(100 * sum).toFixed(1)}%`));
totals.data = { kin: kinds, weight: sums, share, color: colors };

let mean = prior * prior_mean;
let cells = 0;
let total = 0;
weight.forEach((w, leaf) => {
  mean += w * own[leaf];
  if (kind[leaf] === 0) {
    cells += n[leaf];
    total += n[leaf] * own[leaf];
  }
});
const [, name] = node.options[at];
text.text =
  `Given τ, ${name} has the mean ${mean.toFixed(2)} ${unit} ` +
  `Its own cells average ${(total / cells).toFixed(2)} ${unit}`;
