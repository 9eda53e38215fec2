// --- the way down: a cell's problems, a problem's samples --------------------------------------------------------------

/** The problems of a cell: what became of the samples of each. */
function problemsOf(task, model) {
  const runs = task.models[model];
  const rows = new Map();
  runs.count.forEach((count, i) => {
    const name = task.problems[runs.problem[i]];
    const row = rows.get(name) ?? { name, total: 0, statuses: {} };
    const status = task.outcomes[runs.outcome[i]][0];
    row.statuses[status] = (row.statuses[status] ?? 0) + count;
    row.total += count;
    rows.set(name, row);
  });
  return [...rows.values()];
}

const good = (row) => (row.statuses.passed ?? 0) + (row.statuses.secure ?? 0);

/** A problem's samples, those of one outcome (and one text, where texts are held) together. */
function samplesOf(task, texts, model, problem) {
  const runs = task.models[model];
  const numbers = texts?.models[model];
  const groups = new Map();
  const seen = {};
  let at = 0;
  runs.count.forEach((count, i) => {
    for (let left = count; left > 0; left--, at++) {
      if (task.problems[runs.problem[i]] !== problem) continue;
      const variant = task.variants[runs.variant[i]];
      const sample = seen[variant] = (seen[variant] ?? -1) + 1;
      const text = numbers ? numbers[at] : null;
      const key = `${runs.outcome[i]} ${text}`;
      const [status, detail] = task.outcomes[runs.outcome[i]];
      if (!groups.has(key)) groups.set(key, { status, detail, text: text === null ? null : texts.texts[text], names: [] });
      groups.get(key).names.push(variant || sample);
    }
  });
  return [...groups.values()].sort((a, b) => b.names.length - a.names.length);
}

function bar(statuses) {
  const total = Object.values(statuses).reduce((a, b) => a + b, 0);
  const pieces = ordered(statuses).map(([status, count]) => {
    const piece = h("i", { class: LOOKS[status] ?? "none" });
    piece.style.width = `${(100 * count) / total}%`;
    return piece;
  });
  return h("div", { class: "bar", role: "img", "aria-label": words(statuses) }, pieces);
}

const STATUSES = Object.keys(LOOKS);
const ordered = (statuses) => Object.entries(statuses).sort(([a], [b]) => STATUSES.indexOf(a) - STATUSES.indexOf(b));
const words = (statuses) => ordered(statuses).map(([status, count]) => `${count} ${status}`).join(", ");

async function cellView(task, size, method) {
  const data = await chunk(`verdicts:${task}`);
  const model = `${size}/${method}`;
  const own = data.models[model];
  const problems = problemsOf(data, model);
  const sum = {};
  problems.forEach((row) => Object.entries(row.statuses).forEach(([name, n]) => { sum[name] = (sum[name] ?? 0) + n; }));
  const shown = list("Problems", [
    { head: "Problem", value: (r) => r.name, cell: (r) => h("a", { href: cellLink(task, size, method, r.name) }, r.name) },
    { head: "Good", number: true, value: (r) => good(r) / r.total, cell: (r) => `${good(r)} of ${r.total}` },
    { head: "Outcomes", value: (r) => words(r.statuses), cell: (r) => [bar(r.statuses), words(r.statuses)] },
  ]);
  const count = h("output");
  const form = h("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
    h("label", {}, "Problem ", h("input", { type: "search", name: "name", placeholder: "part of its name" })),
    select("Outcome", "status", ordered(sum).map(([status]) => status), "any"), count);
  const apply = () => {
    const { name, status } = Object.fromEntries(new FormData(form));
    const rows = problems.filter((row) => row.name.toLowerCase().includes(name.toLowerCase()) && (!status || row.statuses[status]));
    count.textContent = `${rows.length} of ${problems.length} problems`;
    shown.show(rows);
  };
  form.addEventListener("input", apply);
  apply();
  return [
    h("h2", { id: "drawer-title", tabindex: -1 }, `${title(task)}: ${size} ${method}`),
    facts(task, size, method),
    h("div", { class: "outcomes" }, ordered(sum).map(([status, n]) => h("span", {}, pill(status), ` ${n}`))),
    bar(sum),
    own.origin === "shipped"
      ? h("p", { class: "note" }, "From the shipped counts: how many samples of a problem came out how, not which.") : null,
    h("h3", {}, "Problems"), form, shown.element,
  ];
}

function facts(task, size, method) {
  const rows = results.filter((row) => row.task === task && row.size === size && row.method === method && measured(row))
    .sort((a, b) => order.compare(a.metric, b.metric));
  const head = ["Metric", "Measured", "95% interval", "± SE", "Published", "Status"];
  const cells = (row) => [rounded(row, row.value) || "undefined", interval(row), rounded(row, row.se), number(row.published)];
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Metrics" }, h("table", {},
    h("thead", {}, h("tr", {}, head.map((text, i) => h("th", { scope: "col", class: i && i < 5 ? "number" : null }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, metricName(row.metric)),
      cells(row).map((text) => h("td", { class: "number" }, text)), h("td", {}, row.status))))));
}

async function problemView(task, size, method, problem) {
  const data = await chunk(`verdicts:${task}`);
  const texts = await chunk(`texts:${task}`);
  const model = `${size}/${method}`;
  const groups = samplesOf(data, texts, model, problem);
  const counted = data.models[model].origin === "shipped";
  return [
    h("h2", { id: "drawer-title", tabindex: -1 }, problem),
    h("p", {}, `${title(task)}, ${size} ${method}`),
    asked((await chunk(`problems:${task}`))?.[problem]),
    h("h3", {}, "Samples"),
    texts?.models[model] ? null : h("p", { class: "note" }, ...[whyNoTexts(task, counted)].flat()),
    h("ul", { class: "samples" }, groups.map((group, place) => sampleItem(group, place, counted))),
    h("h3", {}, "The same problem, every model"),
    problemGrid(data, task, problem, model),
  ];
}

/** What a problem asks, what tests it, and its reference solution. */
function asked(texts) {
  if (!texts) return null;
  const heads = { prompt: "Prompt", tests: "Tests", reference: "Reference solution" };
  return h("div", { class: "asked" }, Object.entries(heads).filter(([kind]) => texts[kind]).map(([kind, head]) =>
    h("details", {}, h("summary", {}, head), h("pre", { tabindex: 0 }, h("code", {}, texts[kind])))));
}

// --- two methods side by side ------------------------------------------------------------------------------------------

/** The paired differences of two methods at a size, first minus second. */
async function pairsOf(size, first, second) {
  const columns = await chunk("pairs");
  const rows = (columns?.size ?? []).map((_, i) => Object.fromEntries(Object.keys(columns).map((name) => [name, columns[name][i]])));
  const minus = (value) => (value === null ? null : -value);
  return rows.filter((row) => row.size === size).flatMap((row) => {
    if (row.first === first && row.second === second) return [row];
    if (row.first !== second || row.second !== first) return [];
    return [{ ...row, first, second, value: minus(row.value), low: minus(row.high), high: minus(row.low), wins: row.losses, losses: row.wins }];
  });
}

/** The problems of a task on which two models have different shares of good samples, the largest difference first. */
async function disagreements(task, size, first, second) {
  const data = await chunk(`verdicts:${task}`);
  const [one, other] = [first, second].map((method) => data?.models[`${size}/${method}`] && problemsOf(data, `${size}/${method}`));
  if (!one || !other) return null;
  const theirs = new Map(other.map((row) => [row.name, row]));
  const share = (row) => good(row) / row.total;
  const shared = one.filter((row) => theirs.has(row.name));
  const found = shared
    .map((row) => ({ name: row.name, one: row, other: theirs.get(row.name), gap: share(row) - share(theirs.get(row.name)) }))
    .filter((row) => row.gap !== 0).sort((a, b) => Math.abs(b.gap) - Math.abs(a.gap));
  return Object.assign(found, { shared: shared.length });
}

async function compareView(size, first, second) {
  const rows = await pairsOf(size, first, second);
  const value = (row, method) => results.find((r) =>
    r.task === row.measure && r.size === size && r.method === method && r.shown)?.value ?? null;
  const chance = (p) => (p === null ? "" : p < 0.0001 ? "< 0.0001" : number(p, 4));
  const shown = list("Paired differences", [
    { head: "Task", value: (r) => title(r.measure), cell: (r) => LABELS.compared[r.measure] ?? r.measure },
    { head: "Difference", number: true, value: (r) => r.value, cell: (r) => rounded(r, r.value) },
    { head: "95% interval", number: true, value: (r) => r.low, cell: interval },
    { head: "p, adjusted", number: true, value: (r) => r.p_holm, cell: (r) => chance(r.p_holm) },
    { head: "Wins / ties / losses", number: true, value: (r) => r.wins,
      cell: (r) => (r.wins === null ? "" : `${r.wins} / ${r.ties} / ${r.losses}`) },
    { head: first, number: true, value: (r) => value(r, first), cell: (r) => rounded(r, value(r, first)) },
    { head: second, number: true, value: (r) => value(r, second), cell: (r) => rounded(r, value(r, second)) },
  ]);
  shown.show(rows);
  const place = h("div", {});
  const tasks = rows.map((row) => row.measure).filter(hasVerdicts);
  const form = h("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
    h("label", {}, "Task ", h("select", { name: "task" }, tasks.map((task) => h("option", { value: task }, title(task))))));
  const apply = async () => {
    const { task } = Object.fromEntries(new FormData(form));
    const found = task ? await disagreements(task, size, first, second) : null;
    const entry = (row, method) => h("a", { href: cellLink(task, size, method, row.name) }, `${good(row)} of ${row.total}`);
    const table = list("Problems on which they disagree", [
      { head: "Problem", value: (r) => r.name, cell: (r) => r.name },
      { head: `${first}: good`, number: true, value: (r) => good(r.one), cell: (r) => entry(r.one, first) },
      { head: `${second}: good`, number: true, value: (r) => good(r.other), cell: (r) => entry(r.other, second) },
      { head: "Difference", number: true, value: (r) => r.gap, cell: (r) => `${number(100 * r.gap, 0)} points` },
    ]);
    table.show(found ?? []);
    const count = !found ? "No verdicts of both methods are on this page." : `They differ on ${found.length} of ${found.shared} problems.`;
    place.replaceChildren(h("p", {}, count), found?.length ? table.element : "");
  };
  form.addEventListener("input", apply);
  await apply();
  return [
    h("h2", { id: "drawer-title", tabindex: -1 }, `${size}: ${first} minus ${second}`),
    rows.length ? shown.element : h("p", { class: "note" }, "No task was answered by both."),
    LABELS.runs > 1 ? h("p", { class: "note" }, `Differences are over ${LABELS.runs} training runs; the last two columns and the `
      + "problems below are those of run 0.") : null,
    h("h3", {}, "Where they disagree"), form, place,
  ];
}

/** A method of the leaderboard: what it is, what it cost, its scores; and the ways on. */
function methodView(name) {
  const about = JSON.parse($("#board-about").textContent)[name];
  const size = results[0].size;
  const others = LABELS.controls.filter((other) => other !== name);
  const cells = unique(results.filter((r) => r.method === name && measured(r)).map((r) => r.task)).filter(hasVerdicts);
  return [
    h("h2", { id: "drawer-title", tabindex: -1 }, name),
    h("p", {}, "Compare with ", others.flatMap((other, i) => [i ? ", " : "",
      h("a", { href: `#compare/${[size, name, other].map(encodeURIComponent).join("/")}` }, other)])),
    h("dl", { class: "provenance" }, about.flatMap(([what, text]) => [h("dt", {}, what), h("dd", {}, text)])),
    h("h3", {}, "Its answers"),
    h("ul", {}, cells.map((task) => h("li", {}, h("a", { href: cellLink(task, size, name) }, title(task))))),
  ];
}

function compareForm() {
  $("#compare-form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const { size, first, second } = Object.fromEntries(new FormData(event.target));
    location.hash = `#compare/${[size, first, second].map(encodeURIComponent).join("/")}`;
  });
}

/** Why the text of samples is not on the page, and how to get it. */
function whyNoTexts(task, counted) {
  if (JSON.parse($("#lacking-chunks").textContent).includes(`texts:${task}`))
    return "The samples’ text is left out: the page would exceed 5 MB. Their statuses and details are all here.";
  if (!counted) return "Outcomes only: the samples’ text was not on the machine that wrote this page, or they are answers in a word.";
  const make = LABELS.released ? [`astraios fetch ${task}`] : [];
  const steps = [...make, `astraios run --suite ${LABELS.suite} --task ${task}`, `astraios report --suite ${LABELS.suite}`];
  return ["Outcomes only: these come from the shipped counts, without samples. For their text, run ",
    ...steps.flatMap((step, i) => [i ? ", then " : "", h("code", {}, step)]), "."];
}

/** Ascending numbers in few words: 0–3, 7. */
function ranges(numbers) {
  const runs = [];
  for (const n of numbers) {
    if (runs.length && runs.at(-1)[1] === n - 1) runs.at(-1)[1] = n;
    else runs.push([n, n]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(", ");
}

function sampleItem({ names, status, detail, text }, place, counted) {
  const named = typeof names[0] === "string" ? names.join(", ") : counted ? "" : `sample ${ranges(names)}`;
  const line = [pill(status), ` × ${names.length} `, detail ? h("code", {}, detail) : null];
  const which = h("div", { class: "which" }, named);
  if (text === null) return h("li", {}, line, which);
  return h("li", {}, h("details", { open: place === 0 ? "" : null }, h("summary", {}, line), h("pre", { tabindex: 0 }, h("code", {}, text))), which);
}

function problemGrid(data, task, problem, here) {
  const [sizes, methods] = [unique(results.map((row) => row.size)), unique(results.map((row) => row.method))];
  const entry = (size, method) => {
    const model = `${size}/${method}`;
    const row = data.models[model] ? problemsOf(data, model).find((each) => each.name === problem) : null;
    if (!row) return h("td", { class: "missing" }, "—");
    const link = h("a", { href: cellLink(task, size, method, problem) }, `${good(row)} of ${row.total}`);
    return h("td", { class: model === here ? "here" : null, title: words(row.statuses) }, link);
  };
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Every model" },
    h("table", { class: "problem-grid" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Good samples"), sizes.map((size) => h("th", { scope: "col" }, size)))),
      h("tbody", {}, methods.map((method) => h("tr", {}, h("th", { scope: "row" }, method), sizes.map((size) => entry(size, method)))))));
}

/** Where the drawer stands; from a problem, the ways back to its cell and on to its neighbours. */
function trail(data, task, size, method, problem) {
  if (problem === undefined) return [`${title(task)} › ${size} ${method}`];
  const names = problemsOf(data, `${size}/${method}`).map((row) => row.name);
  const step = (by, text) => {
    const name = names[names.indexOf(problem) + by];
    return name === undefined ? null : h("a", { href: cellLink(task, size, method, name) }, text);
  };
  const links = [h("a", { href: cellLink(task, size, method) }, `${size} ${method}, all problems`), step(-1, "‹ previous"), step(1, "next ›")];
  return links.filter(Boolean);
}

/** What the address asks for, and the way there; null for any other address. */
async function asksFor(address) {
  const [kind, ...parts] = address.slice(1).split("/").map(decodeURIComponent);
  if (kind === "compare" && parts.length === 3) return [await compareView(...parts), [`Compare two methods › ${parts[0]}`]];
  const listed = kind === "method" && JSON.parse($("#board-about").textContent)[parts[0]];
  if (listed) return [methodView(parts[0]), ["Leaderboard"]];
  const [task, size, method, problem] = parts;
  const held = kind === "cell" ? await chunk(`verdicts:${task}`) : null;
  if (!held?.models[`${size}/${method}`]) return null;
  const view = problem === undefined ? await cellView(task, size, method) : await problemView(task, size, method, problem);
  return [view, trail(held, task, size, method, problem)];
}

let under = ""; // the address below the drawer

/** Show #cell/TASK/SIZE/METHOD, or with /PROBLEM, #compare/SIZE/FIRST/SECOND or #method/NAME; anything else closes the drawer. */
async function route() {
  const drawer = $("#drawer");
  const address = location.hash;
  const [, place, query] = /^#([a-z]+)\?(.*)$/.exec(address) ?? [];
  filtered.get(place)?.(query);
  const found = place ? null : await asksFor(address);
  if (address !== location.hash) return; // the reader went elsewhere meanwhile
  if (!found) { under = address; drawer.close(); return; }
  const [view, way] = found;
  $("#drawer-body").replaceChildren(...view.filter(Boolean));
  $("#trail").replaceChildren(...way);
  if (!drawer.open) drawer.showModal();
  drawer.scrollTop = 0;
  $("#drawer-title").focus({ preventScroll: true });
}

async function drawFigures() {
  for (const image of $$("img[data-chunk]")) {
    const svg = await chunk(image.dataset.chunk);
    image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  }
}

/** The theme that the reader chose before; nothing where a frame or a browser keeps no storage. */
function chosenTheme(value) {
  try {
    if (value) localStorage.setItem("astraios-theme", value);
    return localStorage.getItem("astraios-theme");
  } catch {
    return null;
  }
}

function themeButton() {
  const button = $("#theme");
  const show = (dark) => button.setAttribute("aria-pressed", dark);
  const before = chosenTheme();
  if (before) document.documentElement.dataset.theme = before;
  show(before ? before === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  button.addEventListener("click", () => {
    const dark = button.getAttribute("aria-pressed") !== "true";
    show(dark);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    chosenTheme(document.documentElement.dataset.theme);
  });
}

async function start() {
  document.documentElement.classList.add("scripted");
  themeButton();
  $$("table[data-sortable]").forEach(sortable);
  claimFilters();
  boardFilters();
  compareForm();
  const drawer = $("#drawer");
  $("#close").addEventListener("click", () => drawer.close());
  drawer.addEventListener("click", (event) => { if (event.target === drawer) drawer.close(); });
  drawer.addEventListener("close", () => {
    if (/^#(cell|compare|method)\//.test(location.hash)) rename(under);
    if (/^#(cell|compare|method)\//.test(location.hash)) location.hash = "-"; // no element has this name, so nothing scrolls
  });
  // In a notebook's frame a bare "#x" would be resolved against the notebook's address.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && !link.download && location.protocol === "about:") { event.preventDefault(); location.hash = link.getAttribute("href"); }
  });
  addEventListener("hashchange", route);
  await readResults();
  resultList();
  await route();
  await drawFigures();
}

start();
