// Figures fit the page, and say what they are to those who hear it. What is wider than the page scrolls, and shows it.

{
  const PHONE = 500;

  const figures = (root) => [...root.references()].filter((model) => model.type === "Figure");

  // Panels of a grid go one below the other.
  function fitGrid(grid, room) {
    grid.children = grid.children.map(([figure], row) => [figure, row, 0]);
    fitRow(grid, room, room);
  }

  // A corner plot is a toolbar beside rows of squares, the last of them the longest: the squares shrink.
  function fitCorner(corner, room) {
    const [toolbar, squares] = corner.children;
    const last = squares.children.at(-1).children;
    const beside = last.reduce((sum, figure) => sum + figure.outer_width - figure.inner_width, 0);
    const side = Math.floor((room - beside) / last.length);
    toolbar.location = "above";
    corner.stylesheets = [...corner.stylesheets, ":host { flex-direction: column; }"];
    for (const figure of figures(corner)) {
      figure.frame_width = figure.frame_height = side;
      for (const axis of [...figure.below, ...figure.left]) spread(axis, 3);
    }
  }

  // A little narrower each on a screen, where figures in a row stay side by side; on a phone, where they would get
  // too narrow, one below the other.
  function fitRow(root, natural, room) {
    const narrow = room < PHONE;
    if (narrow && root.type === "Row") root.stylesheets = [...root.stylesheets, ":host { flex-wrap: wrap; }"];
    for (const figure of figures(root)) {
      const was = figure.outer_width;
      const width = Math.floor(narrow ? Math.min(was, room) : (was * room) / natural);
      figure.frame_width = null;
      figure.width = width;
      if (narrow && figure.tags.includes("tree") && was > PHONE) turn(figure, was);
      else if (narrow) makeNarrow(figure, width, was);
    }
  }

  // Tools and legends at the side of a figure go above it, where they take no width; texts in it get smaller.
  function makeNarrow(figure, width, natural) {
    if (figure.toolbar_location) figure.toolbar_location = "above";
    const sides = { left: figure.left, right: figure.right, above: figure.above };
    const legends = Object.values(sides).flatMap((panels) => panels.filter(({ type }) => type === "Legend"));
    for (const legend of legends) {
      const longest = Math.max(...legend.items.map(({ label }) => String(label.value ?? "").length));
      legend.orientation = "horizontal";
      legend.ncols = Math.max(1, Math.floor((0.6 * width) / (40 + 6.5 * longest)));
      if (figure.height) figure.height += 25 * Math.ceil(legend.items.length / legend.ncols);
    }
    const others = (panels) => panels.filter((panel) => !legends.includes(panel));
    figure.setv({
      left: others(sides.left),
      right: others(sides.right),
      above: [...legends, ...others(sides.above)],
    });
    for (const { glyph } of figure.renderers.filter(({ glyph }) => glyph?.type === "Text")) {
      const size = parseFloat(glyph.text_font_size.value);
      glyph.text_font_size = { value: `${Math.max(9, (size * width) / natural)}px` };
    }
    for (const axis of [...figure.below, ...figure.left]) spread(axis, 5);
  }

  // A tree of many leaves lies on its side: its top on the left, its leaves below each other.
  function turn(tree, height) {
    for (const { glyph } of tree.renderers) {
      for (const [x, y] of [
        ["x", "y"],
        ["x0", "y0"],
        ["x1", "y1"],
      ]) {
        if (glyph[x]) glyph.setv({ [x]: glyph[y], [y]: glyph[x] });
      }
    }
    const [across, down] = [tree.y_range, tree.x_range];
    across.setv({ start: across.end, end: across.start });
    down.flipped = true;
    tree.setv({ x_range: across, y_range: down, above: tree.left, left: tree.below, below: [] });
    tree.height = height;
  }

  // As many labels on an axis as find room
  function spread(axis, ticks) {
    if (axis.ticker?.desired_num_ticks) axis.ticker.desired_num_ticks = ticks;
    if ("major_label_policy" in axis) axis.major_label_policy = new (Bokeh.Models.get("NoOverlap"))();
  }

  // The caption of a figure is the paragraph in italics below its cell.
  function label(element) {
    const caption = element.closest(".cell")?.nextElementSibling;
    if (!caption?.matches("p:has(> em:first-child)")) return;
    caption.id ||= `caption-${element.dataset.rootId}`;
    element.setAttribute("role", "figure");
    element.setAttribute("aria-labelledby", caption.id);
  }

  // The handle of a slider, which has the focus, knows neither its name nor how its value is written.
  function nameSliders(root) {
    for (const model of [...root.references()].filter(({ type }) => type === "Slider")) {
      const handle = Bokeh.index.find_one(model)?.el.shadowRoot.querySelector(".noUi-handle");
      if (!handle) continue;
      const say = () => handle.setAttribute("aria-valuetext", handle.querySelector(".noUi-tooltip").textContent);
      handle.setAttribute("aria-label", model.title);
      new MutationObserver(say).observe(handle, { attributeFilter: ["aria-valuenow"] });
      say();
    }
  }

  const drawn = new WeakSet();

  function finishAll() {
    for (const element of document.querySelectorAll("[data-root-id]")) {
      const view = globalThis.Bokeh?.index?.get_by_id?.(element.dataset.rootId);
      const card = getComputedStyle(element.parentElement); // in the dark theme it has a margin within
      const within = Number.parseFloat(card.paddingLeft) + Number.parseFloat(card.paddingRight);
      const room = element.parentElement.clientWidth - within;
      if (view == null || room <= 0 || drawn.has(element)) continue;
      drawn.add(element);
      nameSliders(view.model);
      if (view.el.offsetWidth <= room) continue;
      if (view.model.type === "GridPlot") fitGrid(view.model, room - 4);
      else if (view.model.children?.[0].type === "Toolbar") fitCorner(view.model, room - 4);
      else fitRow(view.model, view.el.offsetWidth, room - 4);
    }
  }

  // Figures are drawn one by one after the page has loaded.
  addEventListener("load", () => {
    document.querySelectorAll("[data-root-id]").forEach(label);
    const timer = setInterval(finishAll, 300);
    setTimeout(() => clearInterval(timer), 30_000);
  });
}
