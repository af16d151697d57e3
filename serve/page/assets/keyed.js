// A stream of server-sent events with an API key: EventSource cannot send one. It offers as much of EventSource as live.js
// uses, without the reconnection, which live.js does after an error anyway.

import { headers, refused } from "./key.js";

/** KeyedSource reads url with the tab's key. */
export class KeyedSource extends EventTarget {
  onopen = null;
  onerror = null;
  readyState = 0;
  #end = new AbortController();

  constructor(url) {
    super();
    this.#read(url).catch(() => {}).finally(() => {
      if (this.#end.signal.aborted) return;
      this.readyState = EventSource.CLOSED;
      this.onerror?.();
    });
  }

  close() {
    this.#end.abort();
    this.readyState = EventSource.CLOSED;
  }

  async #read(url) {
    const response = await fetch(url, { cache: "no-store", headers: { ...headers(), Accept: "text/event-stream" }, signal: this.#end.signal });
    if (response.status === 401 || response.status === 403) refused("the key is not good enough for the live stream");
    if (!response.ok) return;
    this.readyState = EventSource.OPEN;
    this.onopen?.();
    let rest = "";
    for (let reader = response.body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) return;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      for (const frame of frames) this.#frame(frame);
    }
  }

  #frame(text) {
    let kind = "message";
    const data = [];
    for (const line of text.split("\n")) {
      if (line.startsWith("event:")) kind = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
    if (data.length > 0) this.dispatchEvent(new MessageEvent(kind, { data: data.join("\n") }));
  }
}
