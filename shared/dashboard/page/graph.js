// The graph: stages as boxes, replications as arrows, on a canvas that draws only what can be seen.

import { byId, fitted, palette, tell } from './dom.js';
import { layout, shapeOf } from './layout.js';
import { hayOf, known, matches, onChange, wordsOf } from './store.js';
import { clean, many, STATUS, STATUSES, whoIs } from './words.js';

const COLOURS = ['--surface', '--sunken', '--line', '--ink', '--muted', '--faint', '--accent', '--node', ...STATUSES.map(({ colour }) => colour)];
const [SMALLEST, LARGEST, LARGEST_FIT] = [0.04, 2.5, 1.7];
/** So many stages are few. */
const FEW = 40;
/** Below this scale there are no texts and no patterns, only places and colours. */
const READABLE = 0.42;

const canvas = byId('graph');
const view = { x: 0, y: 0, scale: 1, moved: false };
const drawn = { placed: null, shape: '', focus: null, hover: null, words: [], shown: null, queued: false, colours: null };
let open = { stage() {}, edge() {} };

/** Begins to draw. `handlers` open what is clicked. */
export function start(handlers) {
  open = handlers;
  onChange((names) => {
    if (['stages', 'publishers', 'replicas'].some((name) => names.has(name))) refresh();
  });
  new ResizeObserver(() => {
    refresh();
    if (!view.moved) fit();
    draw();
  }).observe(canvas);
  listenToMouse();
  canvas.addEventListener('keydown', onKey);
  canvas.addEventListener('focus', () => {
    if (!drawn.focus) focusOn(first());
    draw();
  });
  canvas.addEventListener('blur', draw);
  byId('zoom-in').addEventListener('click', () => zoom(1.3));
  byId('zoom-out').addEventListener('click', () => zoom(1 / 1.3));
  byId('zoom-fit').addEventListener('click', showAll);
}

/** Only what matches is drawn in full. */
export function filter(text) {
  drawn.words = wordsOf(text);
  drawn.shown = shownBy(drawn.words);
  draw();
}

/** Moves to what matches the filter, or to all. */
export function showMatches() {
  const { placed, shown } = drawn;
  const nodes = [...(placed?.nodes.values() ?? [])].filter((node) => !shown || shown.stages.has(node.stage.arn));
  if (nodes.length === 0) return;
  view.moved = true;
  fit(nodes);
  focusOn(nodes[0]);
}

/** The theme changed. */
export function recolour() {
  drawn.colours = null;
  draw();
}

/** Where a stage stands on the screen, for tests and for whoever wants to point at it. */
export function positionOf(arn) {
  const node = drawn.placed?.nodes.get(arn);
  if (!node) return null;
  const box = canvas.getBoundingClientRect();
  return { x: box.x + (node.x + node.width / 2) * view.scale + view.x, y: box.y + (node.y + node.height / 2) * view.scale + view.y };
}

/** How often the graph was drawn, and how long the last time took. */
export const measure = { draws: 0, milliseconds: 0, layouts: 0, layoutMilliseconds: 0 };

function refresh() {
  const { stages, edges } = known.model;
  const field = fieldOf();
  const shape = `${JSON.stringify(field)}\n${shapeOf(stages, edges)}`;
  if (shape === drawn.shape) {
    // The same places, with what is known now.
    for (const [arn, node] of drawn.placed.nodes) node.stage = stages.get(arn);
  } else {
    const began = performance.now();
    drawn.placed = layout(stages, edges, field);
    measure.layouts += 1;
    measure.layoutMilliseconds = performance.now() - began;
    drawn.shape = shape;
    if (!view.moved) fit();
  }
  if (drawn.focus && !drawn.placed.nodes.has(drawn.focus)) drawn.focus = null;
  drawn.shown = shownBy(drawn.words);
  draw();
}

/** The shape of the canvas, in steps, so that a few pixels more move nothing. */
function fieldOf() {
  const { clientWidth: width, clientHeight: height } = canvas;
  const aspect = Math.max(0.5, Math.min(3, Math.round((width / Math.max(1, height)) * 4) / 4));
  return { aspect, gap: width < 560 ? 76 : 150 };
}

/** Stages and edges that a filter leaves; nothing if there is none. */
function shownBy(words) {
  if (words.length === 0) return null;
  const shown = { stages: new Set(), edges: new Set() };
  for (const edge of known.model.edges.values()) {
    if (edge.replicas.some(({ replica }) => matches(words, hayOf(replica, 'replica')))) {
      shown.edges.add(edge.key);
      shown.stages.add(edge.source.arn).add(edge.destination.arn);
    }
  }
  for (const stage of known.model.stages.values()) {
    const found = matches(words, hayOf(stage, 'stage')) || stage.publishers.some((row) => matches(words, hayOf(row, 'publisher')));
    if (found) shown.stages.add(stage.arn);
  }
  return shown;
}

// ---- the view --------------------------------------------------------------------------------------------------------

function fit(nodes = [...(drawn.placed?.nodes.values() ?? [])]) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!nodes.length || !width) return;
  const left = Math.min(...nodes.map((node) => node.x)) - 20;
  const top = Math.min(...nodes.map((node) => node.y)) - 20;
  const right = Math.max(...nodes.map((node) => node.x + node.width)) + 20;
  const bottom = Math.max(...nodes.map((node) => node.y + node.height)) + 20;
  const all = Math.min(LARGEST_FIT, width / (right - left), height / (bottom - top));
  // A few stages are shown so that they can be read, even if not all of them at once; many, as a map.
  view.scale = nodes.length <= FEW ? Math.max(READABLE * 1.4, all) : Math.max(SMALLEST, all);
  const start = (room, from, to) => (room < (to - from) * view.scale ? -from * view.scale : (room - (from + to) * view.scale) / 2);
  view.x = start(width, left, right);
  view.y = start(height, top, bottom);
}

function showAll() {
  view.moved = false;
  fit();
  draw();
}

function zoom(factor, at = { x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 }) {
  const scale = Math.max(SMALLEST, Math.min(LARGEST, view.scale * factor));
  view.x = at.x - ((at.x - view.x) * scale) / view.scale;
  view.y = at.y - ((at.y - view.y) * scale) / view.scale;
  Object.assign(view, { scale, moved: true });
  draw();
}

// ---- drawing ---------------------------------------------------------------------------------------------------------

function draw() {
  if (drawn.queued) return;
  drawn.queued = true;
  requestAnimationFrame(() => {
    drawn.queued = false;
    const began = performance.now();
    paint();
    measure.draws += 1;
    measure.milliseconds = performance.now() - began;
  });
}

function paint() {
  const { context, width, height } = fitted(canvas);
  const { placed } = drawn;
  if (!placed) return;
  drawn.colours ??= palette(COLOURS);
  const colours = drawn.colours;
  context.translate(view.x, view.y);
  context.scale(view.scale, view.scale);
  const seen = {
    left: -view.x / view.scale,
    top: -view.y / view.scale,
    right: (width - view.x) / view.scale,
    bottom: (height - view.y) / view.scale,
  };
  const visible = (box) => box.x < seen.right && box.x + box.width > seen.left && box.y < seen.bottom && box.y + box.height > seen.top;
  for (const block of placed.blocks.filter(visible)) {
    context.fillStyle = colours['--sunken'];
    rounded(context, block, 10);
    context.fill();
  }
  for (const edge of known.model.edges.values()) paintEdge(context, edge, visible);
  for (const node of placed.nodes.values()) if (visible(node)) paintNode(context, node);
  if (view.scale >= READABLE * 0.6) {
    context.fillStyle = colours['--muted'];
    context.font = `600 ${Math.max(12, 11 / view.scale)}px system-ui, sans-serif`;
    for (const { text, x, y } of placed.titles) context.fillText(text, x, y);
  }
}

function rounded(context, { x, y, width, height }, radius) {
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
}

/** The curve of an edge: rightward from right to left sides, leftward the other way, within a column around the side. */
function curveOf(edge) {
  const [a, b, port] = [drawn.placed.nodes.get(edge.source.arn), drawn.placed.nodes.get(edge.destination.arn), drawn.placed.ports.get(edge.key)];
  if (!a || !b || !port) return null;
  const { from: y1, to: y2 } = port;
  if (Math.abs(a.x - b.x) < 1) {
    const [side, bulge] = b.y > a.y ? [a.x + a.width, 46] : [a.x, -46];
    return { x1: side, y1, cx1: side + bulge, cy1: y1, cx2: side + bulge, cy2: y2, x2: side, y2, ends: Math.sign(-bulge) };
  }
  const right = b.x > a.x;
  const [x1, x2] = right ? [a.x + a.width, b.x] : [a.x, b.x + b.width];
  const reach = Math.max(36, Math.abs(x2 - x1) * 0.45) * (right ? 1 : -1);
  return { x1, y1, cx1: x1 + reach, cy1: y1, cx2: x2 - reach, cy2: y2, x2, y2, ends: right ? 1 : -1 };
}

function paintEdge(context, edge, visible) {
  const curve = curveOf(edge);
  if (!curve) return;
  const [left, right] = [Math.min(curve.x1, curve.x2, curve.cx1, curve.cx2), Math.max(curve.x1, curve.x2, curve.cx1, curve.cx2)];
  const [top, bottom] = [Math.min(curve.y1, curve.y2) - 8, Math.max(curve.y1, curve.y2) + 8];
  if (!visible({ x: left, y: top, width: right - left, height: bottom - top })) return;
  const fine = view.scale >= READABLE;
  const hidden = drawn.shown && !drawn.shown.edges.has(edge.key);
  const statuses = STATUSES.filter(({ name }) => edge.counts[name]);
  context.globalAlpha = hidden ? 0.1 : 1;
  statuses.forEach((status, i) => {
    const offset = (i - (statuses.length - 1) / 2) * 4.5;
    context.strokeStyle = drawn.colours[status.colour];
    context.setLineDash(fine ? status.dash : []);
    const strong = drawn.hover?.edge === edge.key || (drawn.focus && [edge.source.arn, edge.destination.arn].includes(drawn.focus) && document.activeElement === canvas);
    context.lineWidth = (1.4 + Math.min(2, Math.log2(edge.counts[status.name]) * 0.6) + (strong ? 1.2 : 0)) / (fine ? 1 : Math.max(0.35, view.scale * 1.6));
    context.beginPath();
    context.moveTo(curve.x1, curve.y1 + offset);
    context.bezierCurveTo(curve.cx1, curve.cy1 + offset, curve.cx2, curve.cy2 + offset, curve.x2 - curve.ends * (fine ? 7 : 0), curve.y2 + offset);
    context.stroke();
    if (!fine) return;
    context.setLineDash([]);
    context.fillStyle = drawn.colours[status.colour];
    context.beginPath();
    context.moveTo(curve.x2, curve.y2 + offset);
    context.lineTo(curve.x2 - curve.ends * 9, curve.y2 + offset - 4.5);
    context.lineTo(curve.x2 - curve.ends * 9, curve.y2 + offset + 4.5);
    context.fill();
  });
  context.setLineDash([]);
  if (fine && edge.replicas.length > 1) paintCount(context, curve, edge.replicas.length);
  context.globalAlpha = 1;
}

/** How many replications an arrow stands for. */
function paintCount(context, curve, count) {
  const at = pointOf(curve, 0.5);
  context.font = '600 11px system-ui, sans-serif';
  const width = context.measureText(String(count)).width + 10;
  context.fillStyle = drawn.colours['--surface'];
  context.strokeStyle = drawn.colours['--line'];
  context.lineWidth = 1;
  rounded(context, { x: at.x - width / 2, y: at.y - 8, width, height: 16 }, 8);
  context.fill();
  context.stroke();
  context.fillStyle = drawn.colours['--ink'];
  context.textAlign = 'center';
  context.fillText(String(count), at.x, at.y + 4);
  context.textAlign = 'left';
}

function pointOf({ x1, y1, cx1, cy1, cx2, cy2, x2, y2 }, t) {
  const [a, b, c, d] = [(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t ** 2, t ** 3];
  return { x: a * x1 + b * cx1 + c * cx2 + d * x2, y: a * y1 + b * cy1 + c * cy2 + d * y2 };
}

function paintNode(context, node) {
  const { colours } = drawn;
  const { stage } = node;
  const focused = drawn.focus === stage.arn && document.activeElement === canvas;
  const worst = STATUSES[stage.worst];
  context.globalAlpha = drawn.shown && !drawn.shown.stages.has(stage.arn) ? 0.16 : 1;
  rounded(context, node, node.idle ? 5 : 7);
  context.fillStyle = drawn.hover?.arn === stage.arn ? colours['--faint'] : colours['--node'];
  context.fill();
  context.lineWidth = focused ? Math.max(2.5, 2.5 / view.scale) : Math.max(1, 0.6 / view.scale);
  context.strokeStyle = focused ? colours['--accent'] : colours['--line'];
  context.stroke();
  if (worst) {
    context.fillStyle = colours[worst.colour];
    context.beginPath();
    const bar = view.scale < READABLE ? 22 : 4;
    context.roundRect(node.x, node.y, bar, node.height, [7, 0, 0, 7]);
    context.fill();
  }
  if (view.scale >= READABLE * (node.idle ? 1.3 : 1)) paintTexts(context, node);
  context.globalAlpha = 1;
}

function paintTexts(context, node) {
  const { colours } = drawn;
  const { stage } = node;
  const room = node.width - 22;
  context.fillStyle = node.idle ? colours['--muted'] : colours['--ink'];
  context.font = node.idle ? '12px system-ui, sans-serif' : '600 13px system-ui, sans-serif';
  context.fillText(cut(context, stage.name, room), node.x + 13, node.y + (node.idle ? 16 : 17));
  if (node.idle) return;
  context.fillStyle = colours['--muted'];
  context.font = '11px system-ui, sans-serif';
  context.fillText(cut(context, summary(stage), room), node.x + 13, node.y + 33);
}

/** As much of a text as there is room for. */
function cut(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let short = text.slice(0, 60);
  while (short && context.measureText(`${short}…`).width > room) short = short.slice(0, -1);
  return `${short}…`;
}

function summary(stage) {
  const live = stage.publishers.filter((row) => row.publishing === 'yes');
  const parts = [];
  if (live.length === 1) parts.push(whoIs(live[0]));
  else if (live.length > 1) parts.push(`${live.length} publish`);
  if (stage.incoming.length) parts.push(stage.outgoing.length ? `${stage.incoming.length} in` : many(stage.incoming.length, 'replica'));
  if (stage.outgoing.length) parts.push(`${stage.outgoing.length} out`);
  return parts.join(' · ') || 'nobody publishes';
}

/** What is said of a stage when it has the focus. */
function sentence(stage) {
  const counts = {};
  for (const { replica } of [...stage.incoming, ...stage.outgoing]) {
    const status = replica.owner === 'foreign' ? 'foreign' : replica.phase.toLowerCase();
    counts[status] = (counts[status] ?? 0) + 1;
  }
  const phases = Object.entries(counts).map(([status, count]) => `${count} ${status}`);
  const publishers = stage.publishers.filter((row) => row.publishing === 'yes').length;
  return [`Stage ${clean(stage.name)}`, many(publishers, 'publisher'), `${many(stage.incoming.length, 'replica')} here`, `${stage.outgoing.length} out`, ...phases].join(', ');
}

// ---- hands -----------------------------------------------------------------------------------------------------------

function focusOn(node) {
  if (!node) return;
  drawn.focus = node.stage.arn;
  const [x, y] = [(node.x + node.width / 2) * view.scale + view.x, (node.y + node.height / 2) * view.scale + view.y];
  const { clientWidth: width, clientHeight: height } = canvas;
  if (x < 60 || x > width - 60 || y < 30 || y > height - 30) {
    view.x += width / 2 - x;
    view.y += height / 2 - y;
    view.moved = true;
  }
  tell(byId('graph-focus'), sentence(node.stage));
  draw();
}

function first() {
  const nodes = [...(drawn.placed?.nodes.values() ?? [])].filter((node) => !drawn.shown || drawn.shown.stages.has(node.stage.arn));
  return nodes.sort((a, b) => a.y - b.y || a.x - b.x)[0];
}

/** The nearest stage in a direction: what lies to the side counts double. */
function neighbour(dx, dy) {
  const from = drawn.placed.nodes.get(drawn.focus);
  if (!from) return first();
  let best = null;
  for (const node of drawn.placed.nodes.values()) {
    if (node === from || (drawn.shown && !drawn.shown.stages.has(node.stage.arn))) continue;
    const [x, y] = [node.x - from.x, node.y - from.y];
    const along = x * dx + y * dy;
    const aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (along <= 1 || aside > along * 2.5) continue;
    const far = along + aside * 2;
    if (!best || far < best.far) best = { node, far };
  }
  return best?.node;
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !drawn.placed) return;
  const { key } = event;
  if (STEPS[key]) focusOn(neighbour(...STEPS[key]));
  else if (key === 'Home') focusOn(first());
  else if ((key === 'Enter' || key === ' ') && drawn.focus) open.stage(drawn.focus, canvas);
  else if (key === '+' || key === '=') zoom(1.3);
  else if (key === '-') zoom(1 / 1.3);
  else if (key === '0') showAll();
  else return;
  event.preventDefault();
}

function at(event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.x, event.clientY - box.y];
  return { x, y, inside: { x: (x - view.x) / view.scale, y: (y - view.y) / view.scale } };
}

/** The stage or the edge at a point. */
function hit({ x, y }) {
  if (!drawn.placed) return null;
  for (const node of drawn.placed.nodes.values()) {
    if (x >= node.x && x <= node.x + node.width && y >= node.y && y <= node.y + node.height) return { arn: node.stage.arn };
  }
  if (view.scale < READABLE) return null;
  const reach = 7 / Math.min(1, view.scale);
  for (const edge of known.model.edges.values()) {
    const curve = curveOf(edge);
    if (!curve || y < Math.min(curve.y1, curve.y2) - reach - 20 || y > Math.max(curve.y1, curve.y2) + reach + 20) continue;
    for (let t = 0; t <= 1; t += 0.04) {
      const point = pointOf(curve, t);
      if (Math.hypot(point.x - x, point.y - y) < reach + 3) return { edge: edge.key };
    }
  }
  return null;
}

function listenToMouse() {
  let drag = null;
  const fingers = new Map();
  canvas.addEventListener('pointerdown', (event) => {
    fingers.set(event.pointerId, event);
    drag = { x: event.clientX, y: event.clientY, from: { ...view }, far: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (fingers.size === 2 && fingers.has(event.pointerId)) return pinch(event);
    if (drag && fingers.size === 1) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      drag.far ||= Math.hypot(dx, dy) > 4;
      if (!drag.far) return;
      Object.assign(view, { x: drag.from.x + dx, y: drag.from.y + dy, moved: true });
      return draw();
    }
    const over = hit(at(event).inside);
    if (over?.arn === drawn.hover?.arn && over?.edge === drawn.hover?.edge) return;
    drawn.hover = over;
    canvas.classList.toggle('over', Boolean(over));
    const stage = known.model.stages.get(over?.arn);
    const edge = known.model.edges.get(over?.edge);
    canvas.title = stage ? `${stage.name}\n${clean(stage.arn)}` : edge ? edgeTitle(edge) : '';
    draw();
  });
  function pinch(event) {
    const other = [...fingers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    const before = fingers.get(event.pointerId);
    const far = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
    if (far(before) > 0) zoom(far(event) / far(before), at(other));
    fingers.set(event.pointerId, event);
  }
  const end = (event) => {
    fingers.delete(event.pointerId);
    const clicked = drag && !drag.far && event.type === 'pointerup' && fingers.size === 0;
    drag = fingers.size ? drag : null;
    if (!clicked) return;
    const found = hit(at(event).inside);
    if (found?.arn) {
      focusOn(drawn.placed.nodes.get(found.arn));
      open.stage(found.arn, canvas);
    } else if (found?.edge) open.edge(found.edge, canvas);
  };
  canvas.addEventListener('pointerup', end);
  canvas.addEventListener('pointercancel', end);
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), at(event));
  }, { passive: false });
}

function edgeTitle(edge) {
  const counts = STATUSES.filter(({ name }) => edge.counts[name]).map(({ name }) => `${edge.counts[name]} ${name}`);
  return `${edge.source.name} → ${edge.destination.name}\n${counts.join(', ')}`;
}

/** The legend, drawn as the arrows are. */
export function legendLine(canvasOf, status) {
  const { context, width, height } = fitted(canvasOf);
  context.strokeStyle = palette([status.colour])[status.colour];
  context.lineWidth = 2;
  context.setLineDash(STATUS[status.name].dash);
  context.beginPath();
  context.moveTo(0, height / 2);
  context.lineTo(width, height / 2);
  context.stroke();
}
