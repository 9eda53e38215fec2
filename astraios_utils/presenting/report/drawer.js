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

const titles = new Map($$(".matrix").map((figure) => [figure.dataset.task, $("figcaption", figure).firstChild.data.trim()]));

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
    h("h2", { id: "drawer-title", tabindex: -1 }, `${titles.get(task) ?? task}: ${size} ${method}`),
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
  const cells = (row) => [number(row.value) || "undefined", interval(row), number(row.se), number(row.published)];
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Metrics" }, h("table", {},
    h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row.metric),
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
    h("p", {}, `${titles.get(task) ?? task}, ${size} ${method}`),
    h("h3", {}, "Samples"),
    texts?.models[model] ? null : h("p", { class: "note" }, whyNoTexts(task, counted)),
    h("ul", { class: "samples" }, groups.map((group, place) => sampleItem(group, place, counted))),
    h("h3", {}, "The same problem, every model"),
    problemGrid(data, task, problem, model),
  ];
}

function whyNoTexts(task, counted) {
  if (JSON.parse($("#lacking-chunks").textContent).includes(`texts:${task}`))
    return "The samples’ text is left out: the page would exceed 5 MB. Their statuses and details are all here.";
  return counted ? "Outcomes only: these come from the shipped counts, without samples."
    : "Outcomes only: the samples’ text was not at hand, or they are answers in a word.";
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
  if (problem === undefined) return [`${titles.get(task) ?? task} › ${size} ${method}`];
  const names = problemsOf(data, `${size}/${method}`).map((row) => row.name);
  const step = (by, text) => {
    const name = names[names.indexOf(problem) + by];
    return name === undefined ? null : h("a", { href: cellLink(task, size, method, name) }, text);
  };
  const links = [h("a", { href: cellLink(task, size, method) }, `${size} ${method}, all problems`), step(-1, "‹ previous"), step(1, "next ›")];
  return links.filter(Boolean);
}

/** Show what the address asks for: #cell/TASK/SIZE/METHOD, or with /PROBLEM; anything else closes the drawer. */
async function route() {
  const drawer = $("#drawer");
  const asked = location.hash;
  const [kind, task, size, method, problem] = asked.slice(1).split("/").map(decodeURIComponent);
  const held = kind === "cell" ? await chunk(`verdicts:${task}`) : null;
  if (!held?.models[`${size}/${method}`]) { drawer.close(); return; }
  const view = problem === undefined ? await cellView(task, size, method) : await problemView(task, size, method, problem);
  if (asked !== location.hash) return; // the reader went elsewhere meanwhile
  $("#drawer-body").replaceChildren(...view.filter(Boolean));
  $("#trail").replaceChildren(...trail(held, task, size, method, problem));
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
  const drawer = $("#drawer");
  $("#close").addEventListener("click", () => drawer.close());
  drawer.addEventListener("click", (event) => { if (event.target === drawer) drawer.close(); });
  // No element has this name, so nothing scrolls; an empty hash would scroll to the top.
  drawer.addEventListener("close", () => { if (location.hash.startsWith("#cell/")) location.hash = "-"; });
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
