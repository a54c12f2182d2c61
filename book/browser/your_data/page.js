// What the scripts of the page "Your data" share: its elements, the models of its figures, and how numbers are written.

globalThis.course ??= {};

course.page = (() => {
  const at = (id) => document.getElementById(`yours-${id}`);
  const count = (n) => n.toLocaleString("en-US");
  const figure = { get: () => null }; // the document of the figures, once there is one
  return {
    at,
    count,
    figure,
    escaped: (text) => String(text).replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`),
    plural: (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`,
    model: (name) => figure.get(`yours.${name}`),
    say: (id, text, wrong = false) => {
      at(id).textContent = text;
      at(id).classList.toggle("yours-wrong", wrong);
    },
    element: (name, text, options = {}) =>
      Object.assign(document.createElement(name), { textContent: text, ...options }),
  };
})();
