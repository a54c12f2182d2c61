// What the tests ask of a page, as its reader has it before them: globalThis.look, there on every page.

const AREA = "main"; // what the book's authors answer for; around it is the theme's

// every element, those in the shadow roots of figures too; formulas are one element each
function* elements(root) {
  for (const el of root.children) {
    yield el;
    if (el.matches("mjx-container, script, style")) continue;
    if (el.shadowRoot) yield* elements(el.shadowRoot);
    yield* elements(el);
  }
}
const inArea = () => [...document.querySelectorAll(AREA)].flatMap((area) => [...elements(area)]);
const parent = (el) => el.assignedSlot ?? el.parentElement ?? el.getRootNode().host;
const visible = (el) =>
  el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && el.getBoundingClientRect().width > 1;
const own = (el) => [...el.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
const name = (el) => `${el.localName}${[...el.classList].map((c) => `.${c}`).join("")}`;
const label = (el) => `${name(el)}: ${short(el.textContent || el.ariaLabel || "")}`;
const short = (text) => text.trim().replace(/\s+/g, " ").slice(0, 60);

// ---- is it drawn?

let typeset = false;
function settled() {
  globalThis.MathJax?.startup?.promise?.then(() => {
    typeset = true;
  });
  const roots = [...document.querySelectorAll("[data-root-id]")];
  const documents = globalThis.Bokeh?.documents ?? [];
  return (
    document.readyState === "complete" &&
    document.fonts.status === "loaded" &&
    !document.querySelector("[aria-busy=true]") &&
    [...document.images].every((image) => image.complete || image.loading === "lazy") &&
    (typeset || !document.querySelector(".math")) &&
    roots.every((root) => root.childElementCount > 0) &&
    (roots.length === 0 || documents.length > 0) &&
    documents.every((doc) => doc.is_idle)
  );
}

// Figures wider than their column, and the panels of such
const wideFigures = () =>
  [...document.querySelectorAll("[data-root-id] > *")].flatMap((root) => {
    const edge = root.parentElement.parentElement.getBoundingClientRect().right + 1;
    return [root, ...root.shadowRoot.querySelectorAll("*")].filter((el) => el.getBoundingClientRect().right > edge);
  });
const fitted = () => wideFigures().length === 0;

// ---- formulas

// TeX where a reader would see it: not in code, where it belongs, nor in what MathJax has made
function rawFormulas() {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const code = node.parentElement.closest("pre, code, script, style, noscript, mjx-container");
    if (!code && /\\[a-zA-Z()[\]]|\$\$|\$[^$\s]+\$/.test(node.data)) found.push(short(node.data));
  }
  return found;
}
const formulas = () => ({
  bare: [...document.querySelectorAll(".math")]
    .filter((el) => !el.querySelector("mjx-container"))
    .map((el) => short(el.textContent)),
  wrong: [...document.querySelectorAll("mjx-merror, [data-mjx-error], [data-mml-node=merror]")].map((el) =>
    short(el.getAttribute("data-mjx-error") ?? el.textContent),
  ),
  raw: rawFormulas(),
});

// ---- colours, as WCAG 2 has it

const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const known = new Map();
function rgba(color) {
  if (!known.has(color)) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    known.set(color, [r, g, b, a / 255]);
  }
  return known.get(color);
}
const over = ([r, g, b, a], ground) => [r, g, b].map((c, i) => a * c + (1 - a) * ground[i]);
function ground(el) {
  if (!el) return [255, 255, 255];
  const color = rgba(getComputedStyle(el).backgroundColor);
  return color[3] === 1 ? color.slice(0, 3) : over(color, ground(parent(el)));
}
function luminance(rgb) {
  const [r, g, b] = rgb.map((c) => (c <= 0.04045 * 255 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function opacity(el) {
  return el ? getComputedStyle(el).opacity * opacity(parent(el)) : 1;
}

// What is hard to read: text and formulas with a contrast below 4.5, or 3 if they are large or a mere sign such
// as an arrow. One of each kind.
function faint() {
  const found = new Map();
  for (const el of inArea()) {
    if (!(el.matches("mjx-container") || own(el)) || !visible(el) || el.matches(":disabled, :disabled *")) continue;
    const style = getComputedStyle(el),
      behind = ground(el);
    const [r, g, b, a] = rgba(style.color);
    const ink = over([r, g, b, a * opacity(el)], behind);
    const [dark, light] = [luminance(ink), luminance(behind)].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05),
      size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const sign = !/[\p{L}\p{N}]/u.test(el.textContent);
    if (contrast >= (large || sign ? 3 : 4.5)) continue;
    const kind = `${name(parent(el))} > ${name(el)}: ${style.color} on rgb(${behind.map(Math.round)})`;
    if (!found.has(kind)) found.set(kind, `${kind}, contrast ${contrast.toFixed(1)}: ${short(el.textContent)}`);
  }
  return [...found.values()];
}
const cards = () => [...document.querySelectorAll("[data-root-id]")].map((el) => luminance(ground(el)));

// ---- controls

// those that the Tab key does not stop at
function unreachable() {
  const controls = inArea().filter((el) =>
    el.matches("button, input, select, textarea, summary, [role=slider], [role=button], .noUi-handle, .bk-btn"),
  );
  return controls
    .filter((el) => {
      if (!visible(el) || el.matches(":disabled, [type=hidden]")) return false;
      el.focus({ preventScroll: true });
      return el.tabIndex < 0 || el.getRootNode().activeElement !== el;
    })
    .map(label);
}
function active() {
  let el = document.activeElement;
  while (el?.shadowRoot?.activeElement) el = el.shadowRoot.activeElement;
  return el;
}

// ---- width

function scrolls(el) {
  for (el = parent(el); el && el !== document.body; el = parent(el)) {
    if (/auto|scroll/.test(getComputedStyle(el).overflowX)) return true;
  }
  return false;
}
// what hangs out of the window, and cannot be scrolled to without moving the whole page
const hanging = () =>
  inArea()
    .filter(
      (el) => visible(el) && !el.closest("svg") && el.getBoundingClientRect().right > innerWidth + 1 && !scrolls(el),
    )
    .map((el) => name(el));
// what its own box hides, without a way to scroll to it
const cutOff = () =>
  [...document.querySelectorAll("article :is(pre, table, img, mjx-container, [data-root-id] > *)")]
    .filter((el) => {
      const edge = el.getBoundingClientRect().right - 1;
      const hides = (box) => /hidden|clip/.test(getComputedStyle(box).overflowX);
      for (let box = el.parentElement; visible(el) && box.localName !== "article"; box = box.parentElement)
        if (hides(box) && box.getBoundingClientRect().right < edge) return true;
      return hides(el) && el.scrollWidth > el.clientWidth + 1;
    })
    .map(label);
// code of lessons that is wider than its cell, or than its solution
const scrollingCode = () =>
  [...document.querySelectorAll("article :is(.cell, details) pre")]
    .filter((el) => visible(el) && el.scrollWidth > el.clientWidth + 1)
    .map(label);

// ---- figures

const painted = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
const models = () =>
  (globalThis.Bokeh?.documents ?? []).flatMap((doc) => doc.roots()).flatMap((root) => [...root.references()]);

// Leave of every figure what is there without data, axes, grids and legends; or bring the data back
const wasVisible = new WeakMap();
async function showData(yes) {
  for (const model of models()) {
    if (!model.type.endsWith("Renderer")) continue;
    if (!wasVisible.has(model)) wasVisible.set(model, model.visible);
    model.visible = yes && wasVisible.get(model);
  }
  await painted();
}

const model = (name) => models().find((one) => one.name === name);
// arrays as Python can have them
function plain(value) {
  if (ArrayBuffer.isView(value)) {
    const [all, [rows, columns]] = [Array.from(value), value.shape ?? []];
    return columns ? Array.from({ length: rows }, (_, i) => all.slice(i * columns, (i + 1) * columns)) : all;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value?.constructor !== Object) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}
// how far the circles of the first tree are from each other, in pixels
function gapsInTree() {
  const tree = models().find((one) => one.tags.includes("tree"));
  const { x_scale, y_scale } = Bokeh.index.find_one(tree).frame;
  const groups = tree.renderers.find(({ glyph }) => glyph.fill_alpha?.value === 0.35);
  const column = (place) => groups.data_source.data[groups.glyph[place].field];
  const [x, y] = [x_scale.v_compute(column("x")), y_scale.v_compute(column("y"))];
  return Array.from(x).flatMap((a, i) => Array.from(x.slice(0, i), (b, j) => Math.hypot(a - b, y[i] - y[j])));
}
const get = (name, item) => plain(model(name)[item]);
const root = (name) => Bokeh.documents.flatMap((doc) => doc.roots()).find((one) => one.references().has(model(name)));
const rootOf = (name) => Bokeh.index.find_one(root(name)).el;
const handle = (name) => Bokeh.index.find_one(model(name)).el.shadowRoot.querySelector(".noUi-handle");

// A walk with the Tab key: from some stop before a figure, through it, and out of it
let walk;
function beginWalk(name) {
  const root = rootOf(name);
  const before = [...document.querySelectorAll("a[href], button, summary")].filter(
    (el) => visible(el) && el.tabIndex >= 0 && el.compareDocumentPosition(root) & Node.DOCUMENT_POSITION_FOLLOWING,
  );
  before.at(-1).focus();
  const stops = [...elements(root.shadowRoot)].filter(
    (el) => visible(el) && el.matches(".noUi-handle, button, select, input, .bk-btn"),
  );
  walk = { root, left: new Set(stops), entered: false };
}
function hasLeft() {
  const inside = document.activeElement === walk.root;
  walk.left.delete(active());
  walk.entered ||= inside;
  return walk.entered && !inside;
}
const notReached = () => [...walk.left].map(label);

// ----

// As a reader has it who opens everything that can be opened
function all() {
  const folded = document.documentElement.scrollWidth;
  for (const el of document.querySelectorAll("details")) el.open = true;
  for (const el of document.querySelectorAll(".toggle-button-hidden")) el.click();
  const images = [...document.querySelectorAll("article img")];
  return {
    theme: document.documentElement.dataset.theme,
    formulas: formulas(),
    formulas_seen: document.querySelectorAll("mjx-container").length,
    headings: [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
      .filter(visible)
      .map((el) => [Number(el.localName[1]), short(el.textContent)]),
    images: images.map(({ src, alt, naturalWidth: width }) => ({ src, alt, width })),
    faint: faint(),
    cards: cards(),
    unreachable: unreachable(),
    width: Math.max(folded, document.documentElement.scrollWidth) - innerWidth,
    hanging: [...hanging(), ...cutOff(), ...wideFigures().map(label)],
    scrolling: scrollingCode(),
  };
}

globalThis.look = {
  settled,
  fitted,
  all,
  painted,
  showData,
  get,
  gapsInTree,
  handle,
  rootOf,
  beginWalk,
  hasLeft,
  notReached,
};
