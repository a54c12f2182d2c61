// What the scripts of the page "Your data" share: its elements, and the models of its figures.

course.page = (() => {
  const at = (id) => document.getElementById(`yours-${id}`);
  const find = (name) => {
    const documents = globalThis.Bokeh?.documents ?? [];
    return documents.map((one) => one.get_model_by_name(`yours.${name}`)).find((model) => model);
  };
  return {
    at,
    model: find,
    say: (id, text, wrong = false) => {
      at(id).textContent = text;
      at(id).classList.toggle("yours-wrong", wrong);
    },
    // A table that is wider than a phone can be scrolled, by keyboard too.
    scrolling: (label, table) =>
      course.element("div", { className: "yours-scroll", tabIndex: 0, role: "region", ariaLabel: label }, table),
    options: (choices, chosen) =>
      choices.map(([value, textContent]) =>
        course.element("option", { value, textContent, selected: value === chosen }),
      ),
  };
})();
