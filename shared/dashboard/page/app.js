// The page: puts the parts together, and tells how things stand.

import * as charts from './charts.js';
import { badge, byId, element, tell } from './dom.js';
import * as graph from './graph.js';
import * as list from './list.js';
import * as panel from './panel.js';
import { known, listen, now, onChange } from './store.js';
import { clean, clock, many, span, STATUS, STATUSES } from './words.js';

const search = byId('search');

panel.handlers.filter = (text) => {
  search.value = text;
  filter();
};
graph.start(panel.handlers);
list.start(panel.handlers);
charts.start(panel.handlers);
panel.start();
keys();
theme();
legend();
onChange(tellAll);
setInterval(tellState, 1000);
listen();

// ---- how things stand --------------------------------------------------------------------------------------------------

function tellAll(names) {
  if (names.has('settings') && known.settings) {
    const { place, table, region } = known.settings;
    tell(byId('place'), clean([place, table, region].filter(Boolean).join(' · ')));
  }
  if (['replicas', 'publishers', 'stages'].some((section) => names.has(section))) {
    tellCounts();
    tellEmptyGraph();
    if (search.value) filter();
  }
  tellState();
}

function tellCounts() {
  const holder = byId('counts');
  const counts = Object.fromEntries(STATUSES.map(({ name }) => [name, 0]));
  for (const edge of known.model.edges.values()) for (const [name, count] of Object.entries(edge.counts)) counts[name] += count;
  if (!holder.firstChild) {
    for (const status of STATUSES) {
      const button = element('button', { type: 'button', class: 'count', 'data-status': status.name, title: `${status.name}: ${status.says}`, onclick: () => panel.handlers.filter(search.value === status.name ? '' : status.name) },
        element('b'), badge(status));
      holder.append(button);
    }
    holder.append(element('span', { class: 'count plain' }, element('b'), element('span', {}, 'publishing')), element('span', { class: 'count plain' }, element('b'), element('span', {}, 'stages')));
  }
  const publishing = [...known.rows.publishers.values()].filter((row) => row.publishing === 'yes').length;
  [...STATUSES.map(({ name }) => counts[name]), publishing, known.model.stages.size].forEach((count, i) => {
    tell(holder.children[i].firstChild, count.toLocaleString('en'));
    holder.children[i].classList.toggle('none', count === 0);
  });
}

function tellEmptyGraph() {
  const empty = byId('graph-empty');
  empty.hidden = known.model.edges.size > 0 || known.model.stages.size > 0 || !known.settings;
  tell(empty, known.rows.rules.size
    ? 'No stage is known yet. As soon as somebody publishes on a stage that a rule means, it appears here.'
    : 'No rules yet: “stagelink apply -f rules.yaml” brings them. From then on, whoever publishes on a source stage appears here.');
}

/** Banners, the state of the connection, the title. Called every second, and changes only what is different. */
function tellState() {
  const stale = known.settings ? known.settings.interval_ms * 3 + 5000 : Infinity;
  const age = known.lookedAt ? Date.now() - known.lookedAt : null;
  const isStale = known.link === 'live' && !known.trouble && age !== null && age > stale;
  const banners = [];
  if (known.link === 'lost') {
    banners.push(['lost', 'bad', `Connection lost ${span(Date.now() - known.lostAt)} ago. What you see is from before; it is tried again by itself.`]);
  } else if (known.trouble) {
    banners.push(['trouble', 'bad', `The table cannot be read: ${clean(known.trouble.error)}. Tried again every ${span(known.trouble.retry_ms)}.`]);
  } else if (isStale) {
    banners.push(['stale', 'bad', `No news for ${span(age)}: what you see may be out of date.`]);
  }
  const pause = known.rows.control.get('pause');
  if (pause) banners.push(['pause', 'warn', `Paused by ${clean(pause.by)} since ${clock(pause.at)}: ${clean(pause.reason)}. Nothing is started or stopped.`]);
  const held = [...known.rows.replicas.values()].filter((row) => row.held_by_brake).length;
  if (held) banners.push(['brake', 'warn', `The brake on mass stops holds ${many(held, 'replica')}: they run on until a sweep agrees, or “stagelink release-brake” lets go.`]);
  const brake = known.rows.control.get('brake');
  if (brake && Date.parse(brake.released_until) > now()) banners.push(['released', 'warn', `The brake on mass stops is off until ${clock(brake.released_until)}.`]);
  if (known.rows.control.has('rules')) banners.push(['rules', 'bad', 'A rule cannot be read and is left out; the log of the functions names it.']);
  for (const row of known.rows.versus.values()) {
    if (row.state === 'Failed' && now() - Date.parse(row.starts_at) < 10 * 60_000) banners.push([`versus ${row.id}`, 'warn', `Versus session ${clean(row.id)} failed: ${clean(row.failure?.message)}`]);
  }
  show(banners);
  const state = known.link === 'live' && (known.trouble || isStale) ? 'stale' : known.link;
  byId('link').dataset.state = state;
  tell(byId('link-words'), known.link === 'lost' ? 'connection lost' : age === null ? 'connecting' : `${state} · ${span(age)} ago`);
  const problems = known.model.problems + (known.link === 'lost' || known.trouble ? 1 : 0);
  const title = `${problems ? `(${problems}) ` : ''}Stagelink${known.settings ? ` · ${clean(known.settings.table)}` : ''}`;
  if (document.title !== title) document.title = title;
  announce(problems);
}

function show(banners) {
  const holder = byId('banners');
  const there = new Map([...holder.children].map((banner) => [banner.dataset.id, banner]));
  for (const [id, kind, text] of banners) {
    const banner = there.get(id) ?? element('p', { class: 'banner', 'data-id': id });
    banner.dataset.kind = kind;
    // Times in a banner grow; only eyes need to follow that.
    if (banner.firstChild === null) banner.setAttribute('role', kind === 'bad' ? 'alert' : 'status');
    tell(banner, text);
    if (!there.delete(id)) holder.append(banner);
  }
  there.forEach((banner) => banner.remove());
}

let announced = null;
function announce(problems) {
  if (!known.settings || problems === announced) return;
  const before = announced;
  announced = problems;
  if (before !== null) tell(byId('announcer'), problems > before ? `${many(problems, 'problem')} now, ${problems - before} more` : `${many(problems, 'problem')} now`);
}

// ---- hands -------------------------------------------------------------------------------------------------------------

function filter() {
  graph.filter(search.value);
  const found = list.filter(search.value);
  tell(byId('matches'), search.value ? `${found.toLocaleString('en')} in the list` : '');
  for (const button of byId('counts').querySelectorAll('button')) button.setAttribute('aria-pressed', String(search.value === button.dataset.status));
}

function keys() {
  search.addEventListener('input', filter);
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    graph.showMatches();
    list.first();
  });
  byId('help').addEventListener('click', () => byId('keys').showModal());
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId('keys').open) return;
    const writing = event.target === search;
    if (event.key === 'Escape') {
      if (panel.isOpen()) panel.close();
      else if (search.value) panel.handlers.filter('');
      else if (writing) search.blur();
      else return;
    } else if (event.key === '/' && !writing) {
      search.focus();
      search.select();
    } else if (event.key === '?' && !writing) byId('keys').showModal();
    else return;
    event.preventDefault();
  });
}

/** By the system's wish, dark, light: one after the other, and kept. */
function theme() {
  const themes = { auto: ['◐', 'Theme: as the system'], dark: ['●', 'Theme: dark'], light: ['○', 'Theme: light'] };
  const button = byId('theme');
  let chosen = 'auto';
  try {
    chosen = localStorage.getItem('theme') ?? 'auto';
  } catch {
    // Without storage it is chosen anew each time.
  }
  const apply = () => {
    if (!(chosen in themes)) chosen = 'auto';
    document.documentElement.dataset.theme = chosen;
    tell(button, themes[chosen][0]);
    button.setAttribute('aria-label', themes[chosen][1]);
    button.title = themes[chosen][1];
    graph.recolour();
    charts.recolour();
    drawLegend();
  };
  button.addEventListener('click', () => {
    const names = Object.keys(themes);
    chosen = names[(names.indexOf(chosen) + 1) % names.length];
    try {
      localStorage.setItem('theme', chosen);
    } catch {
      // As above.
    }
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
  apply();
}

function legend() {
  for (const { name, says } of STATUSES) {
    byId('legend').append(element('li', { 'data-status': name, title: says }, element('canvas', { class: 'line', 'aria-hidden': 'true' }), name));
  }
  drawLegend();
}

function drawLegend() {
  for (const item of byId('legend').children) graph.legendLine(item.firstChild, STATUS[item.dataset.status]);
}
