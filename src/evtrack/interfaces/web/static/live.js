// Keeps a page up to date while somebody looks at it. Without this script every page is whole; it only has to be loaded
// again. The server renders every region of a page; here they are put in place, and nothing else is decided.

/* global Idiomorph */

let address = document.body.dataset.live;
const state = document.getElementById("state");
const STREAMS = 4; // A browser opens six connections to a host, over all of its tabs.
const POLL_MS = 5000;
const POLLS = 12; // Then there may be room for a stream again.

// What a viewer has opened stays open.
const MORPH = {
  morphStyle: "innerHTML",
  ignoreActiveValue: true,
  callbacks: { beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS") },
};

let stream = null;
let release = null;
let timer = 0;
let polls = 0;
let etag = "";
let paused = false;

function say(text, kind) {
  state.className = kind;
  // What is said again is not read aloud again.
  if (state.firstChild.textContent !== text) state.firstChild.textContent = text;
}

function show({ regions, period_s, outage }) {
  for (const [name, html] of Object.entries(regions)) {
    const region = document.getElementById(name);
    // A selection in the region would be lost, or a slider that is being moved.
    if (region && !holdsSelection(region) && !region.querySelector("input:active")) Idiomorph.morph(region, html, MORPH);
  }
  if (outage) say(`stands still: ${outage} `, "stands");
  else say(period_s > 1 ? `every ${period_s} s ` : "live ", "live");
  document.dispatchEvent(new CustomEvent("evtrack:shown", { detail: { outage } }));
}

function holdsSelection(region) {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && region.contains(selection.anchorNode);
}

function open() {
  stream = new EventSource(address);
  stream.onmessage = (event) => show(JSON.parse(event.data));
  stream.onerror = () => {
    say("stands still: no connection ", "stands");
    if (stream.readyState === EventSource.CLOSED) {
      // The server has answered that it takes no more streams.
      close();
      timer = setTimeout(poll, POLL_MS);
    }
  };
}

async function poll() {
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(address, { headers, cache: "no-store" });
    if (answer.ok) {
      etag = answer.headers.get("ETag") ?? "";
      show({ ...(await answer.json()), period_s: POLL_MS / 1000 });
    } else if (answer.status !== 304) {
      say(`stands still: the server answers ${answer.status} `, "stands");
    }
  } catch {
    say("stands still: no connection ", "stands");
  }
  if (document.hidden || paused || stream) return;
  polls += 1;
  timer = setTimeout(polls % POLLS ? poll : again, POLL_MS);
}

function again() {
  timer = 0;
  start();
}

function start() {
  if (paused || document.hidden || stream || timer) return;
  if (!navigator.locks) {
    poll();
    return;
  }
  takePlace(1);
}

function takePlace(place) {
  if (place > STREAMS) {
    poll();
    return;
  }
  navigator.locks.request(`evtrack-live-${place}`, { ifAvailable: true }, (lock) => {
    if (!lock) {
      takePlace(place + 1);
      return null;
    }
    open();
    return new Promise((resolve) => { release = resolve; });
  });
}

function close() {
  clearTimeout(timer);
  timer = 0;
  stream?.close();
  stream = null;
  release?.();
  release = null;
}

// The page now shows another address, for example another moment.
document.addEventListener("evtrack:moved", ({ detail }) => {
  close();
  etag = "";
  address = detail;
  if (address) start();
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

if (address) {
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : start()));
  window.addEventListener("pagehide", close);
  start();
}
