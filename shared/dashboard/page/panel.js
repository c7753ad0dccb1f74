// The side panel: a stage with everybody on it, or a replication with the explanation why it is there or not.

import { activityLine } from './charts.js';
import { badge, byId, element, tell } from './dom.js';
import { ask, known, now, onChange } from './store.js';
import { clean, clock, idOf, instant, many, reasonOf, span, STATUS, statusOf, whoIs } from './words.js';

const panel = byId('panel');
const body = byId('panel-body');
/** What is open: `{ kind, key… }`, who opened it, and the rows that it was drawn from. */
let shown = null;
let opener = null;

const name = (arn) => known.model.stages.get(arn)?.name ?? idOf(arn);

export const handlers = {
  stage: (arn, from) => show({ kind: 'stage', arn }, from),
  edge: (key, from) => {
    const edge = known.model.edges.get(key);
    if (edge?.replicas.length === 1) handlers.replica(edge.replicas[0].key, from);
    else if (edge) show({ kind: 'edge', key }, from);
  },
  replica: (key, from) => {
    const [stage, participant, destination] = key.split(' ');
    show({ kind: 'replica', key, stage, participant, destination }, from);
  },
  participant: (stage, participant, from) => show({ kind: 'participant', stage, participant }, from),
  filter: () => {},
};

/** Begins to listen. */
export function start() {
  byId('panel-close').addEventListener('click', close);
  onChange((names) => {
    if (shown && ['replicas', 'publishers', 'stages'].some((section) => names.has(section))) again();
  });
}

export const isOpen = () => shown !== null;

export function close() {
  if (!shown) return;
  shown = null;
  panel.hidden = true;
  body.replaceChildren();
  opener?.focus();
}

function show(what, from) {
  if (!shown) opener = from ?? document.activeElement;
  shown = what;
  panel.hidden = false;
  body.replaceChildren();
  render();
  body.scrollTop = 0;
  byId('panel-title').focus();
}

/** Draws what is open anew if the rows that it shows are others; the focus stays where it is. */
function again() {
  const focused = document.activeElement?.closest?.('[data-key]')?.dataset.key;
  if (!render()) return;
  if (focused) [...body.querySelectorAll('[data-key]')].find((row) => row.dataset.key === focused)?.focus();
}

function render() {
  if (shown.kind === 'stage') return renderStage(shown);
  if (shown.kind === 'edge') return renderEdge(shown);
  return renderReplication(shown);
}

const facts = (entries) =>
  element('dl', { class: 'facts' }, entries.filter(([, value]) => value !== null && value !== undefined && value !== '').map(([term, value]) => [element('dt', {}, term), element('dd', {}, value)]));

const section = (title, rows, none) =>
  element('section', {}, element('h3', {}, title), rows.length ? element('ul', { class: 'people' }, rows) : element('p', { class: 'none' }, none));

const seen = (moment) => (moment ? `${clock(moment)}, ${span(now() - instant(moment))} ago` : '');

function renderStage({ arn }) {
  const stage = known.model.stages.get(arn);
  if (!stage) return gone('The table does not know this stage any more.');
  tell(byId('panel-title'), stage.name);
  const tags = Object.entries(stage.row?.tags ?? {}).map(([key, value]) => clean(`${key}=${value}`)).join('  ');
  const publishers = stage.publishers.map((row) => {
    const state = row.publishing === 'yes' ? '' : row.publishing === 'no' ? 'does not publish' : row.publishing === 'uncertain' ? 'publishes or not, the news cannot tell' : 'no news of publishing';
    return person({ key: `${row.stage} ${row.participant}`, title: whoIs(row), id: row.participant, note: [state, row.seen_publishing && `news of ${seen(row.seen_publishing)}`].filter(Boolean).join(' · '),
      open: () => handlers.participant(row.stage, row.participant) });
  });
  body.replaceChildren(
    facts([['ARN', element('code', {}, clean(arn))], ['Tags', tags], ['Session', stage.row?.session ? clean(stage.row.session) : 'none active'],
      ['Places', stage.row?.occupied === undefined ? null : `${stage.row.occupied} of 12 taken`]]),
    section(`Publishing here: ${publishers.length}`, publishers, 'Nobody publishes on this stage, as far as is known.'),
    section(`Here as replicas: ${stage.incoming.length}`, stage.incoming.map((entry) => replicaRow(entry, `from ${name(entry.replica.source)}`)), 'Nothing is replicated to this stage.'),
    section(`Replicated from here: ${stage.outgoing.length}`, stage.outgoing.map((entry) => replicaRow(entry, `to ${name(entry.replica.destination)}`)), 'Nothing is replicated from this stage.'));
  return true;
}

function renderEdge({ key }) {
  const edge = known.model.edges.get(key);
  if (!edge) return gone('Nothing is replicated between these stages any more.');
  tell(byId('panel-title'), `${edge.source.name} → ${edge.destination.name}`);
  body.replaceChildren(section(many(edge.replicas.length, 'replication'), edge.replicas.map((entry) => replicaRow(entry, '')), ''));
  return true;
}

function replicaRow({ key, replica }, where) {
  const reason = reasonOf(replica);
  const note = [where, replica.rule && `rule ${clean(replica.rule.id)}`, replica.seen_running && `seen running ${seen(replica.seen_running)}`, reason?.word].filter(Boolean).join(' · ');
  return person({ key, title: whoIs(replica), id: replica.participant, note, status: STATUS[statusOf(replica)], open: () => handlers.replica(key) });
}

function person({ key, title, id, note, status, open }) {
  return element('li', {}, element('button', { type: 'button', class: 'person', 'data-key': key, onclick: open },
    element('span', { class: 'who' }, element('b', {}, title), title === clean(id) ? null : element('code', {}, clean(id))),
    status ? badge(status) : null,
    element('span', { class: 'note' }, note)));
}

function gone(text) {
  body.replaceChildren(element('p', { class: 'none' }, text));
  return true;
}

/** A replication, or everything about a participant: facts at once, and the server's words when they are there. */
function renderReplication(what) {
  const replica = what.key ? known.rows.replicas.get(what.key) : null;
  const publisher = known.rows.publishers.get(`${what.stage} ${what.participant}`);
  const of = [replica, publisher, known.rows.replicas.size && [...known.rows.replicas.values()].filter((row) => row.participant === what.participant && row.source === what.stage)];
  // The same rows as before: nothing to draw, and nothing to ask.
  if (what.of && of.flat().every((row, i) => row === what.of[i]) && of.flat().length === what.of.length) return false;
  what.of = of.flat();
  const who = whoIs(publisher ?? replica ?? what);
  tell(byId('panel-title'), what.destination ? `${who} → ${name(what.destination)}` : who);
  const reason = replica && reasonOf(replica);
  const told = facts([
    ['Phase', replica ? badge(STATUS[statusOf(replica)], `${statusOf(replica)}${reason ? `: ${reason.word}` : ''}`) : what.destination ? 'none: it has ended, or was never wanted' : null],
    ['Because', reason?.says],
    ['Participant', element('code', {}, clean(what.participant))],
    ['User id', publisher?.user_id ? clean(publisher.user_id) : null],
    ['Source', stageButton(what.stage)],
    ['Destination', what.destination ? stageButton(what.destination) : null],
    ['Rule', replica?.rule ? `${clean(replica.rule.id)}, revision ${replica.rule.revision}, priority ${replica.rule.priority}` : null],
    ['Seen running', replica ? seen(replica.seen_running) : null],
    ['Wanted until', replica?.wanted_until ? clock(replica.wanted_until) : null],
    ['Tried next', replica?.next_attempt || replica?.blocked?.until ? clock(replica.next_attempt ?? replica.blocked.until) : null],
    ['Last error', replica?.last_error ? errorWords(replica.last_error) : null],
  ]);
  const story = body.querySelector('.story') ?? element('div', { class: 'story', 'aria-live': 'polite' }, element('p', { class: 'none' }, 'Asking for the explanation…'));
  const history = body.querySelector('.history') ?? element('div', { class: 'history' });
  body.replaceChildren(element('section', {}, element('h3', {}, 'Explanation'), story), told, element('section', {}, element('h3', {}, 'What happened'), history));
  explain(what, story);
  recall(what, history);
  return true;
}

const stageButton = (arn) => element('button', { type: 'button', class: 'to', 'data-key': `stage ${arn}`, title: clean(arn), onclick: () => handlers.stage(arn) }, name(arn));

const errorWords = ({ code, message, request_id: request, at }) =>
  `${clean(code)}: ${clean(message)} (${clock(at)}${request ? `, request ${clean(request)}` : ''})`;

async function explain(what, story) {
  const { stage, participant, destination } = what;
  try {
    const answer = await ask('/api/explain', { stage, participant, destination });
    if (shown === what) story.replaceChildren(...answer.lines.map(({ depth, text }) => element('p', { class: `depth-${Math.min(depth, 3)}` }, words(text))));
  } catch (error) {
    if (shown === what) story.replaceChildren(element('p', { class: 'bad' }, `There is no explanation: ${clean(error.message)}`));
  }
}

/** A sentence, in which ARNs stand back. */
const words = (text) => clean(text).split(/(arn:[a-z0-9-]+:ivs:[^\s,:]+:\d+:stage\/[A-Za-z0-9]+)/).map((part, i) => (i % 2 ? element('code', {}, part) : part));

async function recall(what, history) {
  const { stage, participant, destination } = what;
  const since = new Date(now() - 60 * 60_000).toISOString();
  try {
    const { activity } = await ask('/api/activity', { since, stage, participant, destination });
    if (shown !== what) return;
    const lines = activity.slice(0, 50).map((line) => activityLine(line));
    history.replaceChildren(lines.length ? element('ol', { class: 'timeline' }, lines) : element('p', { class: 'none' }, 'Nothing was called within the last hour.'));
  } catch (error) {
    if (shown === what) history.replaceChildren(element('p', { class: 'bad' }, `There is no history: ${clean(error.message)}`));
  }
}
