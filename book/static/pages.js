// What pages do besides figures: they show where there is more to the right, and unfold themselves for paper.

{
  const SCROLLERS =
    "article :is(pre, .text_html:not(:has([data-root-id])), .pst-scrollable-table-container, mjx-container[display='true'])";

  function hint(box) {
    box.classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  }

  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) hint(target.matches(SCROLLERS) ? target : target.parentElement);
  });

  function watchAll() {
    for (const box of document.querySelectorAll(SCROLLERS)) {
      watch.observe(box);
      for (const child of box.children) watch.observe(child);
    }
  }

  addEventListener("load", watchAll);
  document.addEventListener("scroll", ({ target }) => target.matches?.(SCROLLERS) && hint(target), true);

  // Paper cannot be clicked: solutions, options and checks are open on it, and afterwards as they were.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("article details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
}
