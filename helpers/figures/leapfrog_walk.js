// One Hamiltonian path in the funnel, computed anew whenever a control is moved. The same as `leapfrog` and
// `_report` in leapfrog_walk.py, which fill the figure before anybody touches it.
const h = 10 ** step.value;
const tau = 10 ** start.value;
const noncentered = form.active === 1;
let x = noncentered ? 1 : tau;
let log_tau = Math.log(tau);
let [p_x, p_log_tau] = kicks[kick.data.number[0]];

// minus the log density, and its slope
const potential = () => log_tau ** 2 / 18 + (noncentered ? x ** 2 / 2 : log_tau + (x * Math.exp(-log_tau)) ** 2 / 2);
const slope = () => {
  if (noncentered) return [x, log_tau / 9];
  const z = x * Math.exp(-log_tau);
  return [z * Math.exp(-log_tau), log_tau / 9 + 1 - z ** 2];
};
const energy = () => potential() + (p_x ** 2 + p_log_tau ** 2) / 2;
const push = () => {
  const [along_x, along_log_tau] = slope();
  p_x -= (h / 2) * along_x;
  p_log_tau -= (h / 2) * along_log_tau;
};

const before = energy();
const walked = { move: [0], x: [x], log_tau: [log_tau], error: [0] };
const broken = { move: [], x: [], log_tau: [], to_x: [], to_log_tau: [], error: [] };
const add = (table, row) => {
  for (const [i, column] of Object.values(table).entries()) column.push(row[i]);
};
for (let move = 1; move <= moves; move++) {
  const from = [x, log_tau];
  push();
  x += h * p_x;
  log_tau += h * p_log_tau;
  push();
  let error = energy() - before;
  if (!(error <= limit)) {
    if (Number.isNaN(error)) error = Infinity;
    add(broken, [move, ...from, x, log_tau, Math.min(error, shown[1])]);
    break;
  }
  add(walked, [move, x, log_tau, error]);
}
walked.size = walked.error.map((error) => Math.max(Math.abs(error), shown[0]));
path.data = walked;
end.data = broken;

// what a reader should take from it
const largest = Math.max(...walked.error.map(Math.abs));
const verdict =
  Math.max(...walked.error) > 5
    ? "so far off, a point is next to never kept."
    : largest > 0.5
      ? "a rough path, of some use."
      : "the path is followed well.";
text.text = broken.move.length
  ? `<b>Divergence</b> in move ${broken.move[0]}: the energy is off by more than 1,000.`
  : `Largest energy error ${Number(largest.toPrecision(2))}: ${verdict}`;

hills.forEach((hill, i) => {
  hill.visible = i === form.active;
});
const frame = frames[form.active];
axis.axis_label = frame.label;
x_range.setv(frame.x);
y_range.setv(frame.y);
