// The page shared_heads: takes payloads, owns the playhead, and lets every panel draw the same moment.

import { AwayPanel } from "./away.js";
import { GroupPanel } from "./group.js";
import { SharedRun } from "./run.js";
import { groupTable, movedTable } from "./tables.js";
import { SightText } from "./sight.js";
import { StoredPanel } from "./stored.js";
import { WirePanel } from "./wires.js";
import { Memory } from "../kit/memory.js";
import { Playhead, numbered } from "../kit/playhead.js";
import { Timeline } from "../kit/timeline.js";
import { SourcePanel } from "../kit/source.js";
import { grouped, plural, shorten } from "../kit/format.js";
import { el, segmented } from "../kit/dom.js";
import { settled } from "../kit/timing.js";
import { keepPlace, openAt } from "../kit/places.js";
import { lead } from "../kit/together.js";

/** @import { SharedPayload } from "./run.js" */
/** @import { Events, SharedHeadsHeader } from "./types.js" */
/** @typedef {"row" | "maps"} View */
/** How a run was last looked at.
 * @typedef {{ t: number, end: boolean, layer: number, head: number, view: View, target: number | null }} SharedView */

/** @type {[View, string][]} */
const VIEWS = [
  ["row", "this token"],
  ["maps", "the tokens before too"],
];

/** @type {Memory<SharedRun, SharedView>} */
const memory = new Memory(SharedRun);

/** @extends {Playhead<SharedPayload, SharedRun, Events, SharedView>} */
export default class SharedHeadsPage extends Playhead {
  /** @param {HTMLElement} host @param {{ markup: string, style: string }} look */
  constructor(host, look) {
    super(host, look, memory);
    /** @type {View} */
    this.view = "row";
    /** Whether the run was opened at the mean of the heads, and no hand has chosen one since. */
    this.meanAsked = false;
    /** @type {string} what was asked of Python last about a layer */
    this.wanted = "";
    this.text = new SightText(this);
    this.wires = new WirePanel(this);
    this.group = new GroupPanel(this);
    this.away = new AwayPanel(this);
    this.stored = new StoredPanel(this);
    /** @type {Timeline} */
    this.timeline = new Timeline(this);
    this.source = new SourcePanel(this.part("source"));
    this.ask = settled(() => this.askLayer(), 120);
    this.bind({
      take: () => this.away.take(),
      stop: () => this.trigger("stop", { run: this.run.id, n: performance.now() }),
    });
  }

  /** @param {SharedRun} run @param {SharedHeadsHeader} header */
  open(run, { at, status }) {
    Object.assign(this, { run, target: null, moved: false, wanted: "" });
    this.text.reset();
    this.fillPickers(run);
    const view = this.memory.views.get(run.id);
    openAt(this, { at, status }, view, 0);
    this.view = view?.view ?? "row";
  }

  /** A head is always chosen here: the mean of all has no question of its own.
   * @param {number} t @param {number} layer @param {number} head */
  goQuietly(t, layer, head) {
    this.meanAsked = head < 0;
    super.goQuietly(t, layer, Math.max(head, 0));
  }

  /** @param {number} layer @param {number} head */
  pick(layer, head) {
    if (head !== this.head) this.meanAsked = false;
    super.pick(layer, head);
  }

  tables() {
    return { wires: () => groupTable(this), moved: () => movedTable(this) };
  }

  remember() {
    const { run, t, layer, head, view, target, moved, meanAsked } = this;
    const place = { run, t, layer, target, moved, goQuietly: this.goQuietly, settle: this.settle };
    keepPlace({ ...place, head: meanAsked ? -1 : head }); // other pages know the mean of all heads
    this.memory.views.set(this.run.id, { t, end: t >= this.run.count - 1, layer, head, view, target });
  }

  /** @param {SharedRun} run @returns {[number, string][]} */
  headOptions(run) {
    return numbered(run.meta.model.n_heads);
  }

  /** The key/value head that the chosen head reads. */
  get kv() {
    return this.run.kvOf(this.head);
  }

  /** @param {number} kv */
  pickKv(kv) {
    if (kv !== this.kv) this.pickHead(kv * this.run.size);
  }

  /** What is known of one thing, beside it.
   * @param {string} title @param {string[]} lines @param {Element | null} node
   * @param {import("../kit/surface.js").Point | null} [place] */
  tell(title, lines, node, place = null) {
    const head = el("p", { class: "mx-pop-title" }, el("b", {}, title));
    this.explain([head, ...lines.map((line) => el("p", {}, line))], node, place);
  }

  shared() {
    return { ...super.shared(), view: this.view };
  }

  /** @param {SharedHeadsPage} other */
  apart(other) {
    const [mine, theirs] = [this, other].map(({ run }) => run.meta.model.n_kv_heads);
    return mine === theirs
      ? `${plural(mine, "key/value head")} in both`
      : `${plural(mine, "key/value head")} here, ${grouped(theirs)} there`;
  }

  /** What the run did not bring of the chosen layer is asked for, once the step rests. */
  askLayer() {
    const { run, layer, timeline } = this;
    if (!run?.count || !this.root.isConnected || timeline.playing || run.meta.status === "running") return;
    const wanted = `${run.id},${layer},${run.count}`;
    if (wanted === this.wanted || (run.byHead(layer) && run.hasKv(layer))) return;
    this.wanted = wanted;
    this.trigger("layer", { run: run.id, layer });
  }

  rootData() {
    const { run, layer, view, kv } = this;
    return {
      view,
      kv,
      byHead: run.byHead(layer) ? "1" : "0",
      stored: run.hasKv(layer) ? "1" : "0",
      away: this.away.measured() ? (run.away?.facts.key ?? "") : "",
    };
  }

  drawPictures() {
    this.wires.draw();
    this.group.draw();
    this.away.draw();
    this.stored.draw();
    this.source.take(this.run.codes);
    this.source.show("Attention.attend", "group");
    this.ask();
  }

  drawBar() {
    const { run, t, layer } = this;
    const { n_heads: heads, n_kv_heads: kvHeads } = run.meta.model;
    this.drawChips(`${grouped(t + 1)} of ${plural(run.count, "token")} read`);
    this.part("seen").textContent = shorten(run.labels[t], 18);
    const kind = kvHeads === heads ? "nothing shared (MHA)" : kvHeads === 1 ? "one for all (MQA)" : "grouped (GQA)";
    this.part("heads-title").textContent =
      `Layer ${layer + 1}: ${plural(heads, "head asks", "heads ask")}, ` +
      `${plural(kvHeads, "key/value head answers", "key/value heads answer")}: ${kind}`;
    this.part("heads-badge").textContent = run.meta.provenance;
    this.part("text-legend").textContent = `underlined: its key is kept in layer ${layer + 1}`;
    segmented(this.part("view"), VIEWS, this.view, (view) => {
      this.view = view;
      this.draw();
      lead(this);
    });
  }

  sentence() {
    const { run, t, layer, head, kv } = this;
    const [strongest] = this.group.strongest(head);
    const looks = strongest ? ` Head ${head + 1} looks most at ${run.labels[strongest[1]]}.` : "";
    const group = run.group(kv).map((one) => one + 1);
    const heads = group.length > 1 ? `heads ${group[0]} to ${group[group.length - 1]} read` : `head ${group[0]} reads`;
    return `Position ${t}, ${run.labels[t]}, layer ${layer + 1}: ${heads} key/value head ${kv + 1}.${looks}`;
  }

  drawPointed() {
    this.text.draw();
    this.group.mark();
  }

  /** @returns {Omit<import("../kit/types.js").Ack, "n">} */
  known() {
    const { run } = this;
    const more = run.more.at(-1)?.key ?? null;
    const away = run.away?.facts.key ?? null;
    return { ...super.known(), parts: { more: [more, more ? 1 : 0], away: [away, away ? 1 : 0] } };
  }

  dispose() {
    this.ask.cancel();
    super.dispose();
  }
}
