// What surrounds the picture: the controls of the bar, and the panels.

import { Captions } from "./captions.js";
import { Cut } from "./cut.js";
import { Facts } from "./facts.js";
import { Story } from "./story.js";
import { Swap } from "./swap.js";
import { Windows } from "./windows.js";
import { el, segmented } from "../kit/dom.js";
import { grouped } from "../kit/format.js";

/** @type {[reading: import("./types.js").ChoiceHeader["reading"], label: string, term: string][]} */
const READINGS = [
  ["forward", "forward from a word", "forward"],
  ["backward", "back from a prediction", "backward"],
  ["corridor", "corridor of a pair", "corridor"],
];

/** @type {[zoom: import("./page.js").Zoom, label: string, term?: string][]} */
const ZOOMS = [
  ["all", "all"],
  ["hops", "in hops", "hops"],
  ["near", "near, with words"],
];

/** @type {[end: import("./choice.js").End, label: string][]} */
const ENDS = [
  ["source", "click: source"],
  ["target", "click: target"],
];

/** @type {[values: "change" | "probability", label: string][]} */
const STRIPS = [
  ["change", "change"],
  ["probability", "probability"],
];

/** @type {[scale: import("./decades.js").ScaleName, label: string][]} */
const DRAWN = [
  ["noticed", "what can be noticed"],
  ["deep", "down to 10⁻¹²"],
];

export class Side {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.story = new Story(page);
    this.panels = [new Windows(page), this.story, new Captions(page), new Facts(page), new Swap(page), new Cut(page)];
  }

  /** @param {import("./reading.js").Reading} reading */
  draw(reading) {
    this.drawBar(reading);
    for (const panel of this.panels) panel.draw(reading);
  }

  /** @param {import("./reading.js").Reading} reading */
  drawBar({ run, choice, network }) {
    const { page } = this;
    const reach = Number.isFinite(network.reach) ? grouped(network.reach) : "all";
    page
      .part("model")
      .replaceChildren(
        el("b", {}, run.meta.model.name),
        ` ${network.layers} layers${page.hidden ? "" : ` · reach ${reach}`}`,
      );
    page.part("status").hidden = run.meta.status !== "running";
    page.part("status").textContent = `being written, ${grouped(run.count)} tokens`;
    segmented(page.part("reading"), READINGS, choice.reading, (reading) => page.read(reading));
    const zooms = ZOOMS.filter(([zoom]) => zoom !== "hops" || (network.large && !network.sinks));
    segmented(page.part("zoom"), zooms, page.zoom, (zoom) => page.look({ zoom, centre: null }));
    segmented(page.part("end"), choice.reading === "corridor" ? ENDS : [], page.end, (end) => page.look({ end }));
    segmented(page.part("scale"), DRAWN, page.scaleName, (scaleName) => page.look({ scaleName }));
    segmented(page.part("strip-by"), choice.reading === "backward" ? [] : STRIPS, page.stripBy, (stripBy) =>
      page.look({ stripBy }),
    );
  }
}
