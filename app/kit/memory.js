// What a picture remembers while it is not on the page: its runs, and how each was last looked at.

import { Run } from "./run.js";

const MAX_RUNS = 8;

export class Memory {
  constructor(Kind = Run) {
    this.Kind = Kind;
    this.runs = new Map();
    this.views = new Map();
  }

  /** The store of a run; the least recently used ones are forgotten (Python sends them again if needed). */
  runOf(id) {
    const run = this.runs.get(id) ?? new this.Kind(id);
    this.runs.delete(id);
    this.runs.set(id, run);
    while (this.runs.size > MAX_RUNS) this.runs.delete(this.runs.keys().next().value);
    return run;
  }
}
