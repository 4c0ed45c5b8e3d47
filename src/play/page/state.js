// What somebody typed, and how it is kept in the address: behind the #, which browsers never send.

/** Most characters of a text that is unpacked from an address. */
const MOST_UNPACKED = 4_000_000;
/** Longer addresses are of no use to anybody. */
const LONGEST_LINK = 500_000;

/** Nobody in particular creates a Run. */
export const NO_SENDER = {
  user: "",
  groups: "",
  namespace: "",
  namespaceLabels: "",
  update: false,
  old: "",
  dryRun: false,
};

/** The fragment for a state, or nothing where it would be too long. */
export async function pack(state) {
  const bytes = new TextEncoder().encode(JSON.stringify(state));
  const packed = await through(new CompressionStream("deflate-raw"), bytes, Infinity);
  const fragment = `#1.${base64url(packed)}`;
  return fragment.length > LONGEST_LINK ? undefined : fragment;
}

/** The state in a fragment; fails where it holds none. */
export async function unpack(fragment) {
  if (!fragment.startsWith("#1.")) throw new Error("no state");
  const binary = atob(fragment.slice(3).replaceAll("-", "+").replaceAll("_", "/"));
  const packed = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const bytes = await through(new DecompressionStream("deflate-raw"), packed, MOST_UNPACKED);
  return checked(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
}

/** A link may hold anything: what is taken from it has the right types. */
function checked(found) {
  const text = (value) => (typeof value === "string" ? value : "");
  const list = (value) => (Array.isArray(value) ? value : []);
  const policies = list(found.policies).map((file) => ({ name: text(file?.name) || "policies.yaml", text: text(file?.text) }));
  const sender = { ...NO_SENDER };
  for (const [key, usual] of Object.entries(NO_SENDER)) {
    const value = found.sender?.[key];
    if (typeof value === typeof usual) sender[key] = value;
  }
  return {
    policies: policies.length > 0 ? policies : [{ name: "policies.yaml", text: "" }],
    file: Number.isInteger(found.file) && found.file >= 0 && found.file < policies.length ? found.file : 0,
    packs: list(found.packs).filter((pack) => typeof pack === "string"),
    builtin: found.builtin !== false,
    run: text(found.run),
    sender,
  };
}

async function through(transform, bytes, most) {
  const writer = transform.writable.getWriter();
  // What goes wrong with the writing is seen by whoever reads.
  writer.write(bytes).catch(() => {});
  writer.close().catch(() => {});
  const parts = [];
  let length = 0;
  for (const reader = transform.readable.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) throw new Error("too long");
    parts.push(value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function base64url(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
