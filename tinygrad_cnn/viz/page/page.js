// ---- The page: state, and what clicks and keys do to it.

const byId = id => document.getElementById(id);
const canvas = byId("canvas"), layer = byId("graph"), panel = byId("details");
const model = buildModel(JSON.parse(byId("description").textContent));
const camera = newCamera(canvas, layer);
const elements = new Map(); // what is drawn for an item
const state = { chosen: null, trace: null, matches: new Set(), scene: null };

const say = text => { byId("status").textContent = text; };
const reachable = () => state.chosen ?? state.scene.boxes[0];

// ---- drawing

function redraw() {
  const focused = canvas.contains(document.activeElement);
  state.scene = buildScene(model);
  drawScene(state.scene, layer, elements);
  if (state.chosen) state.chosen = shownAs(state.chosen);
  restyle();
  if (focused) focusGraph();
}

// Classes only: nothing moves.
function restyle() {
  const { path } = state.trace ?? {};
  const matches = new Set([...state.matches].map(shownAs));
  layer.classList.toggle("tracing", Boolean(path));
  const shownPath = new Set([...(path ?? [])].map(shownAs));
  for (const [item, element] of elements) {
    element.classList.toggle("chosen", item === state.chosen);
    element.classList.toggle("on-path", shownPath.has(item));
    element.classList.toggle("match", matches.has(item));
    element.setAttribute("tabindex", item === reachable() ? 0 : -1);
  }
  for (const { element, edges, arrives } of state.scene.wires) {
    const on = Boolean(path) && edges.some(({ from, to }) => path.has(from) && (path.has(to) || isModule(to)));
    element.classList.toggle("on-path", on);
    if (arrives) element.setAttribute("marker-end", on ? "url(#path-arrow)" : "url(#arrow)");
  }
  fillPanel();
}

function fillPanel() {
  const focusedId = panel.contains(document.activeElement) ? document.activeElement.id : "";
  const item = state.chosen;
  panel.replaceChildren(...(item === null ? overview(model) : isModule(item) ? moduleDetails(item) : nodeDetails(item)));
  panel.scrollTop = 0;
  if (focusedId) (byId(focusedId) ?? panel).focus();
}

const focusGraph = () => elements.get(reachable())?.focus({ preventScroll: true });

// ---- what a user does

function choose(item, reveal = true) {
  state.chosen = item;
  restyle();
  if (item && reveal) camera.reveal(item);
}

function toggle(module) {
  const before = { x: module.x + module.boxWidth / 2, y: module.y };
  module.expanded = !module.expanded;
  state.chosen = module;
  redraw();
  // The module stays under the user's eyes while all around it makes room.
  camera.pan((before.x - module.x - module.boxWidth / 2) * camera.zoom, (before.y - module.y) * camera.zoom);
  camera.reveal(module);
  say(`${moduleName(module)} ${module.expanded ? "expanded" : "collapsed"}`);
}

function goTo(item) {
  const closed = lineage(item).slice(0, -1).filter(module => !module.expanded);
  for (const module of closed) module.expanded = true;
  if (closed.length) redraw();
  choose(item, false);
  camera.centre(item);
  focusGraph();
  say(spoken(item));
}

function trace(item) {
  if (state.trace?.item === item) state.trace = null;
  else {
    const { path, end } = pathToOutput(model, item);
    state.trace = { item, path };
    const operations = [...path].filter(node => node.data.kind === "operation").length;
    say(path.size ? `path from ${nameOf(item)} to ${end}: ${plural(operations, "operation")}` : `no path from ${nameOf(item)} to an output`);
  }
  if (!state.trace) say("path cleared");
  restyle();
}

function markMatches(matches) {
  state.matches = matches;
  restyle();
}

function clear() {
  state.trace = null;
  state.matches = new Set();
  state.chosen = null;
  restyle();
  say("");
}

function expandAll(expanded) {
  expandTo(model, expanded ? Infinity : 0);
  if (!expanded) expandTo(model, state.scene && model.root.children.length === 1 ? 1 : 0);
  redraw();
  camera.fit(state.scene, ZOOM.readable);
  say(expanded ? "all modules expanded" : "all modules collapsed");
}

// ---- keys

// Down and up follow the data, left and right look beside.
function neighbourOf(item, key) {
  const forward = key === "ArrowDown";
  if (forward || key === "ArrowUp") {
    const inside = new Set(nodesIn(item));
    const next = [...inside].flatMap(node => (forward ? node.outputs : node.inputs)).map(end => end.node).filter(node => !inside.has(node));
    const shown = next.map(shownAs).filter(at => at !== item && elements.has(at));
    const flow = shown.filter(at => !at.beside); // parameters beside an operation are reached sideways
    if (flow.length) return nearest(item, flow);
    if (shown.length && item.beside) return shown[0];
  }
  const ahead = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[key];
  const candidates = state.scene.boxes.filter(other => other !== item && distance(item, other, ahead) < Infinity);
  return candidates.sort((a, b) => distance(item, a, ahead) - distance(item, b, ahead))[0] ?? null;
}

const middleOf = item => ({ x: item.x + item.boxWidth / 2, y: item.y + (isModule(item) && item.expanded ? 15 : item.boxHeight / 2) });

function nearest(item, others) {
  const from = middleOf(item);
  const far = other => Math.hypot(middleOf(other).x - from.x, middleOf(other).y - from.y);
  return others.reduce((best, other) => (far(other) < far(best) ? other : best));
}

function distance(item, other, [dx, dy]) {
  const from = middleOf(item), to = middleOf(other);
  const along = (to.x - from.x) * dx + (to.y - from.y) * dy;
  const across = Math.abs((to.x - from.x) * dy) + Math.abs((to.y - from.y) * dx);
  return along > 1 && across < 3 * along ? along + 2 * across : Infinity;
}

const PAN = { ArrowDown: [0, -80], ArrowUp: [0, 80], ArrowLeft: [80, 0], ArrowRight: [-80, 0] };

function pressInGraph(event) {
  const item = reachable();
  if (PAN[event.key] && event.shiftKey) camera.pan(...PAN[event.key]);
  else if (PAN[event.key]) {
    const next = state.chosen ? neighbourOf(item, event.key) : item;
    if (!next) return;
    choose(next);
    focusGraph();
  } else if (event.key === "Enter" || event.key === " ") {
    if (event.shiftKey && item.parent.parent) toggle(item.parent);
    else if (isModule(item)) toggle(item);
    else choose(item);
  } else return;
  event.preventDefault();
}

function pressAnywhere(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.id === "search") return;
  const actions = {
    "/": () => byId("search").focus(), "+": () => camera.zoomBy(ZOOM.step), "=": () => camera.zoomBy(ZOOM.step),
    "-": () => camera.zoomBy(1 / ZOOM.step), 0: () => camera.fit(state.scene), p: () => trace(reachable()), Escape: clear,
  };
  const action = actions[event.key];
  if (!action) return;
  action();
  event.preventDefault();
}

// ---- clicks

function itemAt(target) {
  const element = target.closest?.("[data-path], [data-id], [data-heading-of]");
  if (!element) return null;
  return [...elements].find(([item, drawn]) => drawn === element || (isModule(item) && item.path === element.dataset.headingOf))?.[0] ?? null;
}

function click(event) {
  if (canvas.classList.contains("dragging")) return;
  const item = itemAt(event.target);
  if (item && isModule(item) && event.target.closest(".toggle")) toggle(item);
  else choose(item, false);
  focusGraph();
}

canvas.addEventListener("click", click);
canvas.addEventListener("dblclick", event => {
  const item = itemAt(event.target);
  if (item && isModule(item) && !event.target.closest(".toggle")) toggle(item);
});
canvas.addEventListener("keydown", pressInGraph);
document.addEventListener("keydown", pressAnywhere);
byId("zoom-in").addEventListener("click", () => camera.zoomBy(ZOOM.step));
byId("zoom-out").addEventListener("click", () => camera.zoomBy(1 / ZOOM.step));
byId("fit").addEventListener("click", () => camera.fit(state.scene));
byId("expand-all").addEventListener("click", () => expandAll(true));
byId("collapse-all").addEventListener("click", () => expandAll(false));

startPointers(canvas, camera);
startSearch(byId("search"), byId("results"), model);
expandSensibly(model);
redraw();
camera.fit(state.scene, ZOOM.readable);
say(`${plural(operationsIn(model.root), "operation")}${model.modules.length ? ` in ${plural(model.modules.length, "module")}` : ""}`);
