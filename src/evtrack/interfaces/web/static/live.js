// Keeps a page up to date while somebody looks at it. Without this script every page is whole; it only has to be loaded
// again. The server renders every region of a page; here they are put in place, and nothing else is decided.

/* global Idiomorph */

let address = document.body.dataset.live;
const state = document.getElementById("state");
const STREAMS = 4; // A browser opens six connections to a host, over all of its tabs.
const POLL_MS = 5000;
const POLLS = 12; // Then there may be room for a stream again.
const SILENT_MS = 35000; // The server says something every ten seconds: after this, the connection is dead.

// What a viewer has opened stays open.
const MORPH = {
  morphStyle: "innerHTML",
  ignoreActiveValue: true,
  callbacks: { beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS") },
};

let turn = 0; // What was begun in an earlier turn, and ends now, is dropped.
let stream = null;
let release = null;
let timer = 0;
let watchdog = 0;
let polls = 0;
let etag = "";
let asking = false; // for a place among the streams
let paused = false;
const held = new Map(); // What came for a region that a viewer holds.

function say(text, kind) {
  state.className = kind;
  state.firstChild.title = kind === "stands" ? text : ""; // It is cut where it is long.
  // What is said again is not read aloud again.
  if (state.firstChild.textContent !== text) state.firstChild.textContent = text;
}

function show({ regions, period_s, outage }) {
  for (const [name, html] of Object.entries(regions)) held.set(name, html);
  showHeld();
  if (outage) say(`stands still: ${outage} `, "stands");
  else say(period_s > 1 ? `every ${period_s} s ` : "live ", "live");
  document.dispatchEvent(new CustomEvent("evtrack:shown", { detail: { outage } }));
}

function showHeld() {
  for (const [name, html] of held) {
    const region = document.getElementById(name);
    if (region && isHeld(region)) continue;
    held.delete(name);
    if (region) Idiomorph.morph(region, html, MORPH);
  }
}

// A selection would be lost, or a slider that is being moved.
function isHeld(region) {
  const selection = document.getSelection();
  const isSelected = selection && !selection.isCollapsed && region.contains(selection.anchorNode);
  return isSelected || region.querySelector("input:active");
}

function open() {
  const opened = new EventSource(address);
  stream = opened;
  watch();
  opened.onmessage = (event) => {
    watch();
    show(JSON.parse(event.data));
  };
  opened.onerror = () => {
    say("stands still: no connection ", "stands");
    if (opened.readyState !== EventSource.CLOSED || stream !== opened) return; // else the browser tries again
    // The server takes no more streams, or nobody is logged in any more.
    close();
    pollIn(POLL_MS);
  };
}

function watch() {
  clearTimeout(watchdog);
  watchdog = setTimeout(() => {
    close();
    start();
  }, SILENT_MS);
}

function pollIn(ms) {
  timer = setTimeout(poll, ms);
}

async function poll() {
  const mine = ++turn;
  timer = -1; // under way
  try {
    const headers = { Accept: "application/json", ...(etag ? { "If-None-Match": etag } : {}) };
    const answer = await fetch(address, { headers, cache: "no-store" });
    const news = answer.ok ? await answer.json() : { regions: {} };
    if (mine !== turn) return;
    if (answer.ok || answer.status === 304) {
      etag = answer.headers.get("ETag") ?? "";
      show({ ...news, period_s: POLL_MS / 1000 });
    } else {
      const reason = answer.status === 401 ? "load the page again to log in" : `the server answers ${answer.status}`;
      say(`stands still: ${reason} `, "stands");
    }
  } catch {
    if (mine !== turn) return;
    say("stands still: no connection ", "stands");
  }
  polls += 1;
  if (polls % POLLS) {
    pollIn(POLL_MS);
  } else {
    timer = setTimeout(() => {
      timer = 0;
      start();
    }, POLL_MS);
  }
}

function isWanted() {
  return !paused && address && !document.hidden;
}

function start() {
  if (!isWanted() || stream || timer || asking) return;
  if (navigator.locks) takePlace(1);
  else poll();
}

// One request at a time: a second one would find the first place taken by the first.
function takePlace(place) {
  asking = place <= STREAMS;
  if (!asking) {
    if (isWanted()) poll();
    return;
  }
  navigator.locks.request(`evtrack-live-${place}`, { ifAvailable: true }, (lock) => {
    if (!lock) return takePlace(place + 1);
    asking = false;
    if (!isWanted()) return null;
    open();
    return new Promise((resolve) => { release = resolve; });
  }).catch(() => { asking = false; });
}

function close() {
  turn += 1;
  clearTimeout(timer);
  clearTimeout(watchdog);
  timer = 0;
  stream?.close();
  stream = null;
  release?.();
  release = null;
}

// The page now shows another address, for example another moment.
document.addEventListener("evtrack:moved", ({ detail }) => {
  close();
  held.clear();
  etag = "";
  address = detail;
  start();
});

document.addEventListener("evtrack:toggle", () => {
  if (!address) return;
  paused = !paused;
  if (paused) {
    close();
    say("stands still: live updates are off ", "stands");
  } else {
    start();
  }
});

document.addEventListener("visibilitychange", () => (document.hidden ? close() : start()));
document.addEventListener("selectionchange", showHeld);
document.addEventListener("pointerup", () => setTimeout(showHeld));
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", start); // It may come back from the browser's memory.
start();
