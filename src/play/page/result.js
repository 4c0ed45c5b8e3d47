// The decision, as text in elements: nothing that comes from a Run, a policy or the engine is ever read as markup.

/** An element with a class, and its children: elements or texts. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export function count(number, singular, plural = `${singular}s`) {
  return `${number} ${number === 1 ? singular : plural}`;
}

/** The verdict about all Runs: its kind, a word or two, and what there is to add. */
export function verdictOf(runs) {
  if (runs.length > 1) {
    const refused = runs.filter((run) => !run.decision.allowed).length;
    const kind = refused > 0 ? "refused" : "allowed";
    const words = refused === 0 ? "all allowed" : refused === runs.length ? "all refused" : `${refused} refused`;
    const text = `${runs.length} Runs: ${words}`;
    return { kind, text, detail: "" };
  }
  const { decision } = runs[0];
  if (!decision.allowed) {
    return { kind: "refused", text: "Refused", detail: count(decision.causes.length, "mistake") };
  }
  const parts = [
    [decision.removed.length, "removed"],
    [decision.injected.length, "injected"],
    [decision.skipped.length, "left out"],
  ];
  const detail = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  if (decision.warnings.length > 0) detail.push(count(decision.warnings.length, "warning"));
  const text = decision.patch.length > 0 ? "Allowed, with changes" : "Allowed as it is";
  return { kind: "allowed", text, detail: detail.join(" · ") };
}

/** Everything about the Runs. */
export function drawRuns(runs) {
  return runs.map((run) => drawRun(run, runs.length > 1));
}

function drawRun({ decision, diff }, isOneOfMany) {
  const { kind, namespace, name } = decision.run;
  const article = element("article", "reviewed");
  const title = element("h3", "", element("span", "muted", kind), ` ${namespace}/${name}`);
  const chips = element("p", "chips");
  if (isOneOfMany) chips.append(chip(decision.allowed ? "allowed" : "refused", decision.allowed ? "allowed" : "refused"));
  if (decision.lineage) chips.append(chip(decision.lineage, ""));
  if (decision.copied) chips.append(chip("a copy of another Run", "warning"));
  article.append(element("header", "", title, chips));
  // A refused Run is not changed: its mistakes stand where the changes would.
  const change = decision.allowed
    ? element("section", "", element("h4", "", "What changes"), drawDiff(diff))
    : element("section", "", drawCauses(decision));
  const why = element("section", "", ...drawWhy(decision));
  if (why.children.length === 0) why.append(element("h4", "", "Why"), element("p", "empty", nothingToSay(decision)));
  article.append(element("div", "columns", change, why));
  article.append(
    element(
      "div",
      "data",
      folded(`Patch (${count(decision.patch.length, "operation")})`, () =>
        decision.patch.map((operation) => JSON.stringify(operation)).join("\n"),
      ),
      folded("Decision as JSON", () => JSON.stringify(decision, null, 2)),
    ),
  );
  return article;
}

function nothingToSay(decision) {
  if (!decision.allowed) return "No policy is for it.";
  if (decision.lineage === "Mirror") return "The user is exempt: the Run is left alone.";
  if (decision.lineage === "Child") return "A Child: nothing is injected, and it is never refused.";
  if (!decision.lineage) return "Runstamp does not judge this.";
  return "Nothing on this Run belongs to another one, and no policy is for it.";
}

function chip(text, className) {
  return element("span", `chip ${className}`, text);
}

function drawCauses(decision) {
  return group("Refused", "refused", decision.causes, (cause) => [
    field(cause.field),
    sentence(cause.message),
    cause.suggestion ? element("span", "advice", "write ", element("code", "", cause.suggestion)) : null,
    by(cause),
  ]);
}

function drawDiff(diff) {
  if (diff === "") return element("p", "empty", "Nothing: the Run is admitted as it was sent.");
  const pre = element("pre", "diff");
  pre.tabIndex = 0;
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", "Changes to the Run, as a diff");
  // The two lines that name the sides say nothing here.
  for (const line of diff.replace(/\n$/, "").split("\n").slice(2)) {
    const kind = { "+": "added", "-": "removed", "@": "hunk" }[line[0]] ?? "same";
    const shown = kind === "hunk" ? line.replace(/^@@ -(\d+).*$/, "from line $1") : line;
    pre.append(element("span", kind, shown, "\n"));
  }
  return pre;
}

const SHADOW = {
  Inject: "would be injected",
  Overwrite: "would be overwritten",
  Equal: "would be injected, and is the same already",
  Skip: "would be left out",
  Violation: "would be refused",
  Warning: "would be warned of",
  Audited: "would be counted",
};

function drawWhy(decision) {
  const groups = [
    group("Warnings", "warning", decision.warnings, (warning) => [sentence(warning)]),
    group("Injected", "added", decision.injected, (injection) => [
      field(injection.field),
      element("code", "value", injection.value),
      by(injection),
    ]),
    group("Left out", "warning", decision.skipped, (skip) => [field(skip.field), sentence(skip.reason), by(skip)]),
    group("In Shadow mode", "shadow", decision.shadow ?? [], (shadow) => [
      field(shadow.field),
      element("span", "sentence", `${SHADOW[shadow.outcome] ?? shadow.outcome}${shadow.detail ? `: ${shadow.detail}` : ""}`),
      by(shadow),
    ]),
    group("Removed", "removed", decision.removed, (removal) => [
      field(removal.field),
      element("span", "muted by", [removal.reason, removal.integration].filter(Boolean).join(", ")),
    ]),
  ].filter((made) => made !== null);
  const facts = Object.entries(decision.facts);
  if (facts.length > 0) groups.push(drawFacts(facts));
  groups.push(...drawTrace(decision, groups.length === 0));
  return groups;
}

/** Why and why not, by what it speaks of. */
function drawTrace(decision, isAllThereIs) {
  const parts = new Map([
    ["Why: the Run", []],
    ["Why and why not: policies", []],
    ["Where facts come from", []],
  ]);
  const events = decision.explanation ?? (decision.trace ?? []).map((text) => ({ event: "Policy", text }));
  for (const { event, text } of events) {
    const part = /^(Fact|Source)/.test(event)
      ? "Where facts come from"
      : /^(Lineage|Copied)/.test(event)
        ? "Why: the Run"
        : "Why and why not: policies";
    parts.get(part).push(text);
  }
  const filled = [...parts].filter(([, lines]) => lines.length > 0);
  return filled.map(([title, lines]) => {
    const list = element("ol", "trace", ...lines.map((line) => element("li", "", line)));
    const details = element("details", "group", element("summary", "", heading(title, lines.length)), list);
    // Where nothing else is said, this is what somebody looks for.
    details.open = isAllThereIs && title !== "Where facts come from";
    return details;
  });
}

function heading(title, number) {
  return element("h4", "", `${title} `, element("span", "number", String(number)));
}

function group(title, className, items, draw) {
  if (items.length === 0) return null;
  const list = element("ul", "", ...items.map((item) => element("li", "", ...draw(item))));
  return element("section", `group ${className}`, heading(title, items.length), list);
}

function drawFacts(facts) {
  const rows = facts.map(([name, fact]) =>
    element(
      "tr",
      "",
      Object.assign(element("th", "", name), { scope: "row" }),
      element("td", "", element("code", "", fact.value)),
      element("td", "muted", `${fact.from}, ${fact.source}${fact.trusted ? ", trusted" : ""}`),
    ),
  );
  const head = element("tr", "", ...["Fact", "Value", "From"].map((name) => Object.assign(element("th", "", name), { scope: "col" })));
  const table = element("table", "", element("thead", "", head), element("tbody", "", ...rows));
  return element("section", "group", heading("Facts of the trigger", facts.length), element("div", "scroll", table));
}

/** The key, with what kind of field it is in small letters. */
function field(path) {
  const [, place, key] = /^metadata\.(annotations|labels|finalizers)\[(.*)\]$/.exec(path) ?? [];
  if (key === undefined) return element("code", "field", path);
  return element("code", "field", key, element("small", "", ` ${place.slice(0, -1)}`));
}

function sentence(text) {
  return element("span", "sentence", text);
}

function by({ policy, integration }) {
  const text = policy ? `policy ${policy}` : integration ? `integration ${integration}` : "";
  return text === "" ? null : element("span", "muted by", text);
}

/** Something long that is made when somebody opens it. */
function folded(title, make) {
  const pre = element("pre", "json");
  pre.tabIndex = 0;
  const details = element("details", "", element("summary", "", title), pre);
  details.addEventListener("toggle", () => {
    if (details.open && pre.textContent === "") pre.textContent = make() || "none";
  });
  return details;
}

/** Mistakes and warnings as a list; each leads to its place, and some can be mended at once. */
export function drawProblems(list, problems, goTo, mend) {
  list.hidden = problems.length === 0;
  const items = problems.map((problem) => {
    const go = element("button", "place");
    go.type = "button";
    go.textContent = problem.line ? `${problem.file ? `${problem.file}:` : ""}${problem.line}:${problem.column}` : "go";
    if (problem.line) go.addEventListener("click", () => goTo(problem));
    const help = problem.help ? element("span", "muted", problem.help) : null;
    const related = (problem.related ?? []).map((other) =>
      element("span", "muted", `${other.message} (${other.file}:${other.line}:${other.column})`),
    );
    const fix = mend && problem.fixes?.length === 1 ? problem.fixes[0] : null;
    const edit = fix ? element("button", "mend", fix.replacement ? `Write ${fix.replacement.trim()}` : "Remove it") : null;
    if (edit) {
      edit.type = "button";
      edit.addEventListener("click", () => mend(problem, fix));
    }
    const word = element("strong", problem.severity, problem.severity);
    const text = element("span", "told", word, " ", problem.message, problem.label ? `: ${problem.label}` : "", problem.code ? element("small", "muted", ` ${problem.code}`) : null);
    return element("li", "", problem.line ? go : null, element("span", "say", text, help, ...related), edit);
  });
  list.replaceChildren(...items);
}
