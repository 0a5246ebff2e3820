// ---- What things are called on the page.

const shapeText = shape => (!shape ? "" : shape.length ? shape.join(" × ") : "scalar");
const compactShape = shape => (!shape ? "" : shape.length ? shape.join("×") : "scalar");
const clipped = (text, most = 42) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const isNumber = value => typeof value === "number";

function count(value) {
  return isNumber(value) ? value.toLocaleString("en-US") : "unknown";
}

function short(value) {
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return String(value);
}

function bytes(value) {
  for (const [size, unit] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return `${value} bytes`;
}

function figure(value) {
  if (!isNumber(value)) return "not finite";
  const extreme = value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5);
  return extreme ? value.toExponential(2).replace("e+", "e") : String(Number(value.toPrecision(4)));
}

const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

function moduleTitle(module) {
  return clipped(module.data.label || module.path.split(".").at(-1) || module.data.kind || "module");
}

const nameOf = item => (isModule(item) ? moduleName(item) : item.data.label);
const moduleName = module => module.data.label || module.path || "module";

function operationsIn(item) {
  let operations = 0;
  for (const node of nodesIn(item)) if (node.data.kind === "operation" || node.data.kind === "module") operations++;
  return operations;
}

// The results of a module that something outside uses.
function resultsOf(module) {
  const inside = new Set(nodesIn(module));
  return [...inside].filter(node => node.outputs.some(({ node: user }) => !inside.has(user)));
}

// What is written in the box of an item that is not expanded.
function linesOf(item) {
  const lines = [];
  if (isModule(item)) {
    lines.push({ role: "title", text: moduleTitle(item) });
    const results = resultsOf(item).filter(node => !SOURCES.has(node.data.kind));
    if (results.length) lines.push({ role: "detail", text: results.map(node => compactShape(node.data.shape)).join(", ") });
    const inside = operationsIn(item), { parameters } = item.data;
    const contents = [inside > 1 && plural(inside, "operation"), parameters && `${short(parameters)} parameters`].filter(Boolean);
    if (contents.length) lines.push({ role: "detail", text: contents.join(", ") });
  } else {
    lines.push({ role: "title", text: clipped(item.data.label) });
    if (item.data.shape) lines.push({ role: "detail", text: compactShape(item.data.shape) });
    for (const note of item.data.notes ?? []) lines.push({ role: "detail", text: clipped(note) });
  }
  const ill = illness(item);
  if (ill) lines.push({ role: "health", text: ill });
  return lines;
}

function asideText(node) {
  const ill = illness(node);
  return [clipped(lastName(node), 24), compactShape(node.data.shape), ill && ILLNESSES[node.data.gradient.health]].filter(Boolean).join(" ");
}

const lastName = node => node.data.label.split(".").at(-1) || node.data.label;

// The worst first; the sign says it without colour.
const ILLNESSES = {
  nan: "⚠ NaN gradient", exploding: "▲ exploding gradient", zero: "∅ zero gradient", vanishing: "▼ vanishing gradient",
};

function illness(item) {
  const found = new Set();
  for (const node of isModule(item) ? nodesIn(item) : [item]) found.add(node.data.gradient?.health);
  const worst = Object.keys(ILLNESSES).find(health => found.has(health));
  return worst ? ILLNESSES[worst] : "";
}

// What a screen reader says of an item.
function spoken(item) {
  if (!isModule(item)) {
    const { kind, shape } = item.data;
    const where = item.parent.parent ? `in ${item.parent.path}` : "";
    const unwell = illness(item).slice(2);
    return [`${item.data.label}, ${kind}`, shape && shapeText(shape).replaceAll("×", "by"), where, unwell].filter(Boolean).join(", ");
  }
  return [`${moduleName(item)}, module`, plural(operationsIn(item), "operation"), illness(item).slice(2)].filter(Boolean).join(", ");
}
