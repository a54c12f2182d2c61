// Ellipses, groups and their lines, as the sliders say. The same as `state` in line_ellipse.py,
// which fills the figure before anybody touches it.
const [tau1, tau2, rho] = sliders.map((slider) => slider.value);
const rest = Math.sqrt(1 - rho * rho);
const place = (pairs) => ({
  intercept: pairs.map(([z]) => theta + tau1 * z),
  slope: pairs.map(([z, other]) => beta + tau2 * (rho * z + rest * other)),
});

const outlines = rings.map(place);
const column = (name) => outlines.map((outline) => outline[name]);
ellipses.data = { ...ellipses.data, intercept: column("intercept"), slope: column("slope") };

const { intercept, slope } = place(pairs);
const [low, high] = ends.map((x) => intercept.map((y, i) => y + slope[i] * x));
groups.data = { ...groups.data, intercept, slope, low, high };

// where the sd of the lines is smallest
const at = (-rho * tau1) / tau2;
mark.data = { x: tau2 === 0 ? [] : [at] };

// what a reader should take from it
const sd = (number) => `with an sd of ${Number(number.toPrecision(2))} ${unit}`;
const x = Math.floor(10 * at + 0.5) / 10;
if (tau2 === 0) {
  const same = "All groups have the same line.";
  text.text = tau1 > 0 ? `All lines are parallel, ${sd(tau1)} at every x.` : same;
} else if (tau1 === 0) {
  text.text = "All lines pass through one point, at x = 0.";
} else {
  const outside = ` (to the ${x > 0 ? "right" : "left"} of the picture)`;
  const near = String(x).replace("-", "−") + (Math.abs(x) > ends[1] ? outside : "");
  const none = "The height of a group at x = 0 says nothing about its slope";
  const some = `Groups that are high at x = 0 tend to rise ${rho < 0 ? "less" : "more"}`;
  const said = Math.abs(rho) < 0.01 ? none : some;
  text.text = `${said}: the lines are closest near x = ${near}, ${sd(tau1 * rest)} there.`;
}
