// ---- The description as a tree: modules around nodes, in the order in which they ran.

const SOURCES = new Set(["parameter", "constant", "input"]);

function buildModel(description) {
  const root = newModule({ path: "" }, null, -1);
  const modules = new Map([["", root]]);
  for (const data of description.modules ?? []) {
    const parent = modules.get(data.parent ?? data.path.slice(0, Math.max(0, data.path.lastIndexOf(".")))) ?? root;
    modules.set(data.path, newModule(data, parent, Infinity));
  }
  const nodes = new Map();
  for (const [index, data] of description.nodes.entries()) {
    const parent = modules.get(data.module ?? "") ?? root;
    nodes.set(data.id, { id: `node:${data.id}`, index, order: index, data, parent, inputs: [], outputs: [], beside: null, aside: [] });
  }
  for (const edge of description.edges) {
    const from = nodes.get(edge.from), to = nodes.get(edge.to);
    if (!from || !to || to.inputs.some(input => input.node === from)) continue;
    from.outputs.push({ node: to, edge });
    to.inputs.push({ node: from, edge });
  }
  for (const node of nodes.values()) placeSource(node);
  for (const node of nodes.values()) {
    if (node.beside) node.beside.aside.push(node);
    else adopt(node);
  }
  const filled = [...modules.values()].filter(module => module.children.length);
  for (const module of filled) module.children.sort((a, b) => a.order - b.order);
  return { root, modules: filled.filter(module => module !== root), nodes: [...nodes.values()], title: description.title ?? "" };
}

function newModule(data, parent, order) {
  const depth = parent ? parent.depth + 1 : 0;
  return { id: `module:${data.path}`, path: data.path, data, parent, order, depth, children: [], expanded: parent === null };
}

// A module is known to its parent once there is something in it, and stands where its first operation stands.
function adopt(item) {
  const { parent } = item;
  const isNew = !parent.children.length && parent.parent !== null;
  parent.children.push(item);
  if (!isModule(item)) {
    for (let at = parent; at; at = at.parent) at.order = Math.min(at.order, item.order);
  }
  if (isNew) adopt(parent);
}

// Parameters and constants stand where all that use them stand; beside the operation if there is only one.
function placeSource(node) {
  if (!SOURCES.has(node.data.kind) || node.inputs.length || !node.outputs.length) return;
  const users = node.outputs.map(output => output.node);
  node.order = Math.min(...users.map(user => user.index)) - 0.5;
  if (node.data.kind === "input") return;
  node.parent = users.map(user => user.parent).reduce(commonModule);
  if (users.length === 1 && !SOURCES.has(users[0].data.kind) && users[0].data.kind !== "output") node.beside = users[0];
}

function commonModule(a, b) {
  while (a !== b) {
    if (a.depth < b.depth) b = b.parent;
    else a = a.parent;
  }
  return a;
}

const isModule = item => item.children !== undefined;

function* nodesIn(item) {
  if (!isModule(item)) {
    yield item;
    yield* item.aside;
    return;
  }
  for (const child of item.children) yield* nodesIn(child);
}

// From the root down to the item.
function lineage(item) {
  const line = [];
  for (let at = item; at; at = at.parent) line.push(at);
  return line.reverse();
}

// What stands in the picture for an item: the outermost collapsed module around it, or itself.
function shownAs(item) {
  return lineage(item).find(at => isModule(at) && !at.expanded) ?? item;
}

// As many levels as can be taken in at a glance; what the description wants collapsed stays so.
function expandSensibly(model, most = 45) {
  const levels = Math.max(0, ...model.modules.map(module => module.depth));
  let depth = 0;
  for (let deeper = 1; deeper <= levels; deeper++) {
    expandTo(model, deeper);
    const crowded = countShown(model.root) > most;
    if (crowded && !(deeper === 1 && model.root.children.filter(isModule).length === 1)) break;
    depth = deeper;
    if (crowded) break;
  }
  expandTo(model, depth);
  for (const module of model.modules) module.expanded &&= !module.data.collapsed;
}

function expandTo(model, depth) {
  for (const module of model.modules) module.expanded = module.depth <= depth;
}

function countShown(module) {
  return module.children.reduce((count, child) => count + 1 + (isModule(child) && child.expanded ? countShown(child) : 0), 0);
}

// Everything that a value flows through on its way from `item` to the loss, or to all outputs where none is called so.
function pathToOutput(model, item) {
  const outputs = model.nodes.filter(node => node.data.kind === "output");
  const losses = outputs.filter(node => /loss/i.test(node.data.label));
  const ends = losses.length ? losses : outputs.length ? outputs : model.nodes.filter(node => !node.outputs.length);
  const after = reached([...nodesIn(item)], node => node.outputs);
  const before = reached(ends, node => node.inputs);
  const path = new Set([...after].filter(node => before.has(node)));
  return { path, end: ends.filter(node => path.has(node)).map(node => node.data.label).join(", ") };
}

function reached(starts, neighbours) {
  const seen = new Set(starts), waiting = [...starts];
  while (waiting.length) {
    for (const { node } of neighbours(waiting.pop())) {
      if (!seen.has(node)) {
        seen.add(node);
        waiting.push(node);
      }
    }
  }
  return seen;
}
