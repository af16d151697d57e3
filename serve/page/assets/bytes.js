// Bytes that nobody has checked, as text that shows each of them and does nothing.

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// Characters that move, hide or turn other text: controls, and the marks of writing direction.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** bytesAsText reads base64. What is not UTF-8 is shown byte by byte; what would not be seen is shown by its number. */
export function bytesAsText(base64) {
  const bytes = Uint8Array.from(atob(base64 ?? ""), (c) => c.charCodeAt(0));
  return readable(bytes).replace(UNSEEN, (c) => (c < "\u0100" ? `\\x${hex(c, 2)}` : `\\u{${hex(c, 4)}}`));
}

function readable(bytes) {
  try {
    return strict.decode(bytes);
  } catch {
    return Array.from(bytes, (b) => (b < 0x80 ? String.fromCharCode(b) : `\\x${b.toString(16).padStart(2, "0")}`)).join("");
  }
}

const hex = (c, width) => c.charCodeAt(0).toString(16).padStart(width, "0");
