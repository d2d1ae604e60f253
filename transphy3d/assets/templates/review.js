"use strict";
// Everything that comes from assets is set as text, never as markup.
const { live, assets } = JSON.parse(document.getElementById("assets").textContent);
const STATES = [
  ["review", "To review"], ["accepted", "Accepted"], ["rejected", "Rejected"],
  ["unjudged", "Not judged"], ["refused", "Refused"], ["decided", "Decided by a person"],
  ["all", "All"],
];
const STEP = 200;
const list = document.getElementById("list");
const detail = document.getElementById("detail");
const search = document.getElementById("search");
const more = document.getElementById("more");
let state = assets.some((a) => a.state === "review") ? "review" : "all";
let shown = [];
let current = null;
let picture = 0;
let room = STEP;
let saving = false;

function make(tag, options = {}, ...children) {
  const { data = {}, on = {}, ...properties } = options;
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(data)) element.setAttribute(name, value);
  for (const [name, action] of Object.entries(on)) element.addEventListener(name, action);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function belongs(asset, wanted) {
  if (wanted === "all") return true;
  return wanted === "decided" ? asset.override !== null : asset.state === wanted;
}

function matches(asset) {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${asset.id} ${asset.name} ${asset.category} ${asset.source} ${asset.tags.join(" ")}`;
  return words.every((word) => text.toLowerCase().includes(word));
}

function chips() {
  const found = assets.filter(matches);
  document.getElementById("states").replaceChildren(...STATES.map(([name, label]) => {
    const count = found.filter((asset) => belongs(asset, name)).length;
    return make("button", {
      type: "button", textContent: `${label} ${count}`, data: { "aria-pressed": String(name === state) },
      on: { click: () => { state = name; room = STEP; refill(); } },
    });
  }));
}

function pill(asset) {
  const word = { review: "review", unjudged: "not judged" }[asset.state] || asset.state;
  const optical = asset.state === "accepted" ? ` ${asset.optical}` : "";
  return make("span", { className: `pill ${asset.state}`, textContent: word + optical });
}

function row(asset) {
  const thumbnail = asset.pictures.length
    ? make("img", { src: asset.pictures[0].url, alt: "", loading: "lazy" })
    : make("span", { className: "blank" });
  const text = make("span", {},
    make("strong", { textContent: asset.name }),
    make("span", { className: "note", textContent: asset.category }));
  return make("li", {}, make("button", {
    type: "button", data: { "aria-current": String(asset === current), "data-id": asset.id },
    on: { click: () => select(asset) },
  }, thumbnail, text, pill(asset)));
}

function fill() {
  chips();
  list.replaceChildren(...shown.slice(0, room).map(row));
  more.hidden = shown.length <= room;
  document.getElementById("shown").textContent =
    `${shown.length} of ${assets.length} assets`;
}

function refill() {
  shown = assets.filter((asset) => belongs(asset, state) && matches(asset));
  fill();
  select(shown.includes(current) ? current : shown[0] || null);
}

function select(asset) {
  if (asset !== current) picture = 0;
  current = asset;
  for (const button of list.querySelectorAll("button")) {
    const here = asset !== null && button.dataset.id === asset.id;
    button.setAttribute("aria-current", String(here));
    if (here) button.scrollIntoView({ block: "nearest" });
  }
  draw();
}

function pictures(asset) {
  if (!asset.pictures.length) return make("div", { className: "picture none", textContent: "no picture" });
  const chosen = asset.pictures[Math.min(picture, asset.pictures.length - 1)];
  const strip = asset.pictures.map((item, number) => make("button", {
    type: "button", title: item.label, data: { "aria-pressed": String(item === chosen), "aria-label": item.label },
    on: { click: () => { picture = number; draw(); } },
  }, make("img", { src: item.url, alt: "" })));
  return make("div", {},
    make("img", { className: "picture", src: chosen.url, alt: `${asset.name}, ${chosen.label}` }),
    make("div", { className: "strip" }, ...strip));
}

function fact(name, value) {
  return value ? [make("dt", { textContent: name }), make("dd", {}, value)] : [];
}

function facts(asset) {
  const link = asset.url ? make("a", { href: asset.url, target: "_blank", rel: "noopener noreferrer", textContent: asset.url }) : null;
  return make("dl", { className: "facts" },
    ...fact("Id", asset.id), ...fact("Source", asset.source), ...fact("Category", asset.category),
    ...fact("Licence", asset.licence), ...fact("Size", asset.size), ...fact("Page", link),
    ...fact("Refused", asset.refused));
}

function buttons(asset) {
  if (!live || asset.state === "refused") return null;
  const note = make("input", { id: "note", placeholder: "note (optional)", maxLength: 500, value: asset.override ? asset.override.note : "" });
  const button = (text, className, ruling, optical) => make("button", {
    type: "button", className, textContent: text, on: { click: () => decide(ruling, optical) },
  });
  const undo = button("Undo", "", null, null);
  undo.disabled = asset.override === null;
  return make("div", { className: "decide" },
    button("Transparent", "yes", "accepted", "transparent"),
    button("Reflective", "yes", "accepted", "reflective"),
    button("Reject", "no", "rejected", "opaque"), undo, note);
}

function bar(label, value) {
  return make("div", { className: "score" },
    make("span", { textContent: label }),
    make("meter", { min: 0, max: 1, value, data: { "aria-label": label } }),
    make("span", { textContent: value.toFixed(2) }));
}

function reasons(texts) {
  return make("ul", { className: "reasons" }, ...texts.map((text) => make("li", { textContent: text })));
}

function signal(item) {
  const evidence = Object.entries(item.evidence).map(([name, value]) =>
    `${name} ${typeof value === "number" ? +value.toFixed(4) : value}`);
  return make("section", { className: "signal" },
    make("div", {}, make("h4", { textContent: item.judge }),
      bar("transparent", item.transparent), bar("reflective", item.reflective), bar("mass", item.mass)),
    make("div", {}, reasons(item.reasons),
      make("details", {}, make("summary", { textContent: "Evidence" }),
        make("p", { className: "note", textContent: `${item.version}. ${evidence.join(", ")}` }))));
}

function ruling(asset) {
  if (asset.override) {
    const { ruling: word, optical, note } = asset.override;
    const as = word === "accepted" ? ` as ${optical}` : "";
    return `A person ${word} it${as}${note ? `: ${note}` : ""}`;
  }
  if (!asset.verdict) return "Not judged yet";
  const words = { accepted: `Accepted as ${asset.verdict.optical}`, rejected: "Rejected", review: `To review: ${asset.verdict.optical}?` };
  return `${words[asset.verdict.ruling]}, score ${asset.verdict.score.toFixed(2)}`;
}

function draw() {
  if (!current) {
    detail.replaceChildren(make("p", { className: "note", textContent: "Nothing to show here." }));
    return;
  }
  const side = make("div", {},
    make("h2", { textContent: current.name }),
    make("p", { className: "ruling", textContent: ruling(current) }),
    make("p", { id: "failure", className: "failure note", data: { role: "alert" } }),
    buttons(current), facts(current));
  const said = current.signals.length
    ? current.signals.map(signal)
    : [make("p", { className: "note", textContent: "No judge has seen it." })];
  detail.replaceChildren(
    make("div", { className: "top" }, pictures(current), side),
    make("h3", { textContent: "What the judges say" }), ...said);
}

async function decide(word, optical) {
  const asset = current;
  if (!live || saving || !asset || asset.state === "refused") return;
  saving = true;
  const note = document.getElementById("note").value;
  try {
    const answer = await fetch("override", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ asset: asset.id, ruling: word, optical, note }),
    });
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.error);
    Object.assign(asset, result);
  } catch (error) {
    if (asset === current) document.getElementById("failure").textContent = `Not saved: ${error.message}`;
    return;
  } finally {
    saving = false;
  }
  step(word === null ? 0 : 1);
}

// The next asset first, then the list without the one that no longer belongs to it.
function step(by) {
  const next = shown[Math.max(0, Math.min(shown.indexOf(current) + by, shown.length - 1))];
  shown = assets.filter((asset) => belongs(asset, state) && matches(asset));
  room = Math.max(room, shown.indexOf(next) + 1);
  fill();
  select(shown.includes(next) ? next : shown[shown.length - 1] || null);
}

const KEYS = {
  j: () => step(1), arrowdown: () => step(1), k: () => step(-1), arrowup: () => step(-1),
  t: () => decide("accepted", "transparent"), r: () => decide("accepted", "reflective"),
  x: () => decide("rejected", "opaque"), u: () => current && current.override && decide(null, null),
  n: () => { const note = document.getElementById("note"); if (note) note.focus(); },
  "/": () => search.focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.tagName === "INPUT") {
    if (event.key === "Escape" || event.key === "Enter") event.target.blur();
    return;
  }
  const number = Number(event.key);
  if (current && number >= 1 && number <= current.pictures.length) {
    picture = number - 1;
    draw();
  } else if (KEYS[event.key.toLowerCase()]) {
    event.preventDefault();
    KEYS[event.key.toLowerCase()]();
  }
});
search.addEventListener("input", () => { room = STEP; refill(); });
more.addEventListener("click", () => { room += STEP; fill(); });
refill();
