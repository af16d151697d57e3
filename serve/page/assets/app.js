// Wires the sections to the live stream. Every frame may come twice (each connection starts with the full picture), so each
// section takes it as "this is how things are", not "this was added".

import * as header from "./header.js";
import { setClock } from "./api.js";
import { createAttribution } from "./attribution.js";
import { createKeyForm } from "./key.js";
import { connect } from "./live.js";
import { createModels } from "./models.js";
import { createOperate } from "./operate.js";
import { createQuality } from "./quality.js";
import { createRounds } from "./rounds.js";
import { createStream } from "./stream.js";
import { createUser } from "./user.js";
import { $ } from "./dom.js";

header.followFocus();
createKeyForm();
const user = createUser();
const quality = createQuality();
const rounds = createRounds();
const models = createModels(rounds.all);
const stream = createStream((id) => {
  user.choose(id);
  $("user").scrollIntoView();
  $("user-select").focus({ preventScroll: true });
});

// Sections that only look, besides those that need one another above. Each may have stats(frame), rounds(frame, first), events(frame, first) and
// changed(), which is called when another model answers. A new one is a section of index.html, a module and a line here.
const panels = [createOperate(models.refresh)];
const tell = (what, ...args) => panels.forEach((p) => p[what]?.(...args));

let version; // the model this server answers with; undefined before the first stats

function onStats(s) {
  setClock(s.clock);
  header.stats(s);
  stream.stats(s);
  tell("stats", s);
  const now = s.model?.version ?? "";
  if (version !== undefined && now !== version) {
    models.refresh();
    user.refresh(true);
    tell("changed");
  }
  version = now;
}

let state;
function onState(next) {
  header.connection(next);
  if (state === "lost" && next === "live") {
    models.refresh();
    user.catchUp();
  }
  state = next;
}

connect("v1/live", {
  stats: onStats,
  prequential: quality.update,
  rounds: (frame, first) => {
    rounds.update(frame, first);
    models.refresh();
    tell("rounds", frame, first);
  },
  events: (frame, first) => {
    stream.events(frame, first);
    user.observe(frame);
    tell("events", frame, first);
  },
}, onState);
createAttribution().refresh();
models.refresh();
user.catchUp();
