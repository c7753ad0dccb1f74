// Where stages stand. The same stages and replications always stand in the same places.

const NODE = { width: 188, height: 42, gap: 12 };
const IDLE = { width: 150, height: 24, gap: 8 };
const PADDING = 18;
const BLOCK_GAP = 26;
/** Stages above each other before a second column is begun. */
const ROWS = 18;

/**
 * Places stages: connected ones together in a block, sources left, destinations right, what is both between them. Stages without
 * replications follow in rows. The whole is brought to the shape of its `field`: `aspect`, width to height, and the `gap` between
 * columns.
 */
export function layout(stages, edges, field) {
  const compare = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.arn < b.arn ? -1 : 1);
  const blocks = components(stages, edges).map((members) => blockOf(members.sort(compare), field.gap));
  // Big ones first, in steps, so that one stage more or less does not move all the others.
  const size = (block) => Math.floor(Math.log2(block.nodes.length));
  blocks.sort((a, b) => size(b) - size(a) || compare(a.first, b.first));
  const idle = [...stages.values()].filter((stage) => !stage.outgoing.length && !stage.incoming.length);
  const busyIdle = idle.filter((stage) => stage.publishers.length).sort(compare);
  const silent = idle.filter((stage) => !stage.publishers.length).sort(compare);
  const area = blocks.reduce((sum, block) => sum + (block.width + BLOCK_GAP) * (block.height + BLOCK_GAP), 0);
  const idleArea = idle.length * (IDLE.width + IDLE.gap) * (IDLE.height + IDLE.gap);
  const widest = Math.max(0, ...blocks.map((block) => block.width));
  const width = Math.max(widest, 320, Math.sqrt((area * 1.15 + idleArea) * field.aspect));
  const placed = { nodes: new Map(), blocks: [], titles: [], width: 0, height: 0 };
  let y = shelves(blocks, width, placed);
  y = rows('Publishing, not replicated', busyIdle, width, y, placed);
  y = rows('Nobody there, or nothing replicated', silent, width, y, placed);
  placed.width = Math.max(0, ...[...placed.nodes.values()].map((node) => node.x + node.width + PADDING));
  placed.height = y;
  placed.ports = ports(placed.nodes, edges);
  return placed;
}

/** Stages that replications connect, in whatever direction. */
function components(stages, edges) {
  const parent = new Map();
  const root = (arn) => {
    let top = arn;
    while (parent.get(top) !== top) top = parent.get(top);
    for (let at = arn; at !== top; ) [at] = [parent.get(at), parent.set(at, top)];
    return top;
  };
  for (const { source, destination } of edges.values()) {
    for (const { arn } of [source, destination]) if (!parent.has(arn)) parent.set(arn, arn);
    parent.set(root(source.arn), root(destination.arn));
  }
  const groups = new Map();
  for (const arn of parent.keys()) {
    const top = root(arn);
    if (!groups.has(top)) groups.set(top, []);
    groups.get(top).push(stages.get(arn));
  }
  return [...groups.values()];
}

function blockOf(members, gap) {
  const [sources, both, destinations] = [[], [], []];
  for (const stage of members) {
    (stage.outgoing.length ? (stage.incoming.length ? both : sources) : destinations).push(stage);
  }
  let columns = [sources, both, destinations].filter((column) => column.length);
  // Stages that replicate into each other stand left and right, so that arrows both ways can be told apart.
  if (columns.length === 1) columns = [both.filter((_, i) => i % 2 === 0), both.filter((_, i) => i % 2 === 1)];
  untangle(columns);
  const high = (count) => Math.min(count, ROWS) * (NODE.height + NODE.gap) - NODE.gap;
  // With sources and destinations beside it, the middle stands lower: what goes past it does not go behind it.
  const ends = new Set(destinations.map(({ arn }) => arn));
  const lowered = columns.length === 3 && sources.some((stage) => stage.outgoing.some(({ replica }) => ends.has(replica.destination)));
  const upper = Math.max(...columns.map((column) => (lowered && column === both ? 0 : high(column.length))));
  const nodes = [];
  let x = PADDING;
  columns.forEach((column, index) => {
    if (index > 0) x += gap - NODE.gap;
    for (let start = 0; start < column.length; start += ROWS) {
      const part = column.slice(start, start + ROWS);
      let y = PADDING + (lowered && column === both ? upper + NODE.gap : (upper - high(part.length)) / 2);
      for (const stage of part) {
        nodes.push({ stage, x, y, width: NODE.width, height: NODE.height });
        y += NODE.height + NODE.gap;
      }
      x += NODE.width + NODE.gap;
    }
  });
  const height = upper + (lowered ? NODE.gap + high(both.length) : 0) + 2 * PADDING;
  return { nodes, first: members[0], width: x - NODE.gap + PADDING, height };
}

/** Where arrows leave and arrive: spread over the side of the box, in the order of where they lead. */
function ports(nodes, edges) {
  const sides = new Map();
  const side = (node, right) => {
    const key = `${node.stage.arn} ${right}`;
    if (!sides.has(key)) sides.set(key, { node, ends: [] });
    return sides.get(key).ends;
  };
  const found = new Map();
  for (const edge of edges.values()) {
    const [a, b] = [nodes.get(edge.source.arn), nodes.get(edge.destination.arn)];
    if (!a || !b) continue;
    const port = {};
    found.set(edge.key, port);
    const same = Math.abs(a.x - b.x) < 1;
    const right = same ? b.y > a.y : b.x > a.x;
    side(a, right).push({ port, name: 'from', towards: b, key: edge.key });
    side(b, same ? right : !right).push({ port, name: 'to', towards: a, key: edge.key });
  }
  for (const { node, ends } of sides.values()) {
    ends.sort((p, q) => p.towards.y - q.towards.y || (p.key < q.key ? -1 : 1));
    const room = Math.min(node.height - 14, (ends.length - 1) * 9);
    ends.forEach(({ port, name }, i) => {
      port[name] = node.y + node.height / 2 + (ends.length > 1 ? room * (i / (ends.length - 1) - 0.5) : 0);
    });
  }
  return found;
}

/** Orders each column by where its neighbours in the column before stand, so that fewer arrows cross. */
function untangle(columns) {
  const place = new Map();
  const settle = (column) => column.forEach((stage, i) => place.set(stage.arn, i / Math.max(1, column.length - 1)));
  const order = (column, from) => {
    const mean = new Map(column.map((stage, i) => {
      const near = from(stage).map((arn) => place.get(arn)).filter((at) => at !== undefined);
      return [stage, near.length ? near.reduce((sum, at) => sum + at, 0) / near.length : i / column.length];
    }));
    const before = new Map(column.map((stage, i) => [stage, i]));
    column.sort((a, b) => mean.get(a) - mean.get(b) || before.get(a) - before.get(b));
    settle(column);
  };
  columns.forEach(settle);
  const incoming = (stage) => stage.incoming.map(({ replica }) => replica.source);
  const outgoing = (stage) => stage.outgoing.map(({ replica }) => replica.destination);
  for (const column of columns.slice(1)) order(column, incoming);
  for (const column of columns.slice(0, -1).reverse()) order(column, outgoing);
  for (const column of columns.slice(1)) order(column, incoming);
}

/** Blocks beside each other, in as many rows as it takes. */
function shelves(blocks, width, placed) {
  let [x, y, high] = [0, 0, 0];
  for (const block of blocks) {
    if (x > 0 && x + block.width > width) [x, y, high] = [0, y + high + BLOCK_GAP, 0];
    placed.blocks.push({ x, y, width: block.width, height: block.height });
    for (const node of block.nodes) placed.nodes.set(node.stage.arn, { ...node, x: node.x + x, y: node.y + y });
    x += block.width + BLOCK_GAP;
    high = Math.max(high, block.height);
  }
  return blocks.length ? y + high + BLOCK_GAP : 0;
}

/** Stages without replications, small. */
function rows(title, stages, width, top, placed) {
  if (stages.length === 0) return top;
  placed.titles.push({ text: `${title}: ${stages.length}`, x: PADDING, y: top + 16 });
  const perRow = Math.max(1, Math.floor((width - PADDING) / (IDLE.width + IDLE.gap)));
  stages.forEach((stage, i) => {
    const [column, row] = [i % perRow, Math.floor(i / perRow)];
    const [x, y] = [PADDING + column * (IDLE.width + IDLE.gap), top + 28 + row * (IDLE.height + IDLE.gap)];
    placed.nodes.set(stage.arn, { stage, x, y, width: IDLE.width, height: IDLE.height, idle: true });
  });
  return top + 28 + Math.ceil(stages.length / perRow) * (IDLE.height + IDLE.gap) + BLOCK_GAP;
}

/** What decides on the places: who is there and what leads where. The same text, the same places. */
export const shapeOf = (stages, edges) =>
  [...stages.values()].map((stage) => `${stage.arn} ${stage.name} ${stage.publishers.length > 0}`).sort().join('\n') + '\n' + [...edges.keys()].sort().join('\n');
