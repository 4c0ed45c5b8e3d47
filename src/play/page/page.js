// The page: what is typed is asked of the engine after a moment's rest, and its decision is shown.

import { Editor } from "/editor.js";
import { count, drawProblems, drawRuns, verdictOf } from "/result.js";
import { NO_SENDER, pack, unpack } from "/state.js";

/** How long typing rests before the engine is asked. */
const REST_MS = 120;
/** How long typing rests before the address is written: browsers allow that only so often. */
const ADDRESS_REST_MS = 400;
/** How long a server that has gone is given before it is asked again. */
const RETRY_MS = 2000;

const by = (id) => document.getElementById(id);
const page = {
  theme: by("theme"),
  file: by("policy-file"),
  sample: by("policy-sample"),
  runSample: by("run-sample"),
  verdict: by("verdict"),
  detail: by("verdict-detail"),
  verdictBar: by("verdict-bar"),
  runs: by("runs"),
  policyProblems: by("policies-problems"),
  runProblems: by("run-problems"),
  notice: by("notice"),
  noticeText: by("notice-text"),
  undo: by("undo"),
};

let start;
let state;
/** What Undo brings back. */
let before;
/** Everything in the texts that F8 leads to. */
let stops = [];
let problems = [];

const policies = new Editor(by("policies"), () => {
  state.policies[state.file].text = policies.text;
  changed();
});
const run = new Editor(by("run"), () => {
  state.run = run.text;
  changed();
});

// ---- what is asked and answered

let resting;
let asking;

function changed() {
  clearTimeout(resting);
  resting = setTimeout(ask, REST_MS);
  document.body.dataset.busy = "true";
  rememberSoon();
}

function question() {
  const list = (text) => text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  const { groups, namespaceLabels, ...sender } = state.sender;
  return {
    policies: state.policies,
    packs: state.packs,
    builtin: state.builtin,
    run: state.run,
    sender: {
      ...sender,
      old: sender.update ? sender.old : "",
      groups: list(groups),
      namespaceLabels: list(namespaceLabels),
    },
  };
}

async function ask() {
  clearTimeout(resting);
  // An answer to what stood there before is of no use.
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  document.body.dataset.busy = "true";
  let shown;
  try {
    const body = JSON.stringify(question());
    if (new Blob([body]).size > start.mostRequestBytes) {
      shown = () => showTrouble("Too large", "These texts are larger than the page takes: use runstamp review.");
    } else {
      const response = await fetch("/api/review", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
        signal: mine.signal,
      });
      const answer = response.ok ? await response.json() : await response.text();
      shown = response.ok ? () => show(answer) : () => showTrouble("No answer", answer.trim());
    }
  } catch (error) {
    if (mine.signal.aborted) return;
    shown = () => showTrouble("Nobody answers", "Start runstamp play again; what is typed here is kept.");
    resting = setTimeout(ask, RETRY_MS);
  }
  if (asking !== mine) return;
  asking = undefined;
  shown();
  delete document.body.dataset.busy;
}

function show(answer) {
  problems = answer.problems;
  const errors = problems.filter((problem) => problem.severity === "error");
  showPolicyProblems();
  const runMistakes = answer.mistakes.map((mistake) => ({ ...mistake, severity: "error" }));
  const placed = runMistakes.filter((mistake) => mistake.place === "run" && mistake.line);
  drawProblems(page.runProblems, runMistakes.map(named), (mistake) =>
    mistake.place === "run" ? run.goTo(mistake.line, mistake.column) : by("old").focus(),
  );
  const causes = answer.runs.length === 1 ? answer.runs[0].decision.causes : [];
  const refused = causes.flatMap((cause) => placesOf(cause));
  run.mark([...placed.map((mistake) => ({ ...mistake, endLine: mistake.line, endColumn: mistake.column + 1 })), ...refused]);
  stops = [
    ...problems.filter((problem) => problem.line).map((problem) => ({ ...problem, isPolicy: true })),
    ...placed,
    ...refused,
  ];
  by("policies-text").setAttribute("aria-invalid", String(errors.length > 0));
  by("run-text").setAttribute("aria-invalid", String(placed.length + refused.length > 0));
  by("old").setAttribute("aria-invalid", String(runMistakes.some((mistake) => mistake.place === "old")));
  by("namespace-labels").setAttribute(
    "aria-invalid",
    String(runMistakes.some((mistake) => mistake.place === "namespaceLabels")),
  );
  if (runMistakes.some((mistake) => mistake.place === "old" || mistake.place === "namespaceLabels")) by("sender").open = true;

  if (errors.length > 0) {
    const mistakes = count(errors.length, "mistake");
    verdict("broken", "No decision", `the policies hold ${mistakes}`);
    page.runs.dataset.stale = "true";
  } else if (runMistakes.length > 0) {
    verdict("broken", "No decision", "the Run cannot be judged");
    page.runs.dataset.stale = "true";
  } else if (answer.runs.length === 0) {
    verdict("none", "No Run yet", "Paste one, or load an example.");
    page.runs.replaceChildren();
  } else {
    const { kind, text, detail } = verdictOf(answer.runs);
    verdict(kind, text, detail);
    delete page.runs.dataset.stale;
    const open = [...page.runs.querySelectorAll("details")].map((details) => details.open);
    page.runs.replaceChildren(...drawRuns(answer.runs));
    keepOpen(open);
  }
}

/** What was unfolded stays so while somebody types. */
function keepOpen(open) {
  const details = [...page.runs.querySelectorAll("details")];
  if (details.length !== open.length) return;
  details.forEach((one, index) => {
    one.open = open[index];
  });
}

const PLACES = { old: "The Run as it was before: ", namespaceLabels: "Labels of the namespace: ", packs: "Loaded besides: " };

function named(mistake) {
  return { ...mistake, message: `${PLACES[mistake.place] ?? ""}${mistake.message}` };
}

function showTrouble(text, detail) {
  verdict("broken", text, detail);
  page.runs.dataset.stale = "true";
}

function verdict(kind, text, detail) {
  page.verdictBar.dataset.kind = kind;
  // Said again only if it is something else: a reader is not told after every letter.
  if (page.verdict.textContent !== text) page.verdict.textContent = text;
  page.detail.textContent = detail;
}

function showPolicyProblems() {
  const current = state.policies[state.file].name;
  const isHere = (problem) => problem.file === current;
  policies.mark(problems.filter(isHere));
  drawProblems(
    page.policyProblems,
    problems.map((problem) => (isHere(problem) ? { ...problem, file: "" } : problem)),
    (problem) => goTo({ ...problem, file: problem.file || current, isPolicy: true }),
    mend,
  );
}

/** Writes what mends a mistake. */
function mend(problem, fix) {
  const index = state.policies.findIndex((file) => file.name === fix.file);
  if (index < 0) return;
  openFile(index);
  policies.replace(fix, fix.replacement);
}

function goTo(stop) {
  if (!stop.isPolicy) {
    run.goTo(stop.line, stop.column);
    return;
  }
  const index = state.policies.findIndex((file) => file.name === stop.file);
  // A place in a file that is built in cannot be shown.
  if (index < 0) return;
  openFile(index);
  policies.goTo(stop.line, stop.column);
}

/** Where the key of a refused field stands in the Run, found by its text: a help for the eye, no part of the decision. */
function placesOf(cause) {
  const key = /\[(.*)\]$/.exec(cause.field)?.[1];
  if (key === undefined) return [];
  const lines = run.text.split("\n");
  const index = lines.findIndex((line) => {
    const text = line.trim().replace(/^["']/, "");
    return text.startsWith(key) && /^["']?\s*:(\s|$)/.test(text.slice(key.length));
  });
  if (index < 0) return [];
  const line = lines[index];
  const column = [...line.slice(0, line.length - line.trimStart().length)].length + 1;
  const endColumn = [...line.trimEnd()].length + 1;
  return [{ line: index + 1, column, endLine: index + 1, endColumn, severity: "error", message: cause.message }];
}

// ---- what stands in the page

function fresh() {
  const { builtin, policies: files, run: text } = start.begin;
  return {
    policies: files.map((file) => ({ ...file })),
    file: 0,
    packs: [],
    builtin,
    run: text,
    sender: { ...NO_SENDER },
  };
}

/** Puts a state into the page. */
function lay(next) {
  state = next;
  page.file.replaceChildren(...state.policies.map(({ name }, index) => new Option(name, String(index))));
  page.file.hidden = state.policies.length < 2 && state.policies[0].name === "policies.yaml";
  page.file.disabled = state.policies.length < 2;
  openFile(state.file);
  run.text = state.run;
  by("builtin").checked = state.builtin;
  for (const box of document.querySelectorAll("#besides [data-pack]")) box.checked = state.packs.includes(box.dataset.pack);
  for (const [key, id] of FIELDS) by(id).value = state.sender[key];
  by("operation").value = state.sender.update ? "UPDATE" : "CREATE";
  by("dry-run").checked = state.sender.dryRun;
  summarise();
  ask();
}

function openFile(index) {
  state.file = index;
  page.file.value = String(index);
  policies.text = state.policies[index].text;
  showPolicyProblems();
}

const FIELDS = [
  ["user", "user"],
  ["groups", "groups"],
  ["namespace", "namespace"],
  ["namespaceLabels", "namespace-labels"],
  ["old", "old"],
];

function summarise() {
  const { user, groups, namespace, namespaceLabels, update, dryRun } = state.sender;
  const parts = [user || "nobody in particular"];
  if (groups) parts.push(`of ${groups}`);
  if (namespace) parts.push(`to ${namespace}`);
  if (namespaceLabels) parts.push(`with ${namespaceLabels}`);
  if (update) parts.push("as an UPDATE");
  if (dryRun) parts.push("as a dry run");
  by("sender-summary").textContent = parts.join(" ");
  by("old-field").hidden = !update;
}

/** Replaces what stands there by something else, and offers the way back. */
function replace(text, change) {
  before = structuredClone(state);
  const next = structuredClone(state);
  change(next);
  lay(next);
  rememberSoon();
  tell(text, true);
}

let quiet;

function tell(text, canUndo) {
  page.noticeText.textContent = text;
  page.undo.hidden = !canUndo;
  page.notice.hidden = false;
  clearTimeout(quiet);
  if (!canUndo) quiet = setTimeout(() => (page.notice.hidden = true), 4000);
}

// ---- the address

let remembering;

function rememberSoon() {
  clearTimeout(remembering);
  remembering = setTimeout(remember, ADDRESS_REST_MS);
}

async function remember() {
  clearTimeout(remembering);
  remembering = undefined;
  const isFresh = JSON.stringify({ ...state, file: 0 }) === JSON.stringify(fresh());
  const fragment = isFresh ? "" : await pack(state);
  history.replaceState(null, "", `/${fragment ?? ""}`);
  document.body.dataset.remembered = String(fragment !== undefined);
  return fragment !== undefined;
}

async function fromAddress() {
  if (location.hash === "") return fresh();
  try {
    return await unpack(location.hash);
  } catch {
    tell("The address holds no state that can be read; this is what the page begins with.", false);
    return fresh();
  }
}

// ---- controls

for (const [key, id] of FIELDS) {
  by(id).addEventListener("input", () => {
    state.sender[key] = by(id).value;
    summarise();
    changed();
  });
}
by("operation").addEventListener("change", () => {
  state.sender.update = by("operation").value === "UPDATE";
  // Most often the Run is changed from what it is now.
  if (state.sender.update && state.sender.old === "") {
    state.sender.old = state.run;
    by("old").value = state.run;
  }
  summarise();
  changed();
});
by("dry-run").addEventListener("change", () => {
  state.sender.dryRun = by("dry-run").checked;
  summarise();
  changed();
});
by("builtin").addEventListener("change", () => {
  state.builtin = by("builtin").checked;
  changed();
});
page.file.addEventListener("change", () => {
  openFile(Number(page.file.value));
  rememberSoon();
});
page.sample.addEventListener("change", () => {
  const sample = page.sample.selectedOptions[0];
  const files = sample.value === "own" ? start.begin.policies : start.policySamples[Number(sample.value)]?.files;
  page.sample.value = "";
  replace(`Loaded “${sample.textContent}”.`, (next) => {
    next.policies = (files ?? [{ name: "policies.yaml", text: "" }]).map((file) => ({ ...file }));
    next.file = 0;
    // The same documents twice would be a mistake.
    next.packs = next.packs.filter((pack) => !next.policies.some((file) => file.name.startsWith(`${pack}/`)));
  });
});
page.runSample.addEventListener("change", () => {
  const sample = page.runSample.selectedOptions[0];
  const text = sample.value === "own" ? start.begin.run : (start.runSamples[Number(sample.value)]?.text ?? "");
  page.runSample.value = "";
  replace(`Loaded “${sample.textContent}”.`, (next) => {
    next.run = text;
  });
});
page.undo.addEventListener("click", () => {
  const back = before;
  if (!back) return;
  before = undefined;
  page.notice.hidden = true;
  lay(back);
  rememberSoon();
  by("policies-text").focus();
});
by("start-over").addEventListener("click", () => replace("Started over.", (next) => Object.assign(next, fresh())));
by("copy-link").addEventListener("click", async () => {
  if (!(await remember())) {
    tell("These texts are too long for a link.", false);
    return;
  }
  try {
    await navigator.clipboard.writeText(location.href);
    tell("The link is copied. It holds everything that stands here, for anybody who runs runstamp play.", false);
  } catch {
    tell("The browser does not let the page copy; take the link from the address bar.", false);
  }
});
by("show-keys").addEventListener("click", () => by("keys").showModal());
page.theme.value = document.documentElement.dataset.theme ?? "";
page.theme.addEventListener("change", () => {
  const theme = page.theme.value;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // The choice then lasts as long as the page.
  }
});

// ---- keyboard

const PANES = [() => by("policies-text"), () => by("run-text"), () => by("decision")];

function nextPane(step) {
  const current = PANES.findIndex((pane) => pane().closest("section").contains(document.activeElement));
  const next = current < 0 ? (step > 0 ? 0 : PANES.length - 1) : (current + step + PANES.length) % PANES.length;
  PANES[next]().focus();
}

let stop = -1;

function nextStop(step) {
  if (stops.length === 0) return;
  stop = stop < 0 ? (step > 0 ? 0 : stops.length - 1) : (stop + step + stops.length) % stops.length;
  goTo(stops[stop]);
}

document.addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey;
  const isText = event.target instanceof Element && event.target.matches("textarea, input, select");
  if (event.key === "F6" && !command) nextPane(event.shiftKey ? -1 : 1);
  else if (event.key === "F8" && !command) nextStop(event.shiftKey ? -1 : 1);
  else if (event.key === "Enter" && command) by("decision").focus();
  else if (event.key === "?" && !isText && !by("keys").open) by("keys").showModal();
  else return;
  event.preventDefault();
});

window.addEventListener("hashchange", async () => lay(await fromAddress()));
window.addEventListener("pagehide", () => {
  if (remembering !== undefined) remember();
});

// ---- the beginning

async function begin() {
  const response = await fetch("/api/start");
  if (!response.ok) throw new Error(await response.text());
  start = await response.json();
  by("version").textContent = start.version;
  for (const name of start.packs) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.dataset.pack = name;
    box.addEventListener("change", () => {
      state.packs = start.packs.filter((pack) => document.querySelector(`#besides [data-pack="${pack}"]`).checked);
      changed();
    });
    const label = document.createElement("label");
    label.append(box, ` ${name}`);
    by("besides").append(label);
  }
  page.sample.append(new Option("What the page begins with", "own"), new Option("Nothing", "none"));
  start.policySamples.forEach(({ title }, index) => page.sample.append(new Option(title, String(index))));
  page.runSample.append(new Option("What the page begins with", "own"), new Option("Nothing", "none"));
  start.runSamples.forEach(({ title }, index) => page.runSample.append(new Option(title, String(index))));
  lay(await fromAddress());
}

begin().catch(() => showTrouble("Nobody answers", "Start runstamp play again, and load this page again."));
