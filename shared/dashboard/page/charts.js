// Small charts of the last minutes, and the timeline of activity.

import { byId, element, fitted, palette, tell } from './dom.js';
import { known, now, onChange, tookPlace, ask } from './store.js';
import { clean, clock, idOf, instant, many, span, STATUSES } from './words.js';

/** The longest and the shortest time that charts show. */
const [LONGEST, SHORTEST] = [10 * 60_000, 2 * 60_000];

/** Kinds of work, the most urgent first. */
const CLASSES = [
  { name: 'versus', title: 'Versus', colour: '--c1' },
  { name: 'release', title: 'Release', colour: '--c2' },
  { name: 'verify', title: 'Verify', colour: '--c3' },
  { name: 'start', title: 'Start', colour: '--c4' },
  { name: 'backfill', title: 'Backfill', colour: '--c5' },
  { name: 'lease', title: 'Lease', colour: '--c6' },
];

/** Begins to draw. */
export function start(handlers) {
  onChange((names) => {
    if (names.has('samples')) paint();
    if (names.has('activity') || names.has('stages')) paintActivity(handlers);
    if (names.has('history')) catchUp();
  });
  new ResizeObserver(paint).observe(byId('phases-chart'));
  setInterval(() => paintActivity(handlers), 10_000);
}

/** The theme changed. */
export const recolour = () => paint();

/** How much of the past is shown: what there is, in minutes. */
function windowOf() {
  const age = now() - Date.parse(known.samples[0]?.at ?? NaN);
  return Math.min(LONGEST, Math.max(SHORTEST, Math.ceil((age || 0) / 60_000) * 60_000));
}

function paint() {
  if (!known.samples.length) return;
  tell(byId('phases-note'), `last ${windowOf() / 60_000} minutes`);
  paintPhases();
  paintBacklog();
  paintBudget();
}

function paintPhases() {
  const last = known.samples.at(-1);
  const series = STATUSES.map(({ name, colour, glyph }) => ({ name, colour, glyph, of: (sample) => sample.phases[name] ?? 0 }));
  stacked(byId('phases-chart'), series);
  figures(byId('phases-legend'), series.map(({ name, colour, glyph, of }) => ({ sign: glyph, name, colour, text: of(last).toLocaleString('en') })));
  byId('phases-chart').setAttribute('aria-label', `Replicas by phase now: ${series.map(({ name, of }) => `${name} ${of(last)}`).join(', ')}`);
}

function paintBacklog() {
  const last = known.samples.at(-1);
  const series = CLASSES.map(({ name, title, colour }) => ({ name: title, colour, of: (sample) => sample.backlog[name]?.now ?? 0, later: last.backlog[name]?.later ?? 0 }));
  stacked(byId('backlog-chart'), series);
  const shown = series.map(({ name, colour, of, later }) => ({ sign: '▪', name, colour, text: later ? `${of(last)} + ${later} later` : String(of(last)) }));
  figures(byId('backlog-legend'), shown);
  tell(byId('backlog-note'), last.oldest_seconds ? `oldest due for ${span(last.oldest_seconds * 1000)}` : 'nothing is overdue');
  byId('backlog-chart').setAttribute('aria-label', `Backlog now: ${shown.map(({ name, text }) => `${name} ${text}`).join(', ')}`);
}

function figures(list, entries) {
  while (list.children.length < entries.length) list.append(element('li', {}, element('span', { class: 'sign', 'aria-hidden': 'true' }), element('span'), element('b')));
  entries.forEach(({ sign, name, colour, text }, i) => {
    const [mark, title, figure] = list.children[i].children;
    mark.style.color = `var(${colour})`;
    tell(mark, sign);
    tell(title, name);
    tell(figure, text);
    list.children[i].classList.toggle('none', text === '0');
  });
}

/** Areas on top of each other, each sample as wide as the time to the next. */
function stacked(canvas, series) {
  const { context, width, height } = fitted(canvas);
  const colours = palette(['--line', '--muted', ...series.map(({ colour }) => colour)]);
  const [end, shown] = [now(), windowOf()];
  const samples = known.samples.filter((sample) => end - Date.parse(sample.at) < shown);
  const total = (sample) => series.reduce((sum, { of }) => sum + of(sample), 0);
  const most = niceMost(Math.max(1, ...samples.map(total)));
  const [left, base] = [34, height - 4];
  const x = (sample) => left + (width - left) * (1 - (end - Date.parse(sample.at)) / shown);
  const y = (value) => base - (base - 6) * (value / most);
  context.font = '10px system-ui, sans-serif';
  context.textAlign = 'right';
  for (const value of [0, most / 2, most]) {
    context.fillStyle = colours['--line'];
    context.fillRect(left, Math.round(y(value)), width - left, 1);
    context.fillStyle = colours['--muted'];
    if (Number.isInteger(value)) context.fillText(short(value), left - 5, y(value) + 3.5);
  }
  context.textAlign = 'left';
  samples.forEach((sample, i) => {
    const from = x(sample);
    const until = i + 1 < samples.length ? Math.min(x(samples[i + 1]), from + 40) : width;
    let sum = 0;
    for (const { colour, of } of series) {
      const value = of(sample);
      if (!value) continue;
      context.fillStyle = colours[colour];
      const [top, bottom] = [y(sum + value), y(sum)];
      context.fillRect(from, top, Math.max(1, until - from + 0.4), Math.max(1, bottom - top));
      sum += value;
    }
  });
}

function niceMost(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [2, 4, 6, 8, 10, 20].map((step) => step * power).find((most) => most >= value);
}

const short = (value) => (value >= 1000 ? `${value / 1000}k` : String(value));

function paintBudget() {
  const budget = known.settings?.budget ?? 1;
  const holder = byId('budget');
  const called = new Set(known.samples.flatMap((sample) => Object.keys(sample.calls)));
  const names = [...called].sort();
  tell(byId('budget-note'), `${budget} a second of IVS’s ${known.settings?.quota ?? 5}`);
  if (!names.length) return tell(holder, 'No call yet.');
  if (holder.firstElementChild === null) holder.replaceChildren();
  const rows = new Map([...holder.children].map((row) => [row.dataset.operation, row]));
  for (const name of names) {
    if (!rows.has(name)) {
      const row = element('div', { class: 'operation', 'data-operation': name }, element('span', { class: 'name' }, clean(name)), element('canvas', { class: 'spark', role: 'img' }), element('b'));
      rows.set(name, row);
    }
  }
  const ordered = names.map((name) => rows.get(name));
  if (ordered.some((row, i) => holder.children[i] !== row)) holder.replaceChildren(...ordered);
  names.forEach((name) => paintOperation(rows.get(name), name, budget));
}

function paintOperation(row, name, budget) {
  const [, canvas, figure] = row.children;
  const { context, width, height } = fitted(canvas);
  const colours = palette(['--line', '--starting', '--pending', '--blocked']);
  const [end, shown] = [now(), windowOf()];
  context.fillStyle = colours['--line'];
  context.fillRect(0, 1, width, 1);
  context.fillRect(0, height - 1, width, 1);
  for (const sample of known.samples) {
    const use = sample.calls[name];
    const age = end - Date.parse(sample.at);
    if (!use || age > shown) continue;
    const x = width * (1 - age / shown) - 2;
    const granted = Math.min(1, use.granted / budget) * (height - 2);
    const aside = Math.min(1, use.set_aside / budget) * (height - 2);
    context.fillStyle = colours['--pending'];
    context.fillRect(x, height - 1 - Math.min(height - 2, granted + aside), 2, aside);
    context.fillStyle = use.strain ? colours['--blocked'] : colours['--starting'];
    context.fillRect(x, height - 1 - granted, 2, granted);
  }
  const last = known.samples.at(-1).calls[name] ?? { granted: 0, set_aside: 0, strain: 0 };
  const aside = last.set_aside ? ` + ${last.set_aside} set aside` : '';
  tell(figure, `${last.granted}/${budget}`);
  const words = `${name}: ${last.granted} of ${budget} calls in the last second${aside}${last.strain ? `, slowed down by ${last.strain} % because IVS throttled` : ''}`;
  canvas.setAttribute('aria-label', words);
  row.title = words;
  row.classList.toggle('strained', last.strain > 0);
}

// ---- activity ----------------------------------------------------------------------------------------------------------

/** What happened before this page was opened. */
async function catchUp() {
  const since = new Date(now() - LONGEST).toISOString();
  try {
    tookPlace((await ask('/api/activity', { since })).activity);
  } catch (error) {
    tell(byId('activity-note'), clean(error.message));
  }
  paintActivity();
}

/** A call is told in short: what was done, to whom, where. */
export function activityLine(line, handlers) {
  const name = (arn) => known.model.stages.get(arn)?.name ?? idOf(arn);
  const good = /^(ok|intent)/.test(line.outcome);
  const verb = clean(line.operation).replace(/ParticipantReplication$/, '').replace(/^ListParticipantReplicas$/, 'Verify');
  const publisher = known.rows.publishers.get(`${line.stage} ${line.participant}`);
  const who = clean(publisher?.user_id || line.participant || '');
  const where = line.destination ? `→ ${name(line.destination)}` : line.stage && !line.participant ? name(line.stage) : '';
  const open = line.participant && handlers ? () => handlers.participant(line.stage, line.participant, byId('activity')) : null;
  const tag = open ? 'button' : 'span';
  return element('li', { class: good ? 'good' : 'bad' },
    element('time', { datetime: line.at, title: line.at }, clock(line.at)),
    element('span', { class: 'mark', 'aria-hidden': 'true' }, good ? '✓' : '✕'),
    element('div', {},
      element(tag, { class: 'what', type: open ? 'button' : null, onclick: open }, element('b', {}, verb), ` ${who} ${where}`),
      element('p', { class: 'why' }, [clean(line.outcome), line.reason && clean(line.reason), line.rule && `rule ${clean(line.rule)}`].filter(Boolean).join(' · ')),
      element('p', { class: 'ids' }, [line.request_id && `request ${clean(line.request_id)}`, line.caller && `by ${clean(line.caller)}`].filter(Boolean).join(' · '))));
}

let painted = null;

function paintActivity(handlers = paintActivity.handlers) {
  paintActivity.handlers = handlers;
  const empty = byId('activity-empty');
  empty.hidden = known.activity.length > 0;
  tell(empty, 'Nothing was called in the last 10 minutes.');
  tell(byId('activity-note'), known.activity.length ? `last ${span(now() - instant(known.activity[0].at))} ago · ${many(known.activity.length, 'line')}` : '');
  if (painted === known.activity) return;
  painted = known.activity;
  byId('activity').replaceChildren(...known.activity.slice(0, 100).map((line) => activityLine(line, handlers)));
}
