// ---- Search: a field and a list, worked with arrows and Enter while the focus stays in the field.

const MOST_RESULTS = 60;

function startSearch(field, list, model) {
  const entries = [...model.modules, ...model.nodes].map(item => ({ item, text: searchText(item) }));
  let found = [], active = -1;

  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = words.length ? entries.filter(({ text }) => words.every(word => text.includes(word))).map(entry => entry.item) : [];
    active = found.length ? 0 : -1;
    list.replaceChildren(...found.slice(0, MOST_RESULTS).map(resultElement));
    mark();
    open(found.length > 0);
    markMatches(new Set(found));
    if (words.length) say(found.length ? `${found.length} found` : "nothing found");
  };
  const resultElement = (item, i) => {
    const kind = isModule(item) ? "module" : item.data.kind;
    const where = isModule(item) ? item.path : [item.data.module, compactShape(item.data.shape)].filter(Boolean).join("  ");
    const chip = html("span", { class: `chip ${kind}` }, kind);
    const row = html("li", { role: "option", id: `result-${i}` }, chip, nameOf(item), html("span", {}, where));
    row.addEventListener("pointerdown", event => event.preventDefault()); // the field keeps the focus until the click
    row.addEventListener("click", () => take(i));
    return row;
  };
  const mark = () => {
    [...list.children].forEach((row, i) => row.setAttribute("aria-selected", i === active));
    if (active >= 0) {
      field.setAttribute("aria-activedescendant", `result-${active}`);
      list.children[active]?.scrollIntoView({ block: "nearest" });
    } else field.removeAttribute("aria-activedescendant");
  };
  const open = isOpen => {
    list.hidden = !isOpen;
    field.setAttribute("aria-expanded", isOpen);
  };
  const take = i => {
    open(false);
    goTo(found[i]);
  };

  field.addEventListener("input", show);
  field.addEventListener("focus", () => found.length && open(true));
  field.addEventListener("blur", () => open(false));
  field.addEventListener("keydown", event => {
    const shown = Math.min(found.length, MOST_RESULTS);
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && shown) {
      active = (active + (event.key === "ArrowDown" ? 1 : shown - 1)) % shown;
      open(true);
      mark();
    } else if (event.key === "Enter" && active >= 0) take(active);
    else if (event.key === "Escape") {
      field.value = "";
      show();
      focusGraph();
    } else return;
    event.preventDefault();
  });
}

function searchText(item) {
  const { data } = item;
  return [nameOf(item), data.path, data.module, data.kind, shapeText(data.shape).replaceAll(" ", "")].join(" ").toLowerCase();
}
