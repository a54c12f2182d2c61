// What the data of a leaf say about it, and about its parent. The same as `messages` and `_words` in
// leaf_message.py, which fill the figure before anybody touches it.
const kind = kinds[choice.active];
for (const [name, slider] of Object.entries(sliders)) {
  slider.visible = name === "tau" || uses[choice.active].includes(name);
}
const { value: trials } = sliders.trials;
const successes = Math.min(sliders.successes.value, trials);
sliders.successes.setv({ end: trials, value: successes });
const [tau, distance, nu, count] = ["tau", "distance", "nu", "count"].map((name) => sliders[name].value);

// log likelihood, but for a constant
const logExpit = (u) => (u < 0 ? u - Math.log1p(Math.exp(u)) : -Math.log1p(Math.exp(-u)));
const squares = (u) => [(u - distance / 2) ** 2, (u + distance / 2) ** 2];
const sum = (terms) => terms.reduce((total, term) => total + term, 0);
const logLikelihood = {
  normal: (u) => -sum(squares(u)) / 2,
  student_t: (u) => (-(nu + 1) / 2) * sum(squares(u).map((square) => Math.log1p(square / nu))),
  binomial: (u) => successes * logExpit(u) + (trials - successes) * logExpit(-u),
  poisson: (u) => count * u - Math.exp(u),
}[kind];

// its peak, null if there is none, and minus its second derivative there
let peak = 0;
let curvature = 2;
if (kind === "student_t") {
  peak = Math.sqrt(Math.max((distance / 2) ** 2 - nu, 0));
  curvature = (nu + 1) * sum(squares(peak).map((square) => (nu - square) / (nu + square) ** 2));
} else if (kind === "binomial") {
  peak = successes % trials === 0 ? null : Math.log(successes / (trials - successes));
  curvature = successes * (1 - successes / trials);
} else if (kind === "poisson") {
  peak = count === 0 ? null : Math.log(count);
  curvature = count;
}

// the leaf's curve, and its average over a normal step of spread τ
const top = peak === null ? 0 : logLikelihood(peak);
const step = 0.15 / Math.max(tau, 0.375);
const far = Math.ceil(6 / step);
const z = Array.from({ length: 2 * far + 1 }, (_, i) => step * (i - far));
const weight = z.map((one) => Math.exp((-one * one) / 2));
const total = sum(weight);
const x = Array.from(curves.data.x);
const leaf = x.map((u) => Math.exp(logLikelihood(u) - top));
let parent = x.map((u) => sum(z.map((one, i) => weight[i] * Math.exp(logLikelihood(u + tau * one) - top))) / total);
if (peak !== null) {
  // a parabola through the largest value and those beside it
  let i = 1;
  for (let j = 1; j < x.length - 1; j++) if (parent[j] > parent[i]) i = j;
  const [before, at, after] = parent.slice(i - 1, i + 2);
  const largest = at + (after - before) ** 2 / (8 * (2 * at - before - after));
  parent = parent.map((y) => y / largest);
}

// the normal curve with the same peak and curvature, and the same passed up
const variance = curvature ? 1 / curvature : Number.NaN;
const normal = [variance, variance + tau ** 2].map((v) => x.map((u) => Math.exp(-((u - peak) ** 2) / (2 * v))));
const off = [leaf, parent].map((y, k) => Math.max(...y.map((one, i) => Math.abs(one - normal[k][i]))));
curves.data = { x, leaf, parent, leaf_normal: normal[0], parent_normal: normal[1] };
measured.data = { x: uses[choice.active].includes("distance") ? [-distance / 2, distance / 2] : [] };
axis.axis_label = `${label} (${units[choice.active]})`;
for (const [name, one] of Object.entries(above)) one.visible = name === kind;

// what a reader should take from it
const counts = { binomial: `${successes} of ${trials}`, poisson: `A count of ${count}` };
const data = counts[kind] ?? `Two measurements, ${distance} apart`;
const [atLeaf, atParent] = off.map((one) => `${(100 * one).toFixed(1)}%`);
if (kind === "normal") {
  text.text = `${data}: a normal curve, the same at any distance. For the parent it is a normal curve, too.`;
} else if (peak === null) {
  const size = kind === "binomial" && successes ? "small" : "large";
  text.text = `${data}: the data rule out ${size} values, and nothing else. No normal curve has this shape.`;
} else if (!curvature) {
  text.text = `${data}: the peak is flat, so there is no normal curve of the same curvature.`;
} else {
  const two = kind === "student_t" && peak > 0;
  const which = two ? "there are two peaks, and a normal curve has only one. It" : "the normal curve";
  const verdict = off[1] < enough ? "which is good enough" : "which is too much";
  text.text = `${data}: ${which} is off by up to ${atLeaf} at the leaf and ${atParent} at its parent, ${verdict}.`;
}
