// The cloud of one group's x and log τ, drawn anew whenever the weight or the group size is moved. The same
// as `density`, `ratio` and `_words` in one_node.py, which draw the first one.
const w = weight.value;
const { n, ends, log_tau, density, mean, sd, width } = tables[size.value];

// from the node's offset to what the sampler moves: x - w parent = τ^(w - 1) (node - parent)
const scaled = (values) => Array.from(values, (value, i) => value * Math.exp((w - 1) * log_tau[i]));
const centre = scaled(mean);
const spread = scaled(sd);
rows.data = { log_tau, density, mean: centre, sd: spread };

// the frame fits the cloud; every cell holds its probability
const top = Math.max(...density);
const reach = Math.max(...centre.map((m, i) => (density[i] > top / 20 ? Math.abs(m) + 3.3 * spread[i] : 0)));
const image = cloud.data.image[0];
const [lines, columns] = image.shape;
const dx = (2 * reach) / columns;
const dy = log_tau[1] - log_tau[0];
const cell = new Float64Array(lines * columns);
for (let i = 0; i < lines; i++) {
  const drawn = Math.max(spread[i], 0.6 * dx); // or a thin neck would fall between the cells
  const scale = (density[i] * dx * dy) / (drawn * Math.sqrt(2 * Math.PI));
  for (let j = 0; j < columns; j++) {
    const z = ((j + 0.5) * dx - reach - centre[i]) / drawn;
    cell[i * columns + j] = scale * Math.exp((-z * z) / 2);
  }
}

// 3, 2 and 1: the densest cells that together hold 50%, 90% and 99%
const order = Uint32Array.from(cell.keys()).sort((a, b) => cell[b] - cell[a]);
let held = 0;
for (const at of order) {
  held += cell[at];
  image[at] = held <= 0.5 ? 3 : held <= 0.9 ? 2 : held <= 0.99 ? 1 : 0;
}
const bottom = log_tau[0] - dy / 2;
const height = lines * dy;
cloud.data = { image: [image], x: [-reach], y: [bottom], dw: [2 * reach], dh: [height] };
x_range.setv({ start: -reach, end: reach });
y_range.setv({ start: bottom, end: bottom + height });

// how wide it is at the two ends of the central 90% of τ
const at_ends = ends.map((end, k) => width[k] * Math.exp((w - 1) * end));
bars.data = { log_tau: ends, left: at_ends.map((s) => -s), right: at_ends };
const ratio = (v) => (width[1] / width[0]) * Math.exp((v - 1) * (ends[1] - ends[0]));
curve.data = { w: curve.data.w, ratio: Array.from(curve.data.w, ratio) };
now.data = { w: [w], ratio: [ratio(w)] };
if (here) here.location = n;

const factor = Math.max(ratio(w), 1 / ratio(w));
const kind = (factor > 2.5 ? "a funnel" : "a blunt funnel") + (ratio(w) < 1 ? " upside down" : "");
const shape =
  factor < 1.25
    ? "about as wide at the one as at the other"
    : `${Number(factor.toPrecision(2))} times as wide at the ${ratio(w) > 1 ? "upper" : "lower"} one: ${kind}`;
text.text = `90% of τ lie between the dashed lines. The cloud is ${shape}.`;
