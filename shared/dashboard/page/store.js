// What is known: the rows as the server tells them, and what follows from them.

import { clean, idOf, isProblem, statusOf, STATUS } from './words.js';

/** The most points of the charts that are kept. */
const SAMPLES = 300;
/** The most lines of activity that are kept. */
const ACTIVITY = 200;

const SECTIONS = ['stages', 'publishers', 'replicas', 'versus', 'rules', 'control'];

/** Everything the page knows. Rows are replaced, never changed. */
export const known = {
  rows: Object.fromEntries(SECTIONS.map((section) => [section, new Map()])),
  settings: null,
  samples: [],
  activity: [],
  /** `connecting`, `live` or `lost`. */
  link: 'connecting',
  lostAt: null,
  trouble: null,
  /** When the server last looked at the table with success, by this browser's clock. */
  lookedAt: null,
  /** The server's clock minus this browser's. */
  skew: 0,
  model: emptyModel(),
};

export const now = () => Date.now() + known.skew;

const listeners = new Set();
const dirty = new Set();
let scheduled = false;

/** Calls `listener` with what changed: sections, `samples`, `activity`, `link`. */
export const onChange = (listener) => listeners.add(listener);

function changed(...what) {
  what.forEach((name) => dirty.add(name));
  if (scheduled) return;
  scheduled = true;
  // Not requestAnimationFrame: a page in the background has to keep its title right.
  setTimeout(() => {
    scheduled = false;
    const names = new Set(dirty);
    dirty.clear();
    if (SECTIONS.some((section) => names.has(section))) known.model = modelOf(known.rows);
    listeners.forEach((listener) => listener(names));
  }, 16);
}

function put(section, rows) {
  const map = known.rows[section];
  if (map) for (const [key, row] of Object.entries(rows)) map.set(key, row);
}

function looked(sample) {
  known.lookedAt = Date.now();
  known.trouble = null;
  const last = known.samples.at(-1);
  if (last?.at !== sample.at) known.samples.push(sample);
  if (known.samples.length > SAMPLES) known.samples.splice(0, known.samples.length - SAMPLES);
}

/** Takes in lines of activity; one that is known already changes nothing. Keys begin with the time. */
export function tookPlace(lines) {
  const there = new Set(known.activity.map((line) => line.key));
  const added = lines.filter((line) => !there.has(line.key));
  if (added.length === 0) return;
  known.activity = [...added, ...known.activity].sort((a, b) => (a.key < b.key ? 1 : -1)).slice(0, ACTIVITY);
  changed('activity');
}

const EVENTS = {
  snapshot(data) {
    for (const section of SECTIONS) {
      known.rows[section].clear();
      put(section, data.rows[section] ?? {});
    }
    known.settings = data.settings;
    known.samples = data.samples.slice(-SAMPLES);
    known.skew = Date.parse(data.now) - Date.now();
    known.trouble = data.trouble ?? null;
    known.lookedAt = data.at ? Date.now() - (Date.parse(data.now) - Date.parse(data.at)) : null;
    changed(...SECTIONS, 'samples', 'link', 'settings');
  },
  change(data) {
    for (const [section, keys] of Object.entries(data.gone ?? {})) keys.forEach((key) => known.rows[section]?.delete(key));
    for (const [section, rows] of Object.entries(data.put ?? {})) put(section, rows);
    changed(...Object.keys(data.gone ?? {}), ...Object.keys(data.put ?? {}));
  },
  sample(data) {
    looked(data);
    changed('samples', 'link');
  },
  activity: tookPlace,
  trouble(data) {
    known.trouble = data;
    changed('link');
  },
};

let retry = 1000;

/** Listens to the server, for ever. The browser itself comes back after a lost connection; what it gives up is tried again here. */
export function listen() {
  const source = new EventSource('/api/events');
  source.onopen = () => {
    retry = 1000;
    Object.assign(known, { link: 'live', lostAt: null });
    // What happened while nobody listened is asked for: `history`.
    changed('link', 'history');
  };
  source.onerror = () => {
    if (known.link !== 'lost') Object.assign(known, { link: 'lost', lostAt: Date.now() });
    changed('link');
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, retry);
    retry = Math.min(retry * 2, 15_000);
  };
  for (const [name, take] of Object.entries(EVENTS)) {
    source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  }
}

/** Asks the server once. */
export async function ask(path, parameters) {
  const wanted = Object.entries(parameters).filter(([, value]) => value);
  const response = await fetch(`${path}?${new URLSearchParams(wanted)}`);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `the server answered ${response.status}`);
  return answer;
}

function emptyModel() {
  return { stages: new Map(), edges: new Map(), problems: 0, hay: new WeakMap() };
}

/** What follows from the rows: stages with who is there, and edges, which are all replications from one stage to another. */
function modelOf(rows) {
  const model = emptyModel();
  const stage = (arn) => {
    let there = model.stages.get(arn);
    if (!there) {
      const row = rows.stages.get(arn);
      there = { arn, row, name: clean(row?.name) || idOf(arn), publishers: [], incoming: [], outgoing: [], worst: -1 };
      model.stages.set(arn, there);
    }
    return there;
  };
  for (const arn of rows.stages.keys()) stage(arn);
  for (const publisher of rows.publishers.values()) stage(publisher.stage).publishers.push(publisher);
  for (const [key, replica] of rows.replicas) {
    const [source, destination] = [stage(replica.source), stage(replica.destination)];
    const status = statusOf(replica);
    const pair = `${replica.source} ${replica.destination}`;
    let edge = model.edges.get(pair);
    if (!edge) model.edges.set(pair, (edge = { key: pair, source, destination, replicas: [], counts: {} }));
    edge.replicas.push({ key, replica });
    edge.counts[status] = (edge.counts[status] ?? 0) + 1;
    source.outgoing.push({ key, replica });
    destination.incoming.push({ key, replica });
    source.worst = Math.max(source.worst, STATUS[status].rank);
    destination.worst = Math.max(destination.worst, STATUS[status].rank);
    if (isProblem(replica)) model.problems += 1;
  }
  for (const session of rows.versus.values()) if (session.state === 'Failed') model.problems += 1;
  if (rows.control.has('rules')) model.problems += 1;
  return model;
}

/** The text that a filter is compared with. */
export function hayOf(row, kind) {
  const { model } = known;
  let hay = model.hay.get(row);
  if (hay === undefined) {
    const name = (arn) => `${model.stages.get(arn)?.name ?? ''} ${arn}`;
    const parts =
      kind === 'replica'
        ? [name(row.source), name(row.destination), row.participant, row.user_id, row.rule?.id, statusOf(row), row.blocked?.reason, row.held_by_brake && 'Brake']
        : kind === 'publisher'
          ? [name(row.stage), row.participant, row.user_id]
          : [row.name, row.arn, JSON.stringify(row.row?.tags ?? '')];
    hay = parts.filter(Boolean).join(' ').toLowerCase();
    model.hay.set(row, hay);
  }
  return hay;
}

/** Whether every word of a filter is in a text. */
export const matches = (words, hay) => words.every((word) => hay.includes(word));
export const wordsOf = (filter) => filter.toLowerCase().split(/\s+/).filter(Boolean);
