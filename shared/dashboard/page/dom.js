// Elements out of values. Text is only ever text: nothing here reads markup.

/** An element with attributes, listeners (`onclick` and the like) and children; texts become text nodes. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') made.addEventListener(name.replace(/^on/, ''), value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Puts a text in an element if it says something else. */
export function tell(holder, text) {
  if (holder.textContent !== text) holder.textContent = text;
}

/** A phase with its sign; the sign is for eyes only. */
export function badge(status, text = status.name) {
  const sign = element('span', { 'aria-hidden': 'true' }, status.glyph);
  return element('span', { class: 'badge', 'data-status': status.name, title: status.says }, sign, ` ${text}`);
}

const probe = element('span', { hidden: true });

/** The colours of the theme in force, for canvases. */
export function palette(names) {
  if (!probe.isConnected) document.body.append(probe);
  const colours = {};
  for (const name of names) {
    probe.style.color = `var(${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  return colours;
}

/** Makes a canvas as sharp as its screen; gives its context and size in CSS pixels. */
export function fitted(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
