// ---- A layered layout of one level: items in ranks from top to bottom, few crossings, straight main line.
//
// items: {left, right, height, inset, port}, sorted so that links lead forward; left and right are the extents
// around the point x to which links are attached, inset is how far inside the links begin and end.
// links: {from, to, fromOffset, toOffset} by positions in items.
// Result: {x, y} of each item, the route of each link as posts {x, top, bottom} to be joined, and the size.

const GAP = { rank: 30, item: 26, line: 12 };

function layered(items, links) {
  const ranks = rankItems(items, links);
  const { points, rows, chains } = withBends(items, links, ranks);
  reduceCrossings(points, rows);
  placeAcross(points, rows);
  const left = Math.min(0, ...points.map(p => p.x - p.left)), right = Math.max(0, ...points.map(p => p.x + p.right));
  for (const point of points) point.x -= left;
  const bands = placeDown(items, rows);
  const posts = links.map((link, i) => routeOf(link, items, points, ranks, bands, chains[i]));
  const places = items.map((item, i) => {
    const band = bands[ranks[i]];
    return { x: points[i].x, y: band.top + (band.bottom - band.top - item.height) / 2 };
  });
  return { places, posts, width: right - left, height: bands.length ? bands.at(-1).bottom : 0 };
}

function rankItems(items, links) {
  const first = items.some(item => item.port === "in") ? 1 : 0;
  const ranks = items.map(item => (item.port === "in" ? 0 : first));
  const into = items.map(() => []), outOf = items.map(() => []);
  for (const { from, to } of links) {
    if (from < to) { // a backward link, which only a graph out of order has, must not pull
      into[to].push(from);
      outOf[from].push(to);
    }
  }
  for (let i = 0; i < items.length; i++) {
    for (const from of into[i]) ranks[i] = Math.max(ranks[i], ranks[from] + 1);
  }
  for (let i = items.length - 1; i >= 0; i--) { // sources close to their use
    if (!into[i].length && outOf[i].length && items[i].port !== "in") ranks[i] = Math.min(...outOf[i].map(to => ranks[to])) - 1;
  }
  const last = Math.max(0, ...ranks.filter((_, i) => items[i].port !== "out")) + 1;
  return ranks.map((rank, i) => (items[i].port === "out" ? last : rank));
}

// Long links get a bend in each rank they cross; links from one place share theirs.
function withBends(items, links, ranks) {
  const points = items.map((item, i) => ({ ...item, rank: ranks[i], x: 0, above: [], below: [] }));
  const shared = new Map(), chains = [], joined = new Set();
  const join = (upper, lower, upperOffset, lowerOffset) => {
    const key = `${upper} ${lower} ${upperOffset} ${lowerOffset}`;
    if (joined.has(key)) return;
    joined.add(key);
    const bends = (points[upper].bend ? 1 : 0) + (points[lower].bend ? 1 : 0);
    const segment = { upper, lower, upperOffset, lowerOffset, weight: [100, 0.1, 1][bends] };
    points[upper].below.push(segment);
    points[lower].above.push(segment);
  };
  for (const { from, to, fromOffset, toOffset } of links) {
    const chain = [];
    chains.push(chain);
    if (ranks[from] >= ranks[to]) continue;
    const key = `${from} ${fromOffset}`;
    if (!shared.has(key)) shared.set(key, []);
    const bends = shared.get(key);
    let upper = from, offset = fromOffset;
    for (let rank = ranks[from] + 1; rank < ranks[to]; rank++) {
      const step = rank - ranks[from] - 1;
      if (bends[step] === undefined) {
        bends[step] = points.length;
        points.push({ left: 1, right: 1, height: 0, bend: true, rank, x: 0, above: [], below: [] });
      }
      join(upper, bends[step], offset, 0);
      chain.push(bends[step]);
      upper = bends[step];
      offset = 0;
    }
    join(upper, to, offset, toOffset);
  }
  const rows = Array.from({ length: Math.max(-1, ...points.map(p => p.rank)) + 1 }, () => []);
  points.forEach((point, i) => rows[point.rank].push(i));
  return { points, rows, chains };
}

function reduceCrossings(points, rows) {
  const number = () => rows.forEach(row => row.forEach((p, i) => { points[p].slot = i; }));
  number();
  let best = rows.map(row => [...row]), fewest = countCrossings(points, rows);
  for (let sweep = 0; sweep < 8 && fewest > 0; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      for (const p of row) points[p].wish = meanSlot(points, p, down);
      row.sort((a, b) => points[a].wish - points[b].wish || points[a].slot - points[b].slot);
      row.forEach((p, i) => { points[p].slot = i; });
    }
    const crossings = countCrossings(points, rows);
    if (crossings < fewest) {
      fewest = crossings;
      best = rows.map(row => [...row]);
    }
  }
  best.forEach((row, i) => { rows[i] = row; });
  number();
}

function meanSlot(points, p, down) {
  const near = down ? points[p].above.map(s => points[s.upper]) : points[p].below.map(s => points[s.lower]);
  return near.length ? near.reduce((sum, q) => sum + q.slot, 0) / near.length : points[p].slot;
}

function countCrossings(points, rows) {
  let count = 0;
  for (const row of rows) {
    const ends = row.flatMap(p => points[p].below.map(s => points[s.lower].slot).sort((a, b) => a - b));
    for (let i = 0; i < ends.length; i++) {
      for (let j = 0; j < i; j++) if (ends[j] > ends[i]) count++;
    }
  }
  return count;
}

// Each point wishes to stand straight below or above its neighbours; rows are settled in turn, downwards and upwards.
function placeAcross(points, rows) {
  for (const row of rows) settle(points, row, row.map(() => 0), row.map(() => 1));
  for (let pass = 0; pass < 11; pass++) { // the last pass looks upwards, so that chains come out straight
    const down = pass % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      const wishes = row.map(p => wishFor(points, p, down));
      settle(points, row, wishes.map(wish => wish.x), wishes.map(wish => wish.weight));
    }
  }
  for (const row of [...rows].reverse()) { // long links make way early, and then run straight; the items stay
    const wishes = row.map(p => (points[p].bend ? wishFor(points, p, false) : { x: points[p].x, weight: 1e6 }));
    settle(points, row, wishes.map(wish => wish.x), wishes.map(wish => wish.weight));
  }
}

function wishFor(points, p, down) {
  let sum = 0, weight = 0;
  for (const s of down ? points[p].above : points[p].below) {
    const x = down ? points[s.upper].x + s.upperOffset - s.lowerOffset : points[s.lower].x + s.lowerOffset - s.upperOffset;
    sum += s.weight * x;
    weight += s.weight;
  }
  return weight ? { x: sum / weight, weight } : { x: points[p].x, weight: 0.01 };
}

// The places nearest to the wishes (least squares) that keep order and distances: neighbours that collide form a block.
function settle(points, row, wishes, weights) {
  const blocks = [];
  let shift = 0;
  const shifts = row.map((p, i) => {
    if (i > 0) {
      const before = points[row[i - 1]], point = points[p];
      shift += before.right + point.left + (before.bend || point.bend ? GAP.line : GAP.item);
    }
    return shift;
  });
  row.forEach((_, i) => {
    blocks.push({ sum: weights[i] * (wishes[i] - shifts[i]), weight: weights[i], count: 1 });
    while (blocks.length > 1 && mean(blocks.at(-2)) > mean(blocks.at(-1))) {
      const last = blocks.pop(), block = blocks.at(-1);
      block.sum += last.sum;
      block.weight += last.weight;
      block.count += last.count;
    }
  });
  let i = 0;
  for (const block of blocks) {
    for (let n = 0; n < block.count; n++, i++) points[row[i]].x = mean(block) + shifts[i];
  }
}

const mean = block => block.sum / block.weight;

function placeDown(items, rows) {
  let y = 0;
  return rows.map(row => {
    const height = Math.max(0, ...row.filter(p => p < items.length).map(p => items[p].height));
    const band = { top: y, bottom: y + height };
    y += height + GAP.rank;
    return band;
  });
}

function routeOf(link, items, points, ranks, bands, chain) {
  const { from, to, fromOffset, toOffset } = link;
  const inside = i => (bands[ranks[i]].bottom - bands[ranks[i]].top - items[i].height) / 2 + items[i].inset;
  const start = bands[ranks[from]], end = bands[ranks[to]];
  const posts = [{ x: points[from].x + fromOffset, top: start.bottom - inside(from), bottom: start.bottom }];
  for (const p of chain) {
    const { x, rank } = points[p];
    if (posts.length > 1 && posts.at(-1).x === x) posts.at(-1).bottom = bands[rank].bottom;
    else posts.push({ x, ...bands[rank] });
  }
  posts.push({ x: points[to].x + toOffset, top: end.top, bottom: end.top + inside(to) });
  return posts;
}
