"use strict";
// The page is complete without this file but for sorting, filtering, figures and the way down to samples. Text from
// data is only ever set as text, never as markup.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const order = new Intl.Collator("en", { numeric: true });
const ROWS = 150; // rows of a list that are drawn at once; a button draws the others

/** An element: h("td", { class: "number" }, child, …); children are nodes or text; null and undefined are left out. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// --- compressed chunks ------------------------------------------------------------------------------------------------
const inflated = new Map();

/** The data of a chunk, or null where the page does not hold it. */
function chunk(name) {
  if (!inflated.has(name)) inflated.set(name, inflate(name));
  return inflated.get(name);
}

async function inflate(name) {
  const element = $(`script[data-name="${CSS.escape(name)}"]`);
  if (!element) return null;
  const bytes = Uint8Array.from(atob(element.textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

/** What the page calls tasks and metrics; its suite's name, and whether others released its generations. */
const LABELS = JSON.parse($("#labels").textContent);
const title = (task) => LABELS.tasks[task] ?? task;
const metricName = (metric) => LABELS.metrics[metric] ?? metric;

const number = (value, digits = 2) =>
  value === null ? "" : value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");
/** With how many decimals a row's values and the ends of its interval are shown. */
const decimals = (row) => LABELS.decimals[row.metric ?? row.measure] ?? [2, 1];
const cellLink = (...parts) => "#cell/" + parts.map(encodeURIComponent).join("/");

// --- sorting ----------------------------------------------------------------------------------------------------------
/** Compare two values: numbers as numbers, others as text, what is missing last in either direction. */
function compare(a, b, direction) {
  const lacks = (value) => value === null || value === "" || Number.isNaN(value);
  if (lacks(a) || lacks(b)) return lacks(a) - lacks(b);
  const both = typeof a === "number" && typeof b === "number";
  return direction * (both ? a - b : order.compare(a, b));
}

/** Make a head's cells buttons that cycle through first direction, other direction, original order. */
function sortButtons(heads, sort) {
  heads.forEach((head, column) => {
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    head.setAttribute("aria-sort", "none");
    const press = () => {
      const now = head.getAttribute("aria-sort");
      const next = now === "none" ? first : now === first ? other : "none";
      heads.forEach((each) => each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", next);
      sort(column, { ascending: 1, descending: -1, none: 0 }[next]);
    };
    head.replaceChildren(h("button", { type: "button", onclick: press }, ...head.childNodes));
  });
}

/** Sort the rows of a table that stands in the page. */
function sortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const value = (row, column) => {
    const { dataset, textContent } = row.cells[column];
    const text = dataset.value ?? textContent.trim();
    return text === "—" || text === "nan" ? null : text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
  };
  sortButtons($$("thead th", table), (column, direction) => {
    const rows = [...original];
    if (direction) rows.sort((a, b) => compare(value(a, column), value(b, column), direction));
    body.append(...rows);
  });
}

/**
 * A list drawn from data, sorted by its heads, so many rows at a time.
 * columns: { head, value(row), cell(row) → node or text, number, wide (not on a phone) }; returns { element, show(rows) }.
 */
function list(label, columns) {
  const looks = ({ number, wide }) => [number ? "number" : "", wide ? "wide" : ""].filter(Boolean).join(" ") || null;
  const heads = columns.map((column) => h("th", { scope: "col", class: looks(column) }, column.head));
  const body = h("tbody");
  const more = h("button", { type: "button", class: "more", onclick: () => draw(Infinity) });
  let held = [];
  let sorted = [];
  let by = [0, 0];
  const draw = (limit) => {
    const drawn = sorted.slice(0, limit).map((row) =>
      h("tr", {}, columns.map((column) => h("td", { class: looks(column) }, column.cell(row)))));
    body.replaceChildren(...drawn);
    more.hidden = sorted.length <= limit;
    more.textContent = `Show all ${sorted.length} rows`;
  };
  const arrange = () => {
    const [column, direction] = by;
    const { value } = columns[column];
    sorted = direction ? [...held].sort((a, b) => compare(value(a), value(b), direction)) : held;
    draw(ROWS);
  };
  sortButtons(heads, (...chosen) => { by = chosen; arrange(); });
  const table = h("table", {}, h("thead", {}, h("tr", {}, heads)), body);
  const scroll = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
  return { element: h("div", {}, scroll, more), show(rows) { held = rows; arrange(); } };
}

function select(label, name, options, any, called = (option) => option) {
  const choices = [h("option", { value: "" }, any), ...options.map((option) => h("option", { value: option }, called(option)))];
  return h("label", {}, `${label} `, h("select", { name }, choices));
}

const unique = (values) => [...new Set(values)];
const pill = (status) => h("span", { class: `status ${LOOKS[status] ?? "none"}` }, status);
const LOOKS = {
  passed: "good", secure: "good", failed: "bad", insecure: "bad", error: "odd", timeout: "late", invalid: "none", unknown: "none",
};

// --- filters, which the address keeps: #results?task=defect&method=LoRA -----------------------------------------------
const filtered = new Map(); // the name of a section -> what sets its filters from a query

/** Go to an address without an entry in the history and without scrolling. */
function rename(hash) {
  try {
    history.replaceState(null, "", location.href.replace(/#.*/, "") + hash);
  } catch {
    // a frame without an address of its own
  }
}

/** Apply a form's filters now, at each change, and when the address asks for them. */
function filters(place, form, apply) {
  const values = () => Object.fromEntries(new FormData(form));
  const first = values();
  const run = () => apply(values());
  form.addEventListener("input", () => {
    run();
    const chosen = Object.entries(values()).filter(([name, value]) => value !== first[name]);
    rename(`#${place}${chosen.length ? `?${new URLSearchParams(chosen)}` : ""}`);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  filtered.set(place, (query) => {
    for (const [name, value] of Object.entries({ ...first, ...Object.fromEntries(new URLSearchParams(query)) }))
      if (form.elements[name]) form.elements[name].value = value;
    run();
    $(`#${place}`).scrollIntoView();
  });
  run();
}

// --- all results ------------------------------------------------------------------------------------------------------
let results = []; // a row per model, task and metric

async function readResults() {
  const columns = await chunk("results");
  const names = Object.keys(columns);
  results = columns.task.map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
}

const interval = (row) => (row.low === null ? "" : [row.low, row.high].map((end) => number(end, decimals(row)[1])).join(" to "));
const rounded = (row, value) => number(value, decimals(row)[0]);
const measured = (row) => row.status !== "no artefact";

function linkTo(row, text) {
  return measured(row) && hasVerdicts(row.task) ? h("a", { href: cellLink(row.task, row.size, row.method) }, text) : text;
}

const hasVerdicts = (task) => $(`script[data-name="${CSS.escape(`verdicts:${task}`)}"]`) !== null;

function resultList() {
  const shown = list("All results", [
    { head: "Task", value: (r) => title(r.task), cell: (r) => [linkTo(r, title(r.task)),
      h("small", { class: "narrow" }, `${r.size} ${r.method}, ${metricName(r.metric)}`)] },
    { head: "Size", wide: true, value: (r) => r.size, cell: (r) => r.size },
    { head: "Method", wide: true, value: (r) => r.method, cell: (r) => r.method },
    { head: "Metric", wide: true, value: (r) => metricName(r.metric), cell: (r) => metricName(r.metric) },
    { head: "Measured", number: true, value: (r) => r.value, cell: (r) => rounded(r, r.value) || "—" },
    { head: "95% interval", number: true, value: (r) => r.low, cell: interval },
    { head: "± SE", number: true, wide: true, value: (r) => r.se, cell: (r) => rounded(r, r.se) },
    { head: "Published", number: true, value: (r) => r.published, cell: (r) => number(r.published) },
    { head: "Difference", number: true, value: (r) => r.difference, cell: (r) => rounded(r, r.difference) },
    { head: "Status", value: (r) => r.status, cell: (r) => r.status },
  ].filter(({ head }) => LABELS.published || !["Published", "Difference", "Status"].includes(head)));
  const form = $("#result-filters");
  const choices = (name) => unique(results.map((row) => row[name]));
  const save = h("a", { download: "results.csv", href: "#results" }, "Download these rows");
  const count = h("output");
  form.append(
    select("Task", "task", choices("task"), "all", title), select("Size", "size", choices("size"), "all"),
    select("Method", "method", choices("method"), "all"), select("Status", "status", choices("status"), "any"),
    h("label", {}, "Metric ", h("select", { name: "metric" }, [
      h("option", { value: "shown" }, "those of the tables"), h("option", { value: "" }, "all"),
      ...choices("metric").map((metric) => h("option", { value: metric }, metricName(metric))),
    ])), count, save,
  );
  let rows = [];
  save.addEventListener("click", () => {
    const names = Object.keys(results[0]).filter((name) => name !== "shown");
    const lines = [names, ...rows.map((row) => names.map((name) => row[name] ?? ""))].map((line) => line.join(","));
    save.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  });
  $("#result-list").append(shown.element);
  filters("results", form, (wanted) => {
    rows = results.filter((row) =>
      ["task", "size", "method", "status"].every((name) => !wanted[name] || row[name] === wanted[name]) &&
      (!wanted.metric || (wanted.metric === "shown" ? row.shown : row.metric === wanted.metric)));
    count.textContent = `${rows.length} of ${results.length} rows`;
    shown.show(rows);
  });
}

// --- leaderboard ------------------------------------------------------------------------------------------------------
function boardFilters() {
  const form = $("#board-filters");
  if (!form) return;
  const rows = $$("#board tbody tr");
  filters("leaderboard", form, ({ family, budget, best, text }) => {
    for (const row of rows) {
      const { dataset } = row;
      row.hidden = (family !== "" && dataset.family !== family) || (budget !== "" && dataset.budget !== budget) ||
        (best !== "" && dataset.best !== best) || !dataset.name.toLowerCase().includes(text.toLowerCase());
    }
    $("output", form).textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  });
}

// --- claims -----------------------------------------------------------------------------------------------------------
function claimFilters() {
  const form = $("#claim-filters");
  if (!form) return;
  const claims = $$(".claim");
  const words = new Map(claims.map((claim) => [claim, claim.textContent.toLowerCase()]));
  const apply = ({ theme, verdict, evidence, text }) => {
    const all = !theme && !verdict && !evidence && !text;
    for (const claim of claims) {
      const verdicts = claim.dataset.verdicts.split(";").filter(Boolean).map((pair) => pair.split("="));
      const fits = verdicts.some(([name, held]) => (!evidence || name === evidence) && (!verdict || held === verdict));
      const folded = all && claim.dataset.of && !$(`#claim-${CSS.escape(claim.dataset.of)}`)?.open;
      claim.hidden = folded || !fits || (theme !== "" && claim.dataset.theme !== theme) || !words.get(claim).includes(text.toLowerCase());
    }
    $("output", form).textContent = `${claims.filter((claim) => !claim.hidden).length} of ${claims.length} claims and readings`;
  };
  filters("claims", form, apply);
  claims.forEach((claim) => claim.addEventListener("toggle", () => {
    drawParts(claim);
    apply(Object.fromEntries(new FormData(form)));
  }));
}

/** The comparisons that a claim consists of, each with its value and interval on one common scale. */
async function drawParts(claim) {
  const parts = await chunk("claims");
  for (const place of $$(".parts:empty", claim)) {
    const own = (parts ?? []).filter(
      (part) => part.claim === place.dataset.claim && part.evidence === place.dataset.evidence && part.value !== null);
    if (!own.length) continue;
    const ends = own.flatMap((part) => [part.low ?? part.value, part.high ?? part.value, 0]);
    const [from, to] = [Math.min(...ends), Math.max(...ends)];
    const at = (value) => `${(100 * (value - from)) / (to - from || 1)}%`;
    const rows = own.map((part) => h("tr", {},
      h("th", { scope: "row" }, part.part),
      h("td", { class: "number" }, number(part.value)),
      h("td", { class: "number" }, interval(part)),
      h("td", {}, forest(part, at))));
    const head = ["Comparison", `Value (${own[0].unit})`, "95% interval", "Right of the dashed line: for the claim"];
    place.replaceChildren(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Comparisons" },
      h("table", {}, h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows))));
  }
}

function forest(part, at) {
  const draw = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  };
  const picture = draw("svg", { "aria-hidden": "true" });
  picture.append(draw("line", { class: "zero", x1: at(0), x2: at(0), y1: "0", y2: "100%" }));
  if (part.low !== null) picture.append(draw("line", { x1: at(part.low), x2: at(part.high), y1: "50%", y2: "50%" }));
  picture.append(draw("circle", { class: part.value > 0 ? "for" : "against", cx: at(part.value), cy: "50%", r: "4" }));
  return picture;
}
