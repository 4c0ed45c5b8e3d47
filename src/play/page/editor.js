// A text with line numbers, colours and marks. The text itself is an ordinary textarea: undo, selection and input methods are
// the browser's own. What is drawn lies beneath it, and is drawn again only where a line has changed.

const LINE_HEIGHT = 20;
/** From this length on a text is drawn without colours. */
const LONGEST_COLOURED = 300_000;
const INDENT = "  ";

export class Editor {
  /**
   * @param {HTMLElement} root
   * @param {() => void} onInput
   */
  constructor(root, onInput) {
    this.area = root.querySelector("textarea");
    this.gutter = root.querySelector(".gutter");
    this.colours = root.querySelector(".colours");
    this.marks = root.querySelector(".marks");
    this.drawn = [];
    this.places = [];
    this.area.addEventListener("input", () => {
      this.places = [];
      this.draw();
      onInput();
    });
    this.area.addEventListener("scroll", () => this.follow());
    this.area.addEventListener("keydown", (event) => this.onKey(event));
    this.draw();
  }

  get text() {
    return this.area.value;
  }

  set text(text) {
    if (this.area.value === text) return;
    this.area.value = text;
    this.area.setSelectionRange(0, 0);
    this.area.scrollTo(0, 0);
    this.places = [];
    this.draw();
  }

  /**
   * Marks places: lines and columns from 1, columns in characters, the end exclusive.
   * @param {{line: number, column: number, endLine: number, endColumn: number, severity: string, message: string}[]} places
   */
  mark(places) {
    this.places = places;
    this.drawMarks();
  }

  /** Puts the caret at a place and shows it. */
  goTo(line, column) {
    const offset = this.offset(line, column);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(offset, offset);
    const top = (line - 1) * LINE_HEIGHT;
    const shown = this.area.clientHeight;
    if (top < this.area.scrollTop + LINE_HEIGHT || top > this.area.scrollTop + shown - 3 * LINE_HEIGHT) {
      this.area.scrollTop = Math.max(0, top - shown / 3);
    }
    this.area.scrollIntoView({ block: "nearest" });
  }

  /** Writes a text in place of what stands from one place to another, so that the browser can undo it. */
  replace(place, text) {
    const [start, end] = [this.offset(place.line, place.column), this.offset(place.endLine, place.endColumn)];
    this.goTo(place.line, place.column);
    this.area.setSelectionRange(start, end);
    if (text === "") document.execCommand("delete");
    else this.insert(text);
  }

  /** The index in the text of a line and column from 1. */
  offset(line, column) {
    const lines = this.text.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    return before + unitsOf(lines[line - 1] ?? "", column);
  }

  draw() {
    const text = this.text;
    const lines = describe(text.split("\n"), text.length <= LONGEST_COLOURED);
    const old = this.drawn;
    let same = 0;
    while (same < old.length && same < lines.length && old[same].state === lines[same].state) same += 1;
    let tail = 0;
    const most = Math.min(old.length, lines.length) - same;
    while (tail < most && old[old.length - 1 - tail].state === lines[lines.length - 1 - tail].state) tail += 1;
    for (let count = old.length - same - tail; count > 0; count -= 1) this.colours.children[same].remove();
    const fresh = document.createDocumentFragment();
    for (const line of lines.slice(same, lines.length - tail)) fresh.append(drawLine(line));
    this.colours.insertBefore(fresh, this.colours.children[same] ?? null);
    this.drawn = lines;
    while (this.gutter.children.length > lines.length) this.gutter.lastChild.remove();
    while (this.gutter.children.length < lines.length) {
      const number = document.createElement("div");
      number.textContent = String(this.gutter.children.length + 1);
      this.gutter.append(number);
    }
    this.drawMarks();
    this.follow();
  }

  drawMarks() {
    for (const number of this.gutter.querySelectorAll(".error, .warning")) number.className = "";
    const fresh = document.createDocumentFragment();
    const lines = this.text.split("\n");
    const told = new Set();
    for (const place of this.places) {
      const text = lines[place.line - 1];
      if (text === undefined) continue;
      const start = unitsOf(text, place.column);
      const end = place.endLine > place.line ? text.length : unitsOf(text, place.endColumn);
      const row = document.createElement("div");
      row.className = `mark ${place.severity}`;
      row.style.top = `${(place.line - 1) * LINE_HEIGHT}px`;
      const under = document.createElement("span");
      under.textContent = text.slice(start, Math.max(end, start + 1)) || " ";
      row.append(text.slice(0, start), under);
      if (!told.has(place.line)) {
        // The first message of a line stands behind it; all of them stand in the list.
        told.add(place.line);
        const message = document.createElement("em");
        message.textContent = place.message;
        row.append(text.slice(Math.max(end, start + 1)), message);
      }
      fresh.append(row);
      const number = this.gutter.children[place.line - 1];
      if (number && number.className !== "error") number.className = place.severity;
    }
    this.marks.replaceChildren(fresh);
  }

  follow() {
    const { scrollLeft, scrollTop } = this.area;
    this.colours.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
    this.marks.style.transform = this.colours.style.transform;
    this.gutter.style.transform = `translateY(${-scrollTop}px)`;
  }

  onKey(event) {
    const command = (event.ctrlKey || event.metaKey) && !event.altKey;
    if (event.key === "Enter" && !command && !event.shiftKey && !event.isComposing) {
      const start = this.area.selectionStart;
      const line = this.text.slice(this.text.lastIndexOf("\n", start - 1) + 1, start);
      const indent = /^ */.exec(line)[0];
      if (indent === "") return;
      event.preventDefault();
      this.insert(`\n${indent}`);
    } else if (command && (event.key === "]" || event.key === "[")) {
      event.preventDefault();
      this.shift(event.key === "]");
    }
  }

  /** Moves the lines of the selection right or left. */
  shift(right) {
    const { selectionStart, selectionEnd } = this.area;
    const from = this.text.lastIndexOf("\n", selectionStart - 1) + 1;
    const lineEnd = this.text.indexOf("\n", Math.max(selectionStart, selectionEnd - 1));
    const to = lineEnd < 0 ? this.text.length : lineEnd;
    const lines = this.text.slice(from, to).split("\n");
    const moved = lines.map((line) => (right ? (line === "" ? line : INDENT + line) : line.replace(/^ {1,2}/, "")));
    if (moved.join("\n") === lines.join("\n")) return;
    this.area.setSelectionRange(from, to);
    this.insert(moved.join("\n"));
    if (lines.length > 1) {
      this.area.setSelectionRange(from, from + moved.join("\n").length);
    } else {
      const caret = Math.max(from, selectionStart + moved[0].length - lines[0].length);
      this.area.setSelectionRange(caret, caret);
    }
  }

  /** Types a text in place of the selection, so that the browser can undo it. */
  insert(text) {
    // Nothing newer keeps the history of a textarea.
    if (document.execCommand("insertText", false, text)) return;
    this.area.setRangeText(text, this.area.selectionStart, this.area.selectionEnd, "end");
    this.area.dispatchEvent(new Event("input"));
  }
}

/** The index in UTF-16 units of a column that counts characters from 1. */
function unitsOf(text, column) {
  let units = 0;
  let left = column - 1;
  for (const character of text) {
    if (left <= 0) break;
    units += character.length;
    left -= 1;
  }
  return units;
}

/** What each line is drawn from, and a key that tells whether it must be drawn again. */
function describe(lines, coloured) {
  let block = -1;
  let waits = false;
  return lines.map((text) => {
    if (!coloured) return { text, kind: "plain", state: `p${text}` };
    const indent = text.length - text.trimStart().length;
    if (waits || block >= 0) {
      const isInside = text.trim() === "" || indent > block;
      waits = false;
      if (isInside) return { text, kind: "block", state: `b${text}` };
      block = -1;
    }
    // A block of text begins: what is indented more than this line's key belongs to it.
    if (/(^|[:\s-])[|>][+-]?\d?[+-]?\s*(#.*)?$/.test(text) && !text.trimStart().startsWith("#")) {
      block = /^\s*(- +)*/.exec(text)[0].length;
      block = text.slice(block).includes(":") ? block : indent;
      waits = true;
    }
    return { text, kind: "yaml", state: `y${text}` };
  });
}

const TOKENS = new RegExp(
  [
    "(?<comment>(?<=^|\\s)#.*)",
    "(?<string>\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^']|'')*')",
    "(?<reference>\\$\\([^)]*\\))",
    "(?<mark>---|[{}\\[\\],]|(?<=^\\s*(?:- +)*)-(?=\\s|$)|:(?=\\s|$)|[|>][+-]?\\d?(?=\\s*$))",
    "(?<word>(?:[^\\s{}\\[\\],:#$]|:(?!\\s|$)|(?<=\\S)#|\\$(?!\\())+)",
  ].join("|"),
  "gu",
);

function drawLine({ text, kind }) {
  const line = document.createElement("div");
  if (kind === "plain") {
    line.textContent = text;
    return line;
  }
  if (kind === "block") {
    line.append(piece("string", text));
    return line;
  }
  let end = 0;
  for (const match of text.matchAll(TOKENS)) {
    if (match.index > end) line.append(text.slice(end, match.index));
    end = match.index + match[0].length;
    const { comment, string, reference, mark } = match.groups;
    const isKey = /^\s*:(\s|$)/.test(text.slice(end));
    if (comment !== undefined) line.append(piece("comment", comment));
    else if (reference !== undefined) line.append(piece("reference", reference));
    else if (mark !== undefined) line.append(piece("punctuation", mark));
    else if (isKey) line.append(piece("key", match[0]));
    else if (string !== undefined) line.append(piece("string", string));
    else line.append(match[0]);
  }
  line.append(text.slice(end));
  return line;
}

function piece(kind, text) {
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = text;
  return span;
}
