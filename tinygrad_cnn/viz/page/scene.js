// ---- From the model to places: the size of each item, the layout of each expanded module, absolute coordinates.

const SIZE = { header: 30, padding: 14, line: 16, aside: 20, asideGap: 4, asideDistance: 18 };
const pencil = document.createElement("canvas").getContext("2d");
const measured = new Map();

function textWidth(text, font) {
  const key = `${font} ${text}`;
  if (!measured.has(key)) {
    pencil.font = `${font} system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif`;
    measured.set(key, pencil.measureText(text).width);
  }
  return measured.get(key);
}

const FONTS = { title: "600 13px", detail: "11px", health: "600 11px" }; // as page.css has them

// Result: what is to be drawn, outer frames first.
function buildScene(model) {
  const levels = collectLevels(model);
  const scene = { boxes: [], wires: [], width: 0, height: 0 };
  const size = sizeOfLevel(model.root, levels);
  scene.width = size.width;
  scene.height = size.height;
  placeLevel(model.root, levels, 0, 0, scene);
  return scene;
}

// For each expanded module its items and ports, and the links between them. An edge that leaves a module passes
// through a port in its border; each value has one.
function collectLevels(model) {
  const levels = new Map();
  const levelOf = module => {
    if (!levels.has(module)) levels.set(module, { items: [...module.children], position: new Map(), links: new Map() });
    return levels.get(module);
  };
  const addLink = (module, from, to, key, edge) => {
    const links = levelOf(module).links;
    if (!links.has(key)) links.set(key, { from, to, edges: [] });
    links.get(key).edges.push(edge);
  };
  const open = module => {
    levelOf(module);
    for (const child of module.children) if (isModule(child) && child.expanded) open(child);
  };
  open(model.root);
  for (const node of model.nodes) {
    for (const { node: user, edge } of node.outputs) {
      if (node.beside === user) continue;
      connect(shownLine(node), shownLine(user), { from: node, to: user, edge }, addLink);
    }
  }
  return levels;
}

// From the root down to what is shown for the node.
function shownLine(node) {
  const line = lineage(node);
  const end = line.findIndex(at => isModule(at) && !at.expanded);
  return end < 0 ? line : line.slice(0, end + 1);
}

function connect(source, target, edge, addLink) {
  let split = 0;
  while (split < source.length && source[split] === target[split]) split++;
  if (split >= source.length || split >= target.length) return; // both inside the same collapsed module
  const a = source[split], b = target[split];
  const value = edge.from.id;
  const through = (isModule(a) && a.expanded) || (isModule(b) && b.expanded) ? value : "";
  addLink(source[split - 1], { item: a, port: value }, { item: b, port: value }, `${a.id}|${b.id}|${through}`, edge);
  for (let i = split + 1; i < source.length; i++) {
    addLink(source[i - 1], { item: source[i], port: value }, { out: value }, `${source[i].id}|out|${value}`, edge);
  }
  for (let i = split + 1; i < target.length; i++) {
    addLink(target[i - 1], { in: value }, { item: target[i], port: value }, `in|${value}|${target[i].id}`, edge);
  }
}

// ---- sizes, from the inside out

function sizeOfLevel(module, levels) {
  const level = levels.get(module);
  const outlines = [], position = new Map();
  const addOutline = (key, outline) => {
    position.set(key, outlines.length);
    outlines.push(outline);
  };
  const ends = [...level.links.values()].flatMap(link => [link.from, link.to]);
  const port = kind => ({ left: 3, right: 3, height: 0, inset: 0, port: kind });
  for (const value of new Set(ends.map(end => end.in).filter(Boolean))) addOutline(`in ${value}`, port("in"));
  for (const item of level.items) addOutline(item.id, outlineOf(item, levels));
  for (const value of new Set(ends.map(end => end.out).filter(Boolean))) addOutline(`out ${value}`, port("out"));
  const keyOf = end => end.item?.id ?? (end.in ? `in ${end.in}` : `out ${end.out}`);
  const links = [...level.links.values()].map(link => ({
    from: position.get(keyOf(link.from)), fromOffset: offsetOf(link.from, "out", levels),
    to: position.get(keyOf(link.to)), toOffset: offsetOf(link.to, "in", levels),
  }));
  const plan = layered(outlines, links);
  const top = module.parent ? SIZE.header : 0, pad = module.parent ? SIZE.padding : 0;
  const hasIn = ends.some(end => end.in), hasOut = ends.some(end => end.out);
  // Wide enough for the heading, which should end before the link that comes in at the middle.
  const heading = module.parent ? (textWidth(moduleTitle(module), FONTS.title) + 38) * (hasIn ? 2 : 1) : 0;
  const width = Math.max(plan.width + 2 * pad, heading);
  Object.assign(level, { plan, position, links: [...level.links.values()], width, dx: (width - plan.width) / 2 });
  level.dy = top + (hasIn ? -GAP.rank * 0.4 : 2);
  level.height = level.dy + plan.height + (hasOut ? 0 : pad);
  level.ports = new Map();
  for (const [key, i] of position) {
    if (outlines[i].port) level.ports.set(key, level.dx + plan.places[i].x - width / 2);
  }
  return level;
}

// Where a link meets an expanded module, relative to the middle of its box.
function offsetOf(end, side, levels) {
  if (!end.item || !isModule(end.item) || !end.item.expanded) return 0;
  return levels.get(end.item).ports.get(`${side} ${end.port}`) ?? 0;
}

function outlineOf(item, levels) {
  if (isModule(item) && item.expanded) {
    const { width, height } = sizeOfLevel(item, levels);
    return { left: width / 2, right: width / 2, height, inset: 0 };
  }
  const lines = linesOf(item);
  const widest = Math.max(56, ...lines.map(({ role, text }) => textWidth(text, FONTS[role])));
  item.width = Math.ceil(widest) + (isModule(item) ? 48 : 24);
  item.height = 12 + SIZE.line * lines.length;
  const aside = asideOf(item);
  const extent = nodes => (nodes.length ? SIZE.asideDistance + Math.max(...nodes.map(asideWidth)) : 0);
  const height = Math.max(item.height, columnHeight(aside.left), columnHeight(aside.right));
  return {
    left: item.width / 2 + extent(aside.left), right: item.width / 2 + extent(aside.right),
    height, inset: (height - item.height) / 2,
  };
}

// Parameters to the left of the operation that uses them, constants to the right.
function asideOf(item) {
  const nodes = item.aside ?? [];
  const left = nodes.filter(node => node.data.kind === "parameter");
  return { left, right: nodes.filter(node => !left.includes(node)) };
}

const asideWidth = node => Math.ceil(textWidth(asideText(node), FONTS.detail)) + 14;
const columnHeight = nodes => nodes.length * (SIZE.aside + SIZE.asideGap) - SIZE.asideGap;

// ---- absolute places, from the outside in

function placeLevel(module, levels, x, y, scene) {
  const { plan, position, links, dx, dy, items, width, height } = levels.get(module);
  if (module.parent) {
    Object.assign(module, { x, y, boxWidth: width, boxHeight: height });
    scene.boxes.push(module);
  }
  links.forEach((link, i) => {
    const posts = plan.posts[i].map(post => ({ x: x + dx + post.x, top: y + dy + post.top, bottom: y + dy + post.bottom }));
    if (link.from.in) posts[0].top = y;
    if (link.to.out) posts.at(-1).bottom = y + height;
    const arrives = link.to.item && !(isModule(link.to.item) && link.to.item.expanded);
    scene.wires.push({ posts, arrives, edges: link.edges });
  });
  for (const item of items) {
    const place = plan.places[position.get(item.id)];
    const middle = x + dx + place.x, top = y + dy + place.y;
    if (isModule(item) && item.expanded) placeLevel(item, levels, middle - levels.get(item).width / 2, top, scene);
    else placeItem(item, middle, top, scene);
  }
}

function placeItem(item, middle, top, scene) {
  const aside = asideOf(item);
  const whole = Math.max(item.height, columnHeight(aside.left), columnHeight(aside.right));
  const { width: boxWidth, height: boxHeight } = item;
  Object.assign(item, { x: middle - boxWidth / 2, y: top + (whole - boxHeight) / 2, boxWidth, boxHeight });
  scene.boxes.push(item);
  for (const [nodes, side] of [[aside.left, -1], [aside.right, 1]]) {
    nodes.forEach((node, i) => {
      const width = asideWidth(node), reach = item.width / 2 + SIZE.asideDistance;
      const y = top + whole / 2 - columnHeight(nodes) / 2 + i * (SIZE.aside + SIZE.asideGap);
      Object.assign(node, { x: side < 0 ? middle - reach - width : middle + reach, y, boxWidth: width, boxHeight: SIZE.aside });
      scene.boxes.push(node);
      const start = { x: middle + side * reach, y: y + SIZE.aside / 2 };
      const end = { x: middle + (side * item.width) / 2, y: Math.min(Math.max(start.y, item.y + 6), item.y + item.height - 6) };
      scene.wires.push({ start, end, arrives: true, edges: [{ from: node, to: item, edge: node.outputs[0].edge }] });
    });
  }
}
