"use strict";
const content = JSON.parse(document.getElementById("content-data").textContent);
const { scenes, sites, areas, missing } = content;
const count = sites.id.length;
const get = (id) => document.getElementById(id);
const canvas = get("map");
const pen = canvas.getContext("2d");
const hatching = document.createElement("canvas").getContext("2d");
const PAGE = 50;
const MARKS = ["right", "wrong", "unsure"];
const SURE = "#d55e00", PROVISIONAL = "#e69f00", MISSING = "#0072b2";
const MARK_COLOURS = { right: "#009e73", wrong: "#999999", unsure: "#56b4e9" };
const OUTLINE_PX = 10, REACH_PX = 14, SPECK_PX = 24, NAMED_SPECKS = 20, LONGEST_NAME = 40;

// Web Mercator, 0 to 1 over the world
const worldX = (longitude) => longitude / 360 + 0.5;
const worldY = (latitude) => {
  const sine = Math.sin((latitude * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
};
const unroll = (steps) => {
  const points = new Float64Array(steps.length);
  for (let i = 0, x = 0, y = 0; i < steps.length; i += 2) {
    x += steps[i];
    y += steps[i + 1];
    points[i] = worldX(x / content.unitsPerDegree);
    points[i + 1] = worldY(y / content.unitsPerDegree);
  }
  return points;
};
const place = (lists) => {
  const rings = lists.map(unroll);
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of rings)
    for (let i = 0; i < ring.length; i += 2) {
      box[0] = Math.min(box[0], ring[i]);
      box[1] = Math.min(box[1], ring[i + 1]);
      box[2] = Math.max(box[2], ring[i]);
      box[3] = Math.max(box[3], ring[i + 1]);
    }
  return { rings, box };
};
const outlines = sites.rings.map(place);
const boundaries = areas.map((area) => ({ name: area.name, ...place(area.rings) }));
const losses = missing.map((site) => ({ ...site, ...place(site.rings) }));
const xs = Float64Array.from(sites.longitude, worldX);
const ys = Float64Array.from(sites.latitude, worldY);
sites.date = sites.scene.map((scene) => scenes[scene].date);

// Marks are kept for each scene and model; a site is known by its centroid.
let kept = true;
sites.mark = new Array(count).fill(null);
const shelf = (scene) => `planet-review/${scene.name}/${scene.version}`;
const spot = (i) => `${sites.latitude[i]},${sites.longitude[i]}`;
const load = () => {
  const stored = scenes.map((scene) => {
    try {
      return JSON.parse(localStorage.getItem(shelf(scene))) ?? {};
    } catch {
      kept = false;
      return {};
    }
  });
  for (let i = 0; i < count; i++) {
    const mark = stored[sites.scene[i]][spot(i)];
    sites.mark[i] = MARKS.includes(mark) ? mark : null;
  }
};
const save = (number) => {
  try {
    const marks = JSON.parse(localStorage.getItem(shelf(scenes[number]))) ?? {};
    for (let i = 0; i < count; i++)
      if (sites.scene[i] === number) {
        if (sites.mark[i]) marks[spot(i)] = sites.mark[i];
        else delete marks[spot(i)];
      }
    localStorage.setItem(shelf(scenes[number]), JSON.stringify(marks));
  } catch {
    kept = false;
  }
};

// The map: `view` is the world's point in the middle of the canvas and pixels per world
const view = { x: 0.5, y: 0.5, scale: 256 };
let size = { width: 1, height: 1 };
let chosen = -1, lost = -1;
let waiting = false;
const layers = scenes.map((scene, i) => {
  const stack = document.querySelectorAll(".stack")[i];
  return { bounds: scene.bounds, images: [...stack.querySelectorAll("img")] };
});
const toX = (x) => (x - view.x) * view.scale + size.width / 2;
const toY = (y) => (y - view.y) * view.scale + size.height / 2;
const redraw = () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
};
const lay = (context, image, [left, top, right, bottom]) => {
  if (!image.complete || !image.naturalWidth) return;
  context.drawImage(image, toX(left), toY(top), (right - left) * view.scale, (bottom - top) * view.scale);
};
const trace = (path, rings) => {
  for (const ring of rings) {
    path.moveTo(toX(ring[0]), toY(ring[1]));
    for (let i = 2; i < ring.length; i += 2) path.lineTo(toX(ring[i]), toY(ring[i + 1]));
    path.closePath();
  }
};
const isSeen = (box) =>
  toX(box[2]) > 0 && toX(box[0]) < size.width && toY(box[3]) > 0 && toY(box[1]) < size.height;

const drawHatching = () => {
  const ratio = devicePixelRatio;
  hatching.setTransform(ratio, 0, 0, ratio, 0, 0);
  hatching.globalCompositeOperation = "source-over";
  hatching.clearRect(0, 0, size.width, size.height);
  hatching.imageSmoothingEnabled = false;
  for (const layer of layers) lay(hatching, layer.images[2], layer.bounds);
  hatching.globalCompositeOperation = "destination-in";
  hatching.lineWidth = 2;
  hatching.beginPath();
  for (let x = -size.height; x < size.width; x += 8) {
    hatching.moveTo(x, size.height);
    hatching.lineTo(x + size.height, 0);
  }
  hatching.stroke();
  pen.drawImage(hatching.canvas, 0, 0, size.width, size.height);
};

const shorten = (name) => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name);
const label = (name, x, y) => {
  const text = shorten(name);
  pen.lineWidth = 3;
  pen.strokeStyle = "#000c";
  pen.strokeText(text, x, y);
  pen.fillStyle = "#fff";
  pen.fillText(text, x, y);
};
// Scenes that lie far apart are specks: a frame and a name show where they are.
const drawSpecks = () => {
  const specks = scenes.filter(({ bounds }) => isSeen(bounds) && (bounds[2] - bounds[0]) * view.scale < SPECK_PX);
  for (const { name, bounds } of specks) {
    const x = toX((bounds[0] + bounds[2]) / 2), y = toY((bounds[1] + bounds[3]) / 2);
    for (const [width, colour] of [[3, "#000a"], [1, "#fff"]]) {
      pen.lineWidth = width;
      pen.strokeStyle = colour;
      pen.strokeRect(x - SPECK_PX / 2, y - SPECK_PX / 2, SPECK_PX, SPECK_PX);
    }
    if (specks.length > NAMED_SPECKS) continue;
    const { width } = pen.measureText(shorten(name));
    const inside = x + SPECK_PX / 2 + 4 + width < size.width;
    label(name, inside ? x + SPECK_PX / 2 + 4 : x - SPECK_PX / 2 - 4 - width, y + 4);
  }
};

const drawBoundaries = () => {
  for (const area of boundaries) {
    if (!isSeen(area.box)) continue;
    const path = new Path2D();
    trace(path, area.rings);
    for (const [width, colour, dash] of [[4, "#000a", []], [2, "#fff", [7, 4]]]) {
      pen.lineWidth = width;
      pen.strokeStyle = colour;
      pen.setLineDash(dash);
      pen.stroke(path);
    }
    pen.setLineDash([]);
    if ((area.box[2] - area.box[0]) * view.scale < 80) continue;
    label(area.name, Math.max(toX(area.box[0]), 0) + 8, Math.max(toY(area.box[1]), 0) + 16);
  }
};

const drawMissing = () => {
  const path = new Path2D();
  for (const { rings, box } of losses) {
    if (!isSeen(box)) continue;
    if (Math.max(box[2] - box[0], box[3] - box[1]) * view.scale > OUTLINE_PX) trace(path, rings);
    else path.rect(toX((box[0] + box[2]) / 2) - 4, toY((box[1] + box[3]) / 2) - 4, 8, 8);
  }
  for (const [width, colour, dash] of [[3, "#fffa", []], [1.5, MISSING, [4, 3]]]) {
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.setLineDash(dash);
    pen.stroke(path);
  }
  pen.setLineDash([]);
};

const drawMarker = (x, y, colour, hollow) => {
  pen.fillStyle = "#000a";
  pen.fillRect(x - 5, y - 5, 10, 10);
  pen.fillStyle = colour;
  pen.fillRect(x - 4, y - 4, 8, 8);
  if (!hollow) return;
  pen.fillStyle = "#000a";
  pen.fillRect(x - 2, y - 2, 4, 4);
};
const drawSites = () => {
  const styles = new Map();
  for (let i = count - 1; i >= 0; i--) {
    const { rings, box } = outlines[i];
    if (!isSeen(box)) continue;
    const colour = MARK_COLOURS[sites.mark[i]] ?? (sites.provisional[i] ? PROVISIONAL : SURE);
    if (Math.max(box[2] - box[0], box[3] - box[1]) * view.scale <= OUTLINE_PX) {
      drawMarker(toX(xs[i]), toY(ys[i]), colour, sites.provisional[i]);
      continue;
    }
    const key = `${colour}${sites.provisional[i] ? "p" : ""}`;
    if (!styles.has(key)) styles.set(key, { colour, dashed: sites.provisional[i], path: new Path2D() });
    trace(styles.get(key).path, rings);
  }
  for (const { colour, dashed, path } of styles.values()) {
    pen.fillStyle = `${colour}40`;
    pen.fill(path, "evenodd");
    pen.lineWidth = 4;
    pen.strokeStyle = "#0008";
    pen.stroke(path);
    pen.setLineDash(dashed ? [5, 3] : []);
    pen.lineWidth = 2;
    pen.strokeStyle = colour;
    pen.stroke(path);
    pen.setLineDash([]);
  }
};
const drawChosen = () => {
  const { box } = outlines[chosen] ?? losses[lost] ?? {};
  if (!box) return;
  const [left, top, right, bottom] = box;
  const width = Math.max((right - left) * view.scale, 12) + 12;
  const height = Math.max((bottom - top) * view.scale, 12) + 12;
  const x = toX((left + right) / 2) - width / 2, y = toY((top + bottom) / 2) - height / 2;
  for (const [line, colour] of [[5, "#000"], [2, "#fff"]]) {
    pen.lineWidth = line;
    pen.strokeStyle = colour;
    pen.strokeRect(x, y, width, height);
  }
};

const drawScale = () => {
  const latitude = (Math.atan(Math.sinh(Math.PI * (1 - 2 * view.y))) * 180) / Math.PI;
  const metres = (40075016.7 * Math.cos((latitude * Math.PI) / 180)) / view.scale;
  const power = 10 ** Math.floor(Math.log10(metres * 120));
  const length = [5, 2, 1].map((step) => step * power).find((step) => step <= metres * 120);
  get("bar").style.width = `${length / metres}px`;
  get("bar").textContent = length < 1000 ? `${length} m` : `${length / 1000} km`;
};

const draw = () => {
  const ratio = devicePixelRatio;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, size.width, size.height);
  pen.imageSmoothingEnabled = true;
  for (const layer of layers) lay(pen, layer.images[0], layer.bounds);
  pen.globalAlpha = get("opacity").value / 100;
  for (const layer of layers) lay(pen, layer.images[1], layer.bounds);
  pen.globalAlpha = 1;
  drawHatching();
  pen.font = "600 12px system-ui, sans-serif";
  drawBoundaries();
  drawSpecks();
  drawMissing();
  drawSites();
  drawChosen();
  drawScale();
};

const limit = () => {
  view.scale = Math.min(Math.max(view.scale, 128), 2 ** 30);
  view.x = Math.min(Math.max(view.x, 0), 1);
  view.y = Math.min(Math.max(view.y, 0), 1);
};
const zoom = (factor, x = size.width / 2, y = size.height / 2) => {
  const before = view.scale;
  view.scale *= factor;
  limit();
  const shift = 1 / before - 1 / view.scale;
  view.x += (x - size.width / 2) * shift;
  view.y += (y - size.height / 2) * shift;
  limit();
  redraw();
};
const pan = (right, down) => {
  view.x -= right / view.scale;
  view.y -= down / view.scale;
  limit();
  redraw();
};
const frame = ([left, top, right, bottom], margin) => {
  view.x = (left + right) / 2;
  view.y = (top + bottom) / 2;
  view.scale = Math.min(size.width / (right - left), size.height / (bottom - top)) * margin;
  limit();
  redraw();
};
const frameAll = () => {
  const boxes = scenes.map((scene) => scene.bounds);
  frame([0, 1, 2, 3].map((side) => Math[side < 2 ? "min" : "max"](...boxes.map((box) => box[side]))), scenes.length > 1 ? 0.85 : 0.95);
};
const fit = () => {
  const { clientWidth: width, clientHeight: height } = canvas;
  size = { width, height };
  for (const target of [canvas, hatching.canvas]) {
    target.width = width * devicePixelRatio;
    target.height = height * devicePixelRatio;
  }
  redraw();
};

const find = (shapes, x, y) => {
  let best = -1, nearest = REACH_PX;
  for (let i = 0; i < shapes.length; i++) {
    const [left, top, right, bottom] = shapes[i].box;
    const dx = Math.max(toX(left) - x, x - toX(right), 0);
    const dy = Math.max(toY(top) - y, y - toY(bottom), 0);
    // Within several boxes, the one whose middle is nearest wins.
    const middle = Math.hypot(toX((left + right) / 2) - x, toY((top + bottom) / 2) - y);
    const away = Math.hypot(dx, dy) + middle / 1e4;
    if (away < nearest) {
      nearest = away;
      best = i;
    }
  }
  return best;
};

const fingers = new Map();
let travelled = 0;
const locate = (event) => {
  const { left, top } = canvas.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
};
canvas.addEventListener("pointerdown", (event) => {
  if (fingers.size === 0) travelled = 0;
  fingers.set(event.pointerId, locate(event));
  try {
    canvas.setPointerCapture(event.pointerId);
  } catch { /* the pointer is gone already */ }
});
canvas.addEventListener("pointermove", (event) => {
  const last = fingers.get(event.pointerId);
  if (!last) return;
  const now = locate(event);
  travelled += Math.hypot(now[0] - last[0], now[1] - last[1]);
  const others = [...fingers].filter(([id]) => id !== event.pointerId);
  if (others.length) {
    const [, other] = others[0];
    const apart = (point) => Math.max(Math.hypot(point[0] - other[0], point[1] - other[1]), 1);
    zoom(apart(now) / apart(last), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }
  const share = others.length ? 2 : 1;
  pan((now[0] - last[0]) / share, (now[1] - last[1]) / share);
  fingers.set(event.pointerId, now);
});
const lift = (event) => {
  if (!fingers.delete(event.pointerId) || event.type !== "pointerup") return;
  if (fingers.size || travelled > 6) return;
  const at = locate(event);
  const found = find(outlines, ...at), gone = find(losses, ...at);
  if (found >= 0) choose(found, { move: false });
  else if (gone >= 0) recall(gone, { move: false });
};
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
  zoom(2 ** (-Math.max(-200, Math.min(pixels, 200)) / 200), ...locate(event));
}, { passive: false });
const MOVES = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (MOVES[event.key]) pan(...MOVES[event.key]);
  else if (event.key === "+" || event.key === "=") zoom(1.5);
  else if (event.key === "-") zoom(1 / 1.5);
  else return;
  event.preventDefault();
});

// The table shows one page of the sites in the chosen order.
const table = get("sites");
const body = table.tBodies[0];
const columns = [...table.querySelectorAll("th[data-sort]")].map((head) => head.dataset.sort);
const embedded = [...body.rows].map((row) => [...row.querySelectorAll("img")].map((img) => img.src));
let order = Array.from({ length: count }, (_, i) => i);
let ranks = order.slice();
let first = 0;
const show = {
  probability_max: (value) => value.toFixed(2),
  area_ha: (value) => value.toFixed(1),
  latitude: (value) => value.toFixed(5),
  longitude: (value) => value.toFixed(5),
};
const write = (name, i) => (sites[name][i] === null ? "" : (show[name] ?? String)(sites[name][i]));
const picture = (i, kind) =>
  embedded[i]?.[kind] ?? (kind ? sites.hazeFree : sites.thumbnail)[i];

const fill = () => {
  const rows = order.slice(first, first + PAGE).map((i) => {
    const row = document.createElement("tr");
    row.dataset.site = i;
    if (i === chosen) row.setAttribute("aria-current", "true");
    const image = document.createElement("img");
    image.loading = "lazy";
    image.alt = `${sites.id[i]} as taken`;
    image.addEventListener("error", () => image.remove());
    image.src = picture(i, 0);
    const cell = row.insertCell();
    cell.className = "thumbs";
    cell.append(image);
    for (const name of columns) {
      const part = document.createElement(name === "id" ? "th" : "td");
      if (name === "id") {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = sites.id[i];
        part.scope = "row";
        part.append(button);
        if (sites.provisional[i]) {
          const note = document.createElement("span");
          note.className = "quiet";
          note.textContent = " provisional";
          part.append(note);
        }
      } else part.textContent = write(name, i);
      if (name in show) part.className = "number";
      if (name === "date") part.className = "date";
      row.append(part);
    }
    return row;
  });
  body.replaceChildren(...rows);
  const last = Math.min(first + PAGE, count);
  get("shown").textContent = count ? `${first + 1} to ${last} of ${count.toLocaleString("en")}` : "no site";
  get("earlier").disabled = first === 0;
  get("later").disabled = last === count;
};
const turn = (start) => {
  first = Math.max(0, Math.min(start, Math.floor((count - 1) / PAGE) * PAGE));
  fill();
};
const collator = new Intl.Collator("en", { numeric: true });
const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
const sort = (head) => {
  const name = head.dataset.sort;
  const numeric = name in show;
  const now = head.getAttribute("aria-sort");
  const descending = now ? now === "ascending" : numeric;
  for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const values = sites[name];
  order.sort((i, j) => {
    const empty = (!values[i] && values[i] !== 0) - (!values[j] && values[j] !== 0);
    return empty || (descending ? -1 : 1) * compare(values[i] ?? "", values[j] ?? "") || i - j;
  });
  order.forEach((site, rank) => { ranks[site] = rank; });
  turn(0);
  if (count) choose(order[0]);
};

// One site
const fact = (name, text) => {
  if (text === null || text === "" || text === undefined) return;
  const row = document.createElement("div");
  for (const [tag, value] of [["dt", name], ["dd", text]]) {
    const part = document.createElement(tag);
    part.textContent = value;
    row.append(part);
  }
  get("facts").append(row);
};
const MAPS = {
  OpenStreetMap: (lat, lon) => `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=15/${lat}/${lon}`,
  "Google Maps": (lat, lon) => `https://www.google.com/maps/@?api=1&map_action=map&center=${lat},${lon}&zoom=15&basemap=satellite`,
  Copernicus: (lat, lon) => `https://browser.dataspace.copernicus.eu/?zoom=14&lat=${lat}&lng=${lon}`,
};
const showMarks = () => {
  for (const button of document.querySelectorAll("[data-mark]"))
    button.setAttribute("aria-pressed", chosen >= 0 && sites.mark[chosen] === button.dataset.mark);
  const totals = MARKS.map((mark) => `${sites.mark.filter((other) => other === mark).length} ${mark}`);
  const done = sites.mark.filter(Boolean).length;
  get("progress").textContent = `${done} of ${count.toLocaleString("en")} reviewed: ${totals.join(", ")}`;
  get("unkept").hidden = kept;
  for (const id of ["geojson", "csv"]) get(id).disabled = done === 0;
};
const centre = ([left, top, right, bottom]) => {
  const wide = (Math.max(right - left, bottom - top) || 1e-6) * 4;
  view.x = (left + right) / 2;
  view.y = (top + bottom) / 2;
  view.scale = Math.max(view.scale, Math.min(size.width, size.height) / wide / 4);
  limit();
};
const point = (rows, row) => {
  for (const other of rows)
    if (other === row) other.setAttribute("aria-current", "true");
    else other.removeAttribute("aria-current");
};
const choose = (i, { move = true } = {}) => {
  chosen = i;
  lost = -1;
  point(losingRows, null);
  const page = Math.floor(ranks[i] / PAGE) * PAGE;
  if (page !== first) turn(page);
  point(body.rows, [...body.rows].find((row) => Number(row.dataset.site) === i));
  get("hint").hidden = true;
  get("details").hidden = false;
  get("name").textContent = sites.id[i];
  get("beside").hidden = true;
  ["taken", "clear"].forEach((id, kind) => { get(id).src = picture(i, kind); });
  get("coordinates").value = `${sites.latitude[i].toFixed(6)}, ${sites.longitude[i].toFixed(6)}`;
  get("copy").textContent = "Copy";
  const scene = scenes[sites.scene[i]];
  get("facts").replaceChildren();
  fact("Probability", `${sites.probability_max[i].toFixed(2)} at most, mean ${sites.probability_mean[i].toFixed(2)}`);
  fact("Area", `${sites.area_ha[i].toFixed(1)} ha (${sites.area_low_ha[i].toFixed(1)} to ${sites.area_high_ha[i].toFixed(1)})`);
  fact("Provisional", sites.provisional[i] ? "yes" : "");
  fact("Other labels", sites.labels[i]);
  fact("Areas", sites.areas?.[i]);
  fact("Change", sites.change?.[i]);
  fact("Scene", scene.name);
  fact("Date", scene.date);
  fact("Model", `${scene.model} ${scene.version}`);
  get("links").replaceChildren(...Object.entries(MAPS).map(([name, address]) => {
    const link = document.createElement("a");
    link.href = address(sites.latitude[i], sites.longitude[i]);
    link.textContent = name;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    return link;
  }));
  showMarks();
  if (move) centre(outlines[i].box);
  redraw();
};
// An earlier site that was not found again has nothing to review.
const losingRows = [...(get("missing")?.tBodies[0].rows ?? [])];
const recall = (i, { move = true } = {}) => {
  const { name, change, area_ha, latitude, longitude, box } = losses[i];
  chosen = -1;
  lost = i;
  point(body.rows, null);
  point(losingRows, losingRows[i]);
  get("details").hidden = true;
  get("hint").hidden = false;
  get("hint").textContent =
    `${name}: an earlier site of ${area_ha.toFixed(1)} ha at ${latitude.toFixed(5)}, ${longitude.toFixed(5)} ` +
    `that was not found again (${change}).`;
  showMarks();
  if (move) centre(box);
  redraw();
};
const step = (by) => {
  const rank = ranks[chosen] + by;
  if (chosen >= 0 && rank >= 0 && rank < count) choose(order[rank]);
};
const mark = (word) => {
  if (chosen < 0) return;
  sites.mark[chosen] = sites.mark[chosen] === word ? null : word;
  save(sites.scene[chosen]);
  showMarks();
  fill();
  redraw();
};

// Downloads
const review = () =>
  order.filter((i) => sites.mark[i]).sort((i, j) => i - j).map((i) => {
    const scene = scenes[sites.scene[i]];
    return {
      id: sites.id[i], mark: sites.mark[i], scene: scene.name, date: scene.date,
      latitude: sites.latitude[i], longitude: sites.longitude[i],
      probability_max: sites.probability_max[i], area_ha: sites.area_ha[i],
      model: scene.model, model_version: scene.version,
    };
  });
const download = (name, type, text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
};
get("geojson").addEventListener("click", () => {
  const features = review().map((properties) => ({
    type: "Feature",
    geometry: { type: "Point", coordinates: [properties.longitude, properties.latitude] },
    properties,
  }));
  const text = JSON.stringify({ type: "FeatureCollection", features }, null, 1);
  download("review.geojson", "application/geo+json", text);
});
get("csv").addEventListener("click", () => {
  const rows = review();
  const quote = (value) => {
    const text = String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [Object.keys(rows[0]), ...rows.map(Object.values)].map((row) => row.map(quote).join(","));
  download("review.csv", "text/csv", `${lines.join("\n")}\n`);
});

get("copy").addEventListener("click", async () => {
  get("coordinates").select();
  try {
    await navigator.clipboard.writeText(get("coordinates").value);
  } catch {
    document.execCommand("copy"); // where the page has no right to the clipboard
  }
  get("copy").textContent = "Copied";
});
for (const id of ["taken", "clear"])
  get(id).addEventListener("error", () => { get("beside").hidden = false; });
for (const button of document.querySelectorAll("[data-mark]"))
  button.addEventListener("click", () => mark(button.dataset.mark));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  const word = { r: "right", w: "wrong", u: "unsure" }[event.key.toLowerCase()];
  if (word) mark(word);
});
get("back").addEventListener("click", () => step(-1));
get("next").addEventListener("click", () => step(1));
get("closer").addEventListener("click", () => zoom(1.5));
get("farther").addEventListener("click", () => zoom(1 / 1.5));
get("all").addEventListener("click", frameAll);
get("opacity").addEventListener("input", redraw);
get("earlier").addEventListener("click", () => turn(first - PAGE));
get("later").addEventListener("click", () => turn(first + PAGE));
body.addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (!row) return;
  choose(Number(row.dataset.site));
  document.querySelector(".stage").scrollIntoView({ block: "nearest" });
});
const listen = (rows, go) => {
  rows.forEach((row, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = row.cells[0].textContent;
    row.cells[0].replaceChildren(button);
    row.addEventListener("click", () => {
      go(i);
      document.querySelector(".stage").scrollIntoView({ block: "nearest" });
    });
  });
};
listen(losingRows, (i) => recall(i));
listen([...get("scenes").tBodies[0].rows], (i) => frame(scenes[i].bounds, 0.95));
for (const head of table.querySelectorAll("th[data-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sort(head));
  head.replaceChildren(button);
}
for (const { images } of layers)
  for (const image of images) image.decode().then(redraw, () => {});

document.body.classList.add("scripted");
document.querySelector(".viewer").hidden = false;
get("pager").hidden = count <= PAGE;
get("more").hidden = true;
load();
fill();
showMarks();
fit();
frameAll();
new ResizeObserver(fit).observe(canvas);
