// The connection to /v1/live. EventSource reconnects by itself after a lost line, but not after an HTTP error, and it does not
// notice a line that is open and silent; both are mended here. Each connection brings the full picture again.

import { key } from "./key.js";
import { KeyedSource } from "./keyed.js";

const SILENCE = 6000; // ms without a frame (stats come every second) until the page says so
const GIVE_UP = 20000; // ms without a frame until the line is opened anew
const RETRY = 2000; // ms before a refused connection is tried again

/**
 * connect calls handlers[kind](data, first) for every frame; first is true for the first frame of its kind on a connection, when
 * what was known before is to be replaced. onState is told "connecting", "live" or "lost".
 */
export function connect(url, handlers, onState) {
  let source = null;
  let heard = 0;
  let retry = 0;

  function open() {
    clearTimeout(retry);
    source?.close();
    const seen = new Set();
    heard = Date.now();
    source = key() ? new KeyedSource(url) : new EventSource(url);
    source.onopen = () => { heard = Date.now(); };
    source.onerror = () => {
      onState("lost");
      seen.clear(); // the browser reconnects on the same object
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY);
    };
    for (const [kind, handle] of Object.entries(handlers)) {
      source.addEventListener(kind, (frame) => {
        heard = Date.now();
        onState("live");
        const first = !seen.has(kind);
        seen.add(kind);
        handle(JSON.parse(frame.data), first);
      });
    }
  }

  onState("connecting");
  open();
  setInterval(() => {
    const silent = Date.now() - heard;
    if (silent > SILENCE) onState("lost");
    if (silent > GIVE_UP) open();
  }, 1000);
}
