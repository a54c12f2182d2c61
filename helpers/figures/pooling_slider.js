// Everything given the τ of the slider, from tables computed in Python (pooling_slider.py).
const at = slider.value;
const { tau, density, cdf } = curve.data;

const { own, n, number, size, color } = colonies.data;
const rows = own.length;
const mean = Array.from(means.slice(at * rows, (at + 1) * rows));
const sd = Array.from(sds.slice(at * rows, (at + 1) * rows));
const reach = (sign) => mean.map((m, i) => m + sign * width * sd[i]);
colonies.data = { own, n, number, size, color, mean, sd, low: reach(-1), high: reach(1) };

below.data = { tau: tau.slice(0, at + 1), density: density.slice(0, at + 1), cdf: cdf.slice(0, at + 1) };
now.data = { tau: [tau[at]], density: [density[at]] };
text.text = `With probability ${cdf[at].toFixed(3)}, τ is smaller than ${Number(tau[at].toPrecision(2))} ${unit}`;
