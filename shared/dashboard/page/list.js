// Lists of the same that the graph shows: only the rows that can be seen are elements.

import { badge, byId, element, tell } from './dom.js';
import { hayOf, known, matches, now, onChange, wordsOf } from './store.js';
import { clean, idOf, instant, isProblem, many, reasonOf, ruleWords, span, STATUS, statusOf, whoIs } from './words.js';

const grid = byId('list');
const state = { tab: 'replicas', words: [], rows: [], active: null, header: null, body: null };
let open = { stage() {}, replica() {} };

const name = (arn) => known.model.stages.get(arn)?.name ?? idOf(arn);
const since = (moment) => (moment ? span(now() - instant(moment)) : '');

/** What can be listed: how to find the rows, what stands in which column, and what opens. */
const TABS = {
  replicas: {
    title: 'Replicas',
    columns: ['Phase', 'Participant', 'Source stage', 'Destination stage', 'Rule', 'Seen', 'Why'],
    rows: () => [...known.rows.replicas].map(([key, row]) => ({ key, row, hay: hayOf(row, 'replica') })),
    order: (a, b) =>
      isProblem(b.row) - isProblem(a.row) || STATUS[statusOf(b.row)].rank - STATUS[statusOf(a.row)].rank || byText(name(a.row.source), name(b.row.source)) || byText(a.key, b.key),
    cells: ({ row }) => {
      const reason = reasonOf(row);
      const told = reason ? reason.word : row.last_error ? clean(row.last_error.code) : '';
      return [badge(STATUS[statusOf(row)]), whoIs(row), name(row.source), name(row.destination), clean(row.rule?.id ?? '–'), since(row.seen_running), told];
    },
    open: ({ key }) => open.replica(key, grid),
    empty: () => (known.rows.rules.size ? 'Nothing is replicated: nobody publishes on a stage that a rule means.' : NO_RULES),
  },
  stages: {
    title: 'Stages',
    columns: ['Stage', 'Publishing', 'Replicas here', 'Out', 'Places', 'Tags'],
    rows: () => [...known.model.stages.values()].map((stage) => ({ key: stage.arn, row: stage, hay: stageHay(stage) })),
    order: (a, b) => b.row.worst - a.row.worst || b.row.incoming.length + b.row.outgoing.length - a.row.incoming.length - a.row.outgoing.length || byText(a.row.name, b.row.name) || byText(a.key, b.key),
    cells: ({ row }) => [
      row.name,
      row.publishers.filter((publisher) => publisher.publishing === 'yes').map(whoIs).join(', ') || '–',
      String(row.incoming.length),
      String(row.outgoing.length),
      row.row?.occupied === undefined ? '–' : `${row.row.occupied} of 12`,
      clean(Object.entries(row.row?.tags ?? {}).map(([key, value]) => `${key}=${value}`).join(' ')),
    ],
    open: ({ key }) => open.stage(key, grid),
    empty: () => 'No stage is known yet: sweeps list them every minute, and events tell of those that somebody publishes on.',
  },
  rules: {
    title: 'Rules',
    columns: ['Rule', 'Status', 'Priority', 'Source', 'Destinations', 'Replicas'],
    rows: () => [...known.rows.rules].map(([key, row]) => ({ key, row, hay: `${key} ${JSON.stringify(row)}`.toLowerCase() })),
    order: (a, b) => b.row.priority - a.row.priority || byText(a.key, b.key),
    cells: ({ row }) => {
      const { source, destinations } = ruleWords(row);
      return [clean(row.id), row.status, String(row.priority), source, destinations, String(replicasBy(row.id))];
    },
    open: ({ key }) => open.filter(key),
    empty: () => NO_RULES,
  },
  versus: {
    title: 'Versus',
    columns: ['Session', 'State', 'Ends', 'Stages', 'Why'],
    rows: () => [...known.rows.versus].map(([key, row]) => ({ key, row, hay: `${key} ${JSON.stringify(row)}`.toLowerCase() })),
    order: (a, b) => byText(b.row.starts_at, a.row.starts_at),
    cells: ({ row }) => [clean(row.id), row.state, endOf(row), row.stages.map(name).join(', '), clean(row.failure?.message ?? '')],
    open: ({ row }) => open.filter(`versus.${row.id}`),
    empty: () => 'No versus session: “stagelink versus start STAGE STAGE --for 5m” starts one.',
  },
};

const NO_RULES = 'No rules yet: “stagelink apply -f rules.yaml” brings them, and from then on whoever publishes is replicated.';

const byText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const stageHay = (stage) => [hayOf(stage, 'stage'), ...stage.publishers.map((row) => hayOf(row, 'publisher'))].join(' ');

function endOf({ ends_at: ends, state: how }) {
  const left = instant(ends) - now();
  return how === 'Ended' || how === 'Failed' ? `${span(-left)} ago` : `in ${span(left)}`;
}

let counted = { rows: null, by: new Map() };
function replicasBy(rule) {
  if (counted.rows !== known.model) {
    counted = { rows: known.model, by: new Map() };
    for (const row of known.rows.replicas.values()) counted.by.set(row.rule?.id, (counted.by.get(row.rule?.id) ?? 0) + 1);
  }
  return counted.by.get(rule) ?? 0;
}

/** Begins to list. `handlers` open rows. */
export function start(handlers) {
  open = handlers;
  for (const [id, { title }] of Object.entries(TABS)) {
    const tab = element('button', { type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': 'list', onclick: () => choose(id), onkeydown: onTabKey }, title, element('span', { class: 'count' }));
    byId('tabs').append(tab);
  }
  grid.addEventListener('keydown', onKey);
  grid.addEventListener('scroll', paint, { passive: true });
  grid.addEventListener('click', onClick);
  new ResizeObserver(paint).observe(grid);
  onChange((names) => {
    if (['stages', 'publishers', 'replicas', 'rules', 'versus'].some((section) => names.has(section))) refresh();
  });
  // Ages grow although nothing changes.
  setInterval(paint, 10_000);
  choose('replicas');
}

/** Lists only what matches; gives how many that are. */
export function filter(text) {
  state.words = wordsOf(text);
  refresh();
  return state.rows.length;
}

/** The first row of the list is the active one. */
export function first() {
  if (!state.rows.length) return;
  state.active = state.rows[0].key;
  grid.focus();
  paint();
}

function choose(id) {
  state.tab = id;
  for (const other of Object.keys(TABS)) {
    const tab = byId(`tab-${other}`);
    tab.setAttribute('aria-selected', String(other === id));
    tab.tabIndex = other === id ? 0 : -1;
  }
  grid.scrollTop = 0;
  state.active = null;
  const { columns, title } = TABS[id];
  grid.setAttribute('aria-label', title);
  grid.dataset.tab = id;
  state.header = element('div', { role: 'row', class: 'row header', 'aria-rowindex': '1' }, columns.map((column) => element('span', { role: 'columnheader' }, column)));
  state.body = element('div', { role: 'rowgroup', class: 'rows' });
  grid.replaceChildren(state.header, state.body);
  refresh();
}

function onTabKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const ids = Object.keys(TABS);
  const next = ids[(ids.indexOf(state.tab) + step + ids.length) % ids.length];
  choose(next);
  byId(`tab-${next}`).focus();
  event.preventDefault();
}

function refresh() {
  const tab = TABS[state.tab];
  const all = tab.rows();
  state.rows = all.filter(({ hay }) => matches(state.words, hay)).sort(tab.order);
  for (const id of Object.keys(TABS)) {
    tell(byId(`tab-${id}`).lastChild, (id === 'stages' ? known.model.stages.size : known.rows[id].size).toLocaleString('en'));
  }
  const empty = byId('list-empty');
  empty.hidden = state.rows.length > 0 || !known.settings;
  grid.hidden = !empty.hidden;
  tell(empty, all.length ? `Nothing of ${many(all.length, tab.title.toLowerCase().replace(/s$/, ''), tab.title.toLowerCase())} matches the filter.` : tab.empty());
  paint();
}

/** Puts the rows that can be seen on the page, and a few more. */
function paint() {
  if (grid.hidden || !state.body) return;
  const high = state.header.offsetHeight || 28;
  const from = Math.max(0, Math.floor(grid.scrollTop / high) - 4);
  const until = Math.min(state.rows.length, Math.ceil((grid.scrollTop + grid.clientHeight) / high) + 4);
  grid.setAttribute('aria-rowcount', String(state.rows.length + 1));
  state.body.style.height = `${state.rows.length * high}px`;
  const rows = [];
  for (let i = from; i < until; i += 1) {
    const entry = state.rows[i];
    const active = entry.key === state.active;
    const cells = TABS[state.tab].cells(entry).map((cell) => element('span', { role: 'gridcell', title: typeof cell === 'string' ? cell : null }, cell));
    const row = element('div', { role: 'row', class: 'row', id: `row-${i}`, 'aria-rowindex': String(i + 2), 'aria-selected': String(active), 'data-index': String(i) }, cells);
    row.style.top = `${i * high}px`;
    rows.push(row);
  }
  state.body.replaceChildren(...rows);
  const index = state.rows.findIndex(({ key }) => key === state.active);
  if (index >= from && index < until) grid.setAttribute('aria-activedescendant', `row-${index}`);
  else grid.removeAttribute('aria-activedescendant');
}

function onKey(event) {
  if (event.target !== grid || !state.rows.length) return;
  const page = Math.max(1, Math.floor(grid.clientHeight / (state.header.offsetHeight || 28)) - 2);
  const index = state.rows.findIndex(({ key }) => key === state.active);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (event.key in steps) {
    const next = Math.max(0, Math.min(state.rows.length - 1, (index < 0 && steps[event.key] > 0 ? -1 : index) + steps[event.key]));
    state.active = state.rows[next].key;
    const high = state.header.offsetHeight;
    if (next * high < grid.scrollTop) grid.scrollTop = next * high;
    if ((next + 2) * high > grid.scrollTop + grid.clientHeight) grid.scrollTop = (next + 2) * high - grid.clientHeight;
    paint();
  } else if ((event.key === 'Enter' || event.key === ' ') && index >= 0) TABS[state.tab].open(state.rows[index]);
  else return;
  event.preventDefault();
}

function onClick(event) {
  const row = event.target.closest('[data-index]');
  const entry = row && state.rows[Number(row.dataset.index)];
  if (!entry) return;
  state.active = entry.key;
  paint();
  TABS[state.tab].open(entry);
}
