// What a page does by itself: copy a command, move a slider, show times in the viewer's zone, and listen to keys. Without
// this script, all of that is a link, a form, or text to select.

/* global Idiomorph */

const SKEW_MS = 15000; // A page can be ten seconds old when it comes.
const SETTLE_MS = 60;
const PLAY_MS = 400;
const content = document.getElementById("content");
const shownAt = document.querySelector("#at time");

// Times

// By how much this browser's clock is ahead of the server's.
const skew = clockSkew();

function showLocalTimes() {
  if (document.documentElement.dataset.zone !== "local") return;
  for (const time of document.querySelectorAll("time[datetime*='T']:not([title])")) {
    const at = new Date(time.dateTime);
    const two = (number) => String(number).padStart(2, "0");
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
    const rest = /\.\d{3}Z$/.test(time.textContent) ? `.${String(at.getMilliseconds()).padStart(3, "0")}` : "";
    time.title = time.textContent;
    time.textContent = `${day} ${clock}${rest}`;
  }
}

function clockSkew() {
  const answered = performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart ?? 0);
  return shownAt ? answered - Date.parse(shownAt.dateTime) : 0;
}

// What was just shown is of now, by the server's clock.
function stampNow() {
  if (!shownAt) return;
  shownAt.dateTime = `${new Date(Date.now() - skew).toISOString().slice(0, 19)}Z`;
  shownAt.textContent = shownAt.dateTime.replace("T", " ");
  shownAt.removeAttribute("title");
}

function showSkew() {
  if (Math.abs(skew) <= SKEW_MS) return;
  const said = document.createElement("span");
  said.className = "badge warn";
  said.textContent = `this browser's clock is ${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? "ahead" : "behind"}`;
  document.getElementById("state").before(said);
}

// Copying

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    document.getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

// Sliders: each position is a link, and the page that it leads to is put in the place of this one.

let asked = 0;
let settling = 0;
let playing = 0; // A number for each time that somebody has pressed Play.

function linksOf(slider) {
  return document.getElementById(slider.dataset.links)?.querySelectorAll("a[href]") ?? [];
}

async function show(address) {
  const turn = ++asked;
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (turn !== asked) return; // a later one is on its way
    const fresh = answer.ok && page.getElementById("content");
    if (!fresh) throw new Error("no page");
    Idiomorph.morph(content, fresh.innerHTML, {
      morphStyle: "innerHTML",
      ignoreActiveValue: true,
      callbacks: { beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS") },
    });
    history.replaceState(null, "", address);
    document.dispatchEvent(new CustomEvent("evtrack:moved", { detail: page.body.dataset.live }));
    showLocalTimes();
    showPlaying();
  } catch {
    location.assign(address);
  }
}

function slide(slider) {
  const link = linksOf(slider)[slider.value];
  if (!link) return;
  slider.setAttribute("aria-valuetext", link.textContent);
  clearTimeout(settling);
  settling = setTimeout(() => show(link.href), SETTLE_MS);
}

// From moment to moment, the next one when the last one is shown; from the first one, if this is the last.
async function play() {
  const mine = playing ? 0 : asked + 1;
  playing = mine;
  showPlaying();
  const slider = document.querySelector("input[data-links]");
  let at = slider.value === slider.max ? 0 : Number(slider.value) + 1;
  for (; playing && playing === mine && linksOf(slider)[at]; at += 1) {
    slider.value = at;
    await show(linksOf(slider)[at].href);
    await new Promise((resolve) => { setTimeout(resolve, PLAY_MS); });
  }
  if (playing === mine) playing = 0;
  showPlaying();
}

// The server knows nothing of it, and what it sends says so.
function showPlaying() {
  const button = document.querySelector("[data-play]");
  if (button) button.textContent = playing ? "Stop" : "Play";
}

// Keys

const KEYS = {
  "/": () => document.querySelector(".search input")?.focus(),
  "?": () => document.querySelector(".foot a[href$='/help']")?.click(),
  "[": () => document.querySelector(".slider a[rel='prev']")?.click(),
  "]": () => document.querySelector(".slider a[rel='next']")?.click(),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  l: () => document.dispatchEvent(new CustomEvent("evtrack:toggle")),
  t: () => switchTheme(),
};
let isGoing = false;

function keysAreOn() {
  try {
    return localStorage.getItem("evtrack-keys") !== "off";
  } catch {
    return true; // the browser keeps nothing for this page
  }
}

function moveRow(step) {
  const rows = [...content.querySelectorAll("tbody tr")].filter((row) => row.querySelector("a[href]"));
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step];
  next?.querySelector("a[href]").focus();
}

function switchTheme() {
  [...document.querySelectorAll(".prefs button[name='theme']")].find((button) => button.checkVisibility())?.click();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  if (!keysAreOn()) return;
  const going = isGoing;
  isGoing = event.key === "g" && !going;
  const place = going && [...document.querySelectorAll(".head nav a")].find((link) => link.dataset.key === event.key);
  if (place) {
    place.click();
  } else if (!isGoing && KEYS[event.key]) {
    KEYS[event.key]();
  } else {
    return;
  }
  event.preventDefault();
}

function nameKeysSwitch() {
  const button = document.querySelector("button[data-keys]");
  if (button) button.textContent = keysAreOn() ? "Turn the keys off" : "Turn the keys on";
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches(".copy")) copy(button);
  if (button?.matches("[data-play]")) play();
  if (button?.matches("[data-keys]")) {
    localStorage.setItem("evtrack-keys", keysAreOn() ? "off" : "on");
    nameKeysSwitch();
  }
  const link = event.target.closest(".slider a[href]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    show(link.href);
  }
});
document.addEventListener("input", (event) => {
  if (!event.target.matches("input[data-links]")) return;
  playing = 0;
  slide(event.target);
});
document.addEventListener("keydown", press);
document.addEventListener("evtrack:shown", ({ detail }) => {
  if (!detail.outage) stampNow();
  showLocalTimes();
  showPlaying();
});
showLocalTimes();
showSkew();
nameKeysSwitch();
