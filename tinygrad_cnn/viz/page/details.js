// ---- The panel: what is known of the chosen item, or of the whole graph.

function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child !== null && child !== ""));
  return element;
}

function facts(pairs) {
  const list = html("dl");
  for (const [name, value] of pairs) {
    if (value !== undefined && value !== null && value !== "") list.append(html("dt", {}, name), html("dd", {}, value));
  }
  return list;
}

const LEGEND = [
  ["module", "module", "collapsed; Enter, a double click or its sign opens it"], ["operation", "operation", "with the shape of its result"],
  ["parameter", "parameter", "gathers a gradient"], ["input", "input", ""], ["constant", "constant", "no gradient"], ["output", "output", ""],
];

function overview(model) {
  const tops = model.modules.filter(module => module.depth === 1);
  const sum = key => {
    const known = tops.map(module => module.data[key]).filter(isNumber);
    return known.length ? known.reduce((total, value) => total + value) : undefined;
  };
  const [parameters, work, kept] = ["parameters", "multiply_adds", "kept_bytes"].map(sum);
  const legend = html("ul", { class: "legend" });
  for (const [kind, name, meaning] of LEGEND) legend.append(html("li", {}, html("span", { class: `chip ${kind}` }, name), meaning));
  const ill = model.nodes.filter(node => illness(node));
  return [
    html("h2", {}, model.title || "Computation graph"),
    facts([
      ["operations", count(operationsIn(model.root))], ["modules", model.modules.length ? count(model.modules.length) : ""],
      ["parameters", parameters !== undefined ? count(parameters) : ""],
      ["multiply-adds", work !== undefined ? count(work) : ""],
      ["kept for backward", kept !== undefined ? bytes(kept) : ""],
    ]),
    html("h3", {}, "Legend"), legend,
    ...nodeList(plural(ill.length, "unhealthy gradient"), ill.map(node => ({ node, note: `${illness(node)}${whereIs(node)}` }))),
  ];
}

function nodeDetails(node) {
  const { data } = node;
  return [
    html("h2", {}, data.label),
    html("p", { class: "subtitle" }, html("span", { class: `chip ${data.kind}` }, data.kind), data.module ? `in ${data.module}` : ""),
    actions(node),
    facts([
      ["shape", shapeText(data.shape)], ["dtype", data.dtype], ["parameters", data.parameters ? count(data.parameters) : ""],
      ["multiply-adds", data.kind === "operation" && isNumber(data.multiply_adds) ? count(data.multiply_adds) : ""],
      ["kept for backward", data.kept_bytes ? bytes(data.kept_bytes) : ""], ["with", (data.notes ?? []).join(", ")],
    ]),
    ...(data.rule ? [html("h3", {}, "Backward rule"), html("pre", { tabindex: 0 }, data.rule)] : []),
    ...statisticsSection("Value", "value", data.value),
    ...gradientSection(data.gradient),
    ...links("Takes", node.inputs), ...links("Is used by", node.outputs),
  ];
}

function moduleDetails(module) {
  const { data } = module;
  const inside = new Set(nodesIn(module));
  const entering = [...inside].flatMap(node => node.inputs.filter(input => !inside.has(input.node)));
  const leaving = [...inside].flatMap(node => node.outputs.filter(output => !inside.has(output.node)));
  return [
    html("h2", {}, moduleName(module)),
    html("p", { class: "subtitle" }, html("span", { class: "chip module" }, "module"), data.path),
    actions(module),
    facts([
      ["class", data.kind ? `${data.kind}${data.options ? `(${data.options})` : ""}` : ""],
      ["result", resultsOf(module).map(node => shapeText(node.data.shape)).join(", ")],
      ["operations", count(operationsIn(module))],
      ["parameters", isNumber(data.parameters) ? count(data.parameters) : ""],
      ["multiply-adds", isNumber(data.multiply_adds) ? count(data.multiply_adds) : ""],
      ["kept for backward", isNumber(data.kept_bytes) ? bytes(data.kept_bytes) : ""],
      ["repeated", data.copies > 1 ? `first of ${data.copies} equal blocks` : data.copy_of ? `like ${data.copy_of}` : ""],
      ["gradients", illness(module)],
    ]),
    ...links("Takes", entering), ...links("Is used by", leaving),
  ];
}

function actions(item) {
  const buttons = [];
  const add = (id, attributes, act, text) => buttons.push(html("button", { type: "button", id, onclick: act, ...attributes }, text));
  if (isModule(item)) add("toggle", {}, () => toggle(item), item.expanded ? "Collapse" : "Expand");
  const tracing = state.trace?.item === item;
  add("trace", { "aria-pressed": tracing, title: "( p )" }, () => trace(item), "Highlight path to output");
  return html("div", { class: "actions" }, ...buttons);
}

function links(heading, ends) {
  const unique = [...new Map(ends.map(end => [end.node, end])).values()];
  return nodeList(heading, unique.map(({ node, edge }) => {
    const shape = shapeText(edge.shape ?? node.data.shape);
    return { node, note: `${[edge.argument, shape].filter(Boolean).join(": ")}${whereIs(node)}` };
  }));
}

// Parameters carry their place in their name.
const whereIs = node => (node.data.module && !node.data.label.includes(".") ? ` in ${node.data.module}` : "");

function nodeList(heading, entries, most = 15) {
  if (!entries.length) return [];
  const list = html("ul", { class: "neighbours" });
  for (const { node, note } of entries.slice(0, most)) {
    const button = html("button", { type: "button", onclick: () => goTo(node) }, node.data.label, " ", html("small", {}, note));
    list.append(html("li", {}, button));
  }
  const more = entries.length > most ? html("p", { class: "subtitle" }, `and ${count(entries.length - most)} more`) : "";
  return [html("section", {}, html("h3", {}, heading), list, more)];
}

// ---- statistics

function gradientSection(gradient) {
  if (!gradient) return [];
  const norm = isNumber(gradient.norm_to) ? `${figure(gradient.norm)} to ${figure(gradient.norm_to)}` : figure(gradient.norm);
  const ill = gradient.health && gradient.health !== "healthy";
  const health = html("span", ill ? { class: "unwell" } : {}, ill ? ILLNESSES[gradient.health] ?? gradient.health : gradient.health ?? "");
  const section = statisticsSection("Gradient", "gradient", gradient.statistics ?? {});
  section[0].children[0].after(facts([["norm", norm], ["health", health]]));
  return section;
}

function statisticsSection(heading, name, statistics) {
  if (!statistics) return [];
  const section = html("section", { class: name, "aria-label": heading }, html("h3", {}, heading));
  const known = Object.keys(statistics).length > 0;
  if (known && statistics.histogram) section.append(...histogramElements(heading, statistics.histogram));
  if (known) {
    section.append(facts([
      ["mean", figure(statistics.mean)], ["std", figure(statistics.std)], ["min", figure(statistics.min)], ["max", figure(statistics.max)],
      ["not finite", statistics.not_finite ? html("span", { class: "unwell" }, plural(statistics.not_finite, "value")) : ""],
    ]));
  }
  return [section];
}

function histogramElements(heading, { low, high, counts }) {
  const most = Math.max(1, ...counts), width = 100 / counts.length;
  const mode = counts.indexOf(Math.max(...counts));
  const centre = low + ((mode + 0.5) * (high - low)) / counts.length;
  const label = `${heading}: histogram from ${figure(low)} to ${figure(high)}, most values near ${figure(centre)}`;
  const border = i => figure(low + (i * (high - low)) / counts.length);
  const bars = counts.map((value, i) => {
    const height = (value / most) * 50, title = `${border(i)} to ${border(i + 1)}: ${plural(value, "value")}`;
    return svg("rect", { x: i * width, y: 50 - height, width: width * 0.92, height }, svg("title", {}, title));
  });
  return [
    svg("svg", { class: "histogram", viewBox: "0 0 100 50", preserveAspectRatio: "none", role: "img", "aria-label": label }, ...bars),
    html("div", { class: "axis", "aria-hidden": true }, html("span", {}, figure(low)), html("span", {}, figure(high))),
  ];
}
