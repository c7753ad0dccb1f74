// Words and signs: how phases, times and names are told.

/** How a replication stands, the worst last: it is drawn over the others. The dash is in pixels. */
export const STATUSES = [
  { name: 'Active', glyph: '●', colour: '--active', dash: [], says: 'running' },
  { name: 'Foreign', glyph: '◇', colour: '--foreign', dash: [14, 4], says: 'running, and somebody else’s: never touched' },
  { name: 'Pending', glyph: '○', colour: '--pending', dash: [2, 5], says: 'wanted, no call made yet' },
  { name: 'Starting', glyph: '▶', colour: '--starting', dash: [8, 5], says: 'a Start is under way, or its outcome is not known' },
  { name: 'Stopping', glyph: '■', colour: '--stopping', dash: [10, 4, 2, 4], says: 'a Stop is under way, or its outcome is not known' },
  { name: 'Blocked', glyph: '✕', colour: '--blocked', dash: [4, 4], says: 'wanted, and not to be had at the moment' },
];

export const STATUS = Object.fromEntries(STATUSES.map((status, rank) => [status.name, { ...status, rank }]));

const REASONS = {
  ParticipantSlotsFull: 'the participant has all its 5 replications',
  DestinationFull: 'all 12 places of the destination are taken',
  NotPublishing: 'IVS says the participant does not publish',
  StageGone: 'IVS does not know one of the stages',
  AccessDenied: 'IVS does not allow the call',
  Throttled: 'IVS asked to slow down',
  Rejected: 'IVS refused, for a reason it does not say',
  Observing: 'Stagelink only observes',
  Paused: 'an operator paused everything',
};

/** How a replication stands: its phase, or that it is somebody else's. */
export const statusOf = (replica) =>
  replica.owner === 'foreign' && replica.phase === 'Active' ? 'Foreign' : replica.phase in STATUS ? replica.phase : 'Pending';

/** Why it is not there, in a word and in words. */
export const reasonOf = (replica) => {
  if (replica.held_by_brake) return { word: 'Brake', says: 'it should stop, and the brake on mass stops keeps it running' };
  if (!replica.blocked) return null;
  return { word: replica.blocked.reason, says: REASONS[replica.blocked.reason] ?? '' };
};

/** Whether a person should look at it. What waits for an order of an operator does not count. */
export const isProblem = (replica) =>
  Boolean(replica.held_by_brake) || (replica.phase === 'Blocked' && !['Paused', 'Observing'].includes(replica.blocked?.reason));

/** Text from IVS or a user without what would change how the text around it reads. */
export const clean = (text) =>
  String(text ?? '').replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, '\ufffd');

/** The last part of an ARN. */
export const idOf = (arn) => clean(arn).split('/').pop();

/** Who it is, for people: the user id, or the participant id if there is none. */
export const whoIs = (row) => clean(row.user_id || row.participant);

/** A moment is a time, or `from/to`. */
export const instant = (moment) => (moment ? Date.parse(String(moment).split('/')[0]) : NaN);

/** A span of time in two units at most. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d`;
}

/** The time of day, or the date too if it is another day. */
export function clock(moment) {
  const at = new Date(instant(moment));
  if (Number.isNaN(at.getTime())) return '';
  const time = at.toLocaleTimeString('en-GB');
  return at.toDateString() === new Date().toDateString() ? time : `${at.toISOString().slice(0, 10)} ${time}`;
}

/** `1 stage`, `2 stages`. */
export const many = (count, one, more = `${one}s`) => `${count.toLocaleString('en')} ${count === 1 ? one : more}`;

/** What a rule means, on a line. */
export function ruleWords(rule) {
  const tags = (selector) => Object.entries(selector).map(([key, value]) => `${key}=${value}`).join(' ');
  const place = (selector) =>
    selector.any ? 'any stage' : selector.stage ? idOf(selector.stage) : `stages with ${tags(selector.tags ?? {})}`;
  const same = (selector) => (selector.same?.length ? ` and the same ${selector.same.join(', ')}` : '');
  return {
    source: clean(place(rule.source)),
    destinations: clean(rule.destinations.map((selector) => place(selector) + same(selector)).join('; ')),
  };
}
