"use strict";
// Thumbnails: play under the pointer, or on click, Enter or Space.
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
for (const video of document.querySelectorAll(".gallery video")) {
  const play = () => video.play().catch(() => {});
  const toggle = () => (video.paused ? play() : video.pause());
  if (!still) {
    video.addEventListener("mouseenter", play);
    video.addEventListener("mouseleave", () => video.pause());
  }
  video.addEventListener("click", toggle);
  video.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(); }
  });
}

// The list: filtered, sorted and paged here, so that thousands of rows stay quick.
const PAGE = 50;
const rows = JSON.parse(document.getElementById("rows").textContent);
const list = document.getElementById("list");
const heads = [...list.querySelectorAll("th")];
const state = { text: "", column: 0, descending: false, page: 0 };

const compare = (a, b) => (typeof a === "number" && typeof b === "number"
  ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));

function chosen() {
  const words = state.text.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const match = (row) => { const all = row.join(" ").toLowerCase(); return words.every((w) => all.includes(w)); };
  const sign = state.descending ? -1 : 1;
  return rows.filter(match).sort((a, b) => sign * compare(a[state.column], b[state.column]));
}

function cell(value, index) {
  const td = document.createElement("td");
  td.className = heads[index].className;
  if (index === heads.length - 1 && value) {
    const link = td.appendChild(document.createElement("a"));
    link.href = value;
    link.textContent = "video";
  } else {
    td.textContent = typeof value === "number" ? value.toLocaleString("en") : value;
  }
  return td;
}

function show() {
  const found = chosen();
  const last = Math.max(Math.ceil(found.length / PAGE) - 1, 0);
  state.page = Math.min(state.page, last);
  const start = state.page * PAGE;
  const part = found.slice(start, start + PAGE);
  list.tBodies[0].replaceChildren(...part.map((row) => {
    const tr = document.createElement("tr");
    tr.append(...row.map(cell));
    return tr;
  }));
  document.getElementById("shown").textContent = found.length
    ? `${start + 1} to ${start + part.length} of ${found.length}` : "no match";
  document.getElementById("previous").disabled = state.page === 0;
  document.getElementById("next").disabled = state.page === last;
  heads.forEach((head, index) => head.setAttribute("aria-sort",
    index !== state.column ? "none" : state.descending ? "descending" : "ascending"));
}

document.getElementById("filter").addEventListener("input", (event) => {
  Object.assign(state, { text: event.target.value, page: 0 });
  show();
});
document.getElementById("previous").addEventListener("click", () => { state.page -= 1; show(); });
document.getElementById("next").addEventListener("click", () => { state.page += 1; show(); });
heads.forEach((head, index) => head.querySelector("button").addEventListener("click", () => {
  state.descending = state.column === index && !state.descending;
  Object.assign(state, { column: index, page: 0 });
  show();
}));
show();
