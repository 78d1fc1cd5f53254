// Makes elements. All text goes in as text, never as HTML.

export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split("."),
    made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled" || key === "hidden")
      made[key] = value;
    else if (key === "style") Object.assign(made.style, value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  if (tag === "button" && !made.hasAttribute("type")) made.type = "button";
  made.append(
    ...children.flat(3).filter((one) => one !== null && one !== undefined && one !== false),
  );
  return made;
}

export const $ = (id) => document.getElementById(id);

export function many(count, one, more = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
}

export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

export function clock(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds),
    rest = String(whole % 60).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}:${rest}`;
  return `${Math.floor(whole / 3600)}:${String(Math.floor(whole / 60) % 60).padStart(2, "0")}:${rest}`;
}

export const wait = (milliseconds) =>
  new Promise((done) => {
    setTimeout(done, milliseconds);
  });

// Whether keys are being typed into something.
export function types(target) {
  return (
    target instanceof HTMLElement &&
    Boolean(target.closest("input:not([type=range]):not([type=checkbox]), select, textarea"))
  );
}

// Text that fits a place, its middle left out.
export function brief(text, most = 40) {
  if (text.length <= most) return text;
  const half = Math.floor((most - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(-half)}`;
}
