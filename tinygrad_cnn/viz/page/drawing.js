// ---- From the scene to SVG. Text goes in as text only, never as markup.

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Frames first, then wires, then boxes, so that nothing hides what is smaller.
function drawScene(scene, layer, elements) {
  elements.clear();
  const frames = [], boxes = [], headings = [];
  for (const item of scene.boxes) {
    const frame = isModule(item) && item.expanded;
    const element = frame ? frameElement(item) : boxElement(item);
    elements.set(item, element);
    (frame ? frames : boxes).push(element);
    if (frame) headings.push(headingElement(item));
  }
  const wires = scene.wires.map(wire => {
    const path = svg("path", { class: "link", d: wire.start ? sideways(wire) : downwards(wire.posts) });
    if (wire.arrives) path.setAttribute("marker-end", "url(#arrow)");
    path.append(svg("title", {}, wireTitle(wire)));
    wire.element = path;
    return path;
  });
  layer.replaceChildren(...frames, ...wires, ...headings, ...boxes);
}

function wireTitle({ edges }) {
  const line = ({ from, to, edge }) => {
    const gradient = edge.gradient ? `, gradient of norm ${figure(edge.gradient.norm)}` : "";
    return `${from.data.label} → ${to.data.label ?? to.path}: ${shapeText(edge.shape ?? from.data.shape)}${gradient}`;
  };
  return edges.slice(0, 4).map(line).join("\n");
}

function downwards(posts) {
  let d = `M${at(posts[0].x, posts[0].top)}`;
  const descend = ({ x, top, bottom }) => { if (bottom > top) d += `L${at(x, bottom)}`; };
  descend(posts[0]);
  for (let i = 1; i < posts.length; i++) {
    const from = posts[i - 1], to = posts[i], bend = Math.max(8, Math.abs(to.top - from.bottom)) / 2;
    const straight = Math.abs(from.x - to.x) < 1;
    d += straight ? `L${at(to.x, to.top)}` : `C${at(from.x, from.bottom + bend)} ${at(to.x, to.top - bend)} ${at(to.x, to.top)}`;
    descend(to);
  }
  return d;
}

function sideways({ start, end }) {
  const middle = (start.x + end.x) / 2;
  return `M${at(start.x, start.y)}C${at(middle, start.y)} ${at(middle, end.y)} ${at(end.x, end.y)}`;
}

const at = (x, y) => `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`;

function itemElement(item, kind, ...children) {
  const place = `translate(${at(item.x, item.y)})`;
  const element = svg("g", { class: `item ${kind}`, role: "button", tabindex: -1, "aria-label": spoken(item), transform: place }, ...children);
  element.dataset[isModule(item) ? "path" : "id"] = isModule(item) ? item.path : item.data.id;
  if (isModule(item)) element.setAttribute("aria-expanded", item.expanded);
  return element;
}

const halo = (width, height) => svg("rect", { class: "halo", x: -5, y: -5, width: width + 10, height: height + 10, rx: 9 });

const frameKind = module => `frame ${module.depth % 2 ? "odd" : "even"}`; // neighbours in depth differ in shade

function frameElement(module) {
  const { boxWidth: width, boxHeight: height } = module;
  const box = svg("rect", { class: "shape", width, height, rx: 8 });
  return itemElement(module, frameKind(module), box, halo(width, height));
}

// Drawn over the wires that cross the frame's upper border.
function headingElement(module) {
  const text = svg("text", { class: "title", x: 30, y: 20 }, moduleTitle(module));
  const place = `translate(${at(module.x, module.y)})`;
  const heading = svg("g", { class: frameKind(module), transform: place, "aria-hidden": true }, text, toggleSign(true));
  heading.dataset.headingOf = module.path;
  return heading;
}

function toggleSign(expanded) {
  const hit = svg("rect", { class: "hit", x: -14, y: -14, width: 28, height: 28 }); // easier to meet than the sign
  const sign = svg("path", { d: expanded ? "M-4 0H4" : "M-4 0H4M0 -4V4" });
  return svg("g", { class: "toggle", transform: "translate(16 16)" }, hit, svg("circle", { r: 8 }), sign);
}

const ROUNDING = { operation: 7, module: 10, input: 18, output: 18, parameter: 0, constant: 0 };

function boxElement(item) {
  const kind = isModule(item) ? "module" : item.data.kind;
  const { boxWidth: width, boxHeight: height } = item;
  const parts = [];
  if (isModule(item)) parts.push(svg("rect", { class: "under", x: 4, y: 4, width, height, rx: 10 }));
  const rx = item.beside ? 0 : ROUNDING[kind] ?? 7;
  parts.push(svg("rect", { class: "shape", width, height, rx }));
  if (kind === "output") {
    parts.push(svg("rect", { class: "ring", x: 3, y: 3, width: width - 6, height: height - 6, rx: rx - 3 }));
  }
  const sign = isModule(item);
  const middle = sign ? width / 2 + 8 : width / 2;
  const write = (role, y, text) => parts.push(svg("text", { class: role, x: middle, y, "text-anchor": "middle" }, text));
  if (item.beside) write("detail", 14, asideText(item));
  else linesOf(item).forEach(({ role, text }, i) => write(role, 19 + SIZE.line * i, text));
  if (sign) parts.push(toggleSign(false));
  parts.push(halo(width, height), svg("title", {}, isModule(item) ? item.path : `${item.data.label} (${kind})`));
  return itemElement(item, kind, ...parts);
}
