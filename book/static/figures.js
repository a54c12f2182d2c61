// Figures fit the page, and are announced by their captions.

// Those that are wider than the page take its width: a little narrower each on a screen, where figures in a
// row stay side by side; on a phone, where they would get too narrow, one below the other.

{
  const PHONE = 500;

  function fit(root, natural, room) {
    const narrow = room < PHONE;
    if (narrow && root.type === "Row") root.stylesheets = [...root.stylesheets, ":host { flex-wrap: wrap; }"];
    for (const figure of [...root.references()].filter((model) => model.type === "Figure")) {
      const width = narrow ? Math.min(figure.outer_width, room) : (figure.outer_width * room) / natural;
      figure.frame_width = null;
      figure.width = Math.floor(width);
    }
  }

  const fitted = new WeakSet();

  function fitAll() {
    for (const element of document.querySelectorAll("[data-root-id]")) {
      const view = globalThis.Bokeh?.index?.get_by_id?.(element.dataset.rootId);
      const room = element.parentElement.clientWidth;
      if (view == null || room === 0 || fitted.has(element)) continue;
      fitted.add(element);
      // a grid keeps its squares, and scrolls
      if (view.el.offsetWidth > room && view.model.type !== "GridPlot")
        fit(view.model, view.el.offsetWidth, room - 4);
    }
  }

  // The caption of a figure is the paragraph in italics below its cell.
  function label(element) {
    const caption = element.closest(".cell")?.nextElementSibling;
    if (!caption?.matches("p:has(> em:first-child)")) return;
    caption.id ||= `caption-${element.dataset.rootId}`;
    element.setAttribute("role", "figure");
    element.setAttribute("aria-labelledby", caption.id);
  }

  // Figures are drawn one by one after the page has loaded.
  addEventListener("load", () => {
    document.querySelectorAll("[data-root-id]").forEach(label);
    const timer = setInterval(fitAll, 300);
    setTimeout(() => clearInterval(timer), 30_000);
  });
}
