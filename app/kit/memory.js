// What a picture remembers while it is not on the page: its runs, and how each was last looked at.

const MAX_RUNS = 8;

/**
 * @template Run  of this kind
 * @template [View=unknown]  how a run was last looked at
 */
export class Memory {
  /** @param {new (id: string) => Run} Kind */
  constructor(Kind) {
    this.Kind = Kind;
    /** @type {Map<string, Run>} */
    this.runs = new Map();
    /** @type {Map<string, View>} */
    this.views = new Map();
  }

  /**
   * The store of a run; the least recently used ones are forgotten (Python sends them again if needed).
   *
   * @param {string} id
   */
  runOf(id) {
    const run = this.runs.get(id) ?? new this.Kind(id);
    this.runs.delete(id);
    this.runs.set(id, run);
    for (const oldest of this.runs.keys()) {
      if (this.runs.size <= MAX_RUNS) break;
      this.runs.delete(oldest);
    }
    return run;
  }
}
