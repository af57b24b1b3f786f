"use strict";
const place = (id) => document.getElementById(id);

// All that comes from elsewhere becomes text, never markup.
function element(kind, text, className) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function size(bytes) {
  if (bytes < 1e3) return bytes.toFixed(0) + " B";
  if (bytes < 1e6) return (bytes / 1e3).toFixed(1) + " kB";
  if (bytes < 1e9) return (bytes / 1e6).toFixed(1) + " MB";
  return (bytes / 1e9).toFixed(1) + " GB";
}

function age(seconds) {
  if (seconds < 100) return seconds.toFixed(1) + " s";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 100) return minutes + " min";
  return Math.floor(minutes / 60) + " h";
}

function showTotals(seen) {
  const build = seen.build, rates = seen.rates;
  const rows = [
    ["jobs", "jobs", build.jobs],
    ["done_by_servers", "done by servers", build.done_by_servers],
    ["done_here", "done here", build.done_here],
    ["done_nowhere", "done nowhere", build.done_nowhere],
    ["failed", "failed", build.failed],
    ["preprocessed_by_servers", "pumped", build.preprocessed_by_servers],
    ["wall", "took", age(build.wall_seconds)],
    ["rate", "jobs a second, now", rates.jobs_per_second.toFixed(1)],
    ["rate_of_build", "jobs a second, in all", rates.jobs_per_second_of_build.toFixed(1)],
    ["sent", "sent", size(build.bytes_sent)],
    ["received", "received", size(build.bytes_received)],
    ["speed_up", "estimated speed-up",
      build.done_by_servers && build.estimated_speed_up ? build.estimated_speed_up.toFixed(1) : "–"],
  ];
  place("totals").replaceChildren(...rows.map(([id, name, value]) => {
    const tile = element("div");
    const number = element("dd", String(value));
    number.id = id;
    if (value > 0 && (id === "failed" || id === "done_nowhere")) number.className = "bad";
    tile.append(element("dt", name), number);
    return tile;
  }));
}

function job(one) {
  const line = element("li");
  line.append(
    element("span", one.slot === null ? "" : String(one.slot), "soft"),
    element("span", one.phase, "soft"),
    element("span", one.file, "file"),
    element("span", age(one.seconds), "soft"));
  if (one.code) line.append(element("span", one.code, "code"));
  return line;
}

function host(one, jobs) {
  const card = element("article", undefined, "host");
  card.dataset.host = one.host;
  const bar = element("progress");
  bar.max = Math.max(one.slots || 0, one.busy, 1);
  bar.value = one.busy;
  bar.setAttribute("aria-label", "slots taken");
  let text = one.busy + (one.slots === null ? ", not in the list" : " of " + one.slots) + ", "
    + one.jobs + " done";
  if (one.failures) text += ", " + one.failures + " failed";
  if (one.down) text += ", marked down";
  else if (one.backed_off) text += ", left alone after a failure";
  const list = element("ul", undefined, "jobs");
  list.append(...jobs.slice(0, 200).map(job));
  card.append(element("h3", one.host), bar,
    element("p", text, one.failures || one.down ? "bad" : ""), list);
  return card;
}

function fill(id, jobs) {
  const shown = jobs.slice(0, 200).map(job);
  if (jobs.length > 200) shown.push(element("li", "and " + (jobs.length - 200) + " more"));
  place(id).replaceChildren(...shown);
}

function showCauses(build) {
  const rows = [];
  const add = (what, list, name) => {
    for (const one of list) {
      const row = element("tr");
      row.append(element("td", what), element("td", name(one)), element("td", String(one.jobs)));
      rows.push(row);
    }
  };
  const code = (one) => one.code;
  add("done here", build.here, code);
  add("not pumped", build.preprocessed_here_instead, code);
  add("done nowhere", build.nowhere, code);
  add("failed at", build.host_failures, (one) => one.host + " " + one.code);
  place("causes").replaceChildren(...rows);
  place("causes-table").hidden = !rows.length;
  place("no-causes").hidden = rows.length > 0;
}

function show(seen) {
  const running = seen.running.filter((one) => one.host !== null);
  const waiting = seen.running.filter((one) => one.host === null);
  let state = "nothing runs";
  if (seen.building) state = "building: " + running.length + " running, " + waiting.length + " waiting";
  else if (seen.build.ended_seconds_ago !== null)
    state += "; the last job ended " + age(seen.build.ended_seconds_ago) + " ago";
  place("state").textContent = state;
  showTotals(seen);
  const cards = seen.hosts.map((one) => host(one, running.filter((job) => job.host === one.host)));
  if (!cards.length) cards.push(element("p", seen.no_host_list || "no hosts", "soft"));
  place("hosts").replaceChildren(...cards);
  fill("here", running.filter((one) => one.host === "localhost"));
  fill("waiting", waiting);
  showCauses(seen.build);
  const version = seen.build.began + " " + seen.build.jobs;
  if (version !== timeline.version) fetchTimeline(version);
}

const timeline = { version: "", asking: false, seen: { tracks: [], jobs: [] }, boxes: [] };

async function fetchTimeline(version) {
  if (timeline.asking) return;
  timeline.asking = true;
  try {
    const answer = await fetch("/timeline", { cache: "no-store" });
    if (answer.ok) {
      timeline.seen = await answer.json();
      timeline.version = version;
      draw();
    }
  } catch {
    // The next event asks anew.
  } finally {
    timeline.asking = false;
  }
}

function draw() {
  const canvas = place("timeline"), { tracks, jobs } = timeline.seen;
  const width = canvas.clientWidth, row = 16, names = Math.min(150, width / 3);
  const height = Math.max(1, tracks.length) * row + 20, scale = window.devicePixelRatio || 1;
  canvas.style.height = height + "px";
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  pen.scale(scale, scale);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const end = jobs.reduce((most, one) => Math.max(most, one[1] + one[2]), 0.001);
  const begin = jobs.reduce((least, one) => Math.min(least, one[1]), end);
  const x = (time) => names + (time - begin) / (end - begin || 1) * (width - names - 4);
  timeline.boxes = jobs.map(([track, from, took, file, code]) => {
    const box = { left: x(from), right: Math.max(x(from + took), x(from) + 1), top: track * row, file, code, took };
    const name = code === "source-errors" ? "--bad" : tracks[track].here ? "--here" : "--good";
    pen.fillStyle = color(name);
    pen.fillRect(box.left, box.top + 2, Math.max(1, box.right - box.left - 0.5), row - 4);
    return box;
  });
  pen.fillStyle = color("--soft");
  tracks.forEach((track, index) => pen.fillText(track.name, 4, index * row + row / 2, names - 8));
  pen.fillText(begin.toFixed(1) + " s", names, height - 9);
  const last = end.toFixed(1) + " s";
  pen.fillText(last, width - 4 - pen.measureText(last).width, height - 9);
}

// What the colors mean, where no job is pointed at.
function showColors() {
  place("pointed").replaceChildren(
    element("span", "on servers", "servers"), "  ", element("span", "here", "here"), "  ",
    element("span", "with errors", "errors"), "  point at a job for its file");
}

place("timeline").addEventListener("pointermove", (event) => {
  const found = timeline.boxes.find((box) => event.offsetX >= box.left && event.offsetX <= box.right
    && event.offsetY >= box.top && event.offsetY < box.top + 16);
  if (found) place("pointed").textContent = found.file + ", " + age(found.took) + (found.code && ", " + found.code);
  else showColors();
});
place("timeline").addEventListener("pointerleave", showColors);
showColors();
new ResizeObserver(draw).observe(place("timeline").parentElement);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

const events = new EventSource("/events");
events.addEventListener("snapshot", (event) => show(JSON.parse(event.data)));
events.addEventListener("error", () => { place("state").textContent = "distccmon does not answer"; });
