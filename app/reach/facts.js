// What was measured, in sentences; before that, how far the work is; and what helps a text that is too short.

import { bold, button } from "./words.js";
import { corridorFacts, spreadFacts } from "./measured.js";
import { el } from "../kit/dom.js";
import { grouped, plural } from "../kit/format.js";

/**
 * @typedef {import("./reading.js").Reading} Reading
 * @typedef {import("./words.js").Part[]} Line
 */

export class Facts {
  /** @param {import("./page.js").default} page */
  constructor(page) {
    this.page = page;
    this.host = page.part("facts");
    this.text = "";
  }

  /** @param {Reading} reading */
  draw(reading) {
    const lines = this.lines(reading);
    const words = lines.map((line) =>
      line.map((part) => (typeof part === "string" ? part : part.textContent)).join(""),
    );
    const text = words.join(" ");
    if (this.text === text && !this.host.querySelector(":disabled")) return; // what has the focus keeps it
    this.text = text;
    this.host.replaceChildren(...lines.map((line) => el("p", {}, ...line)));
    this.page.part("live-region").textContent = text;
  }

  /** @param {Reading} reading
   * @returns {Line[]} */
  lines(reading) {
    const { guess, hidden } = this.page;
    const verdict = guess === null ? [] : [this.verdict(reading, guess)];
    if (hidden) return [...verdict, ...this.riddle(reading)];
    const lines = reading.fresh ? this.measured(reading) : this.waiting(reading);
    return [...this.short(reading), ...this.reread(reading), ...verdict, ...lines];
  }

  /** @param {Reading} reading
   * @returns {Line[]} */
  riddle({ choice }) {
    return [
      ["Where will the edge be?"],
      [
        choice.reading === "forward"
          ? "Click the last word, or column, that the change can possibly reach; then it is shown."
          : "Click the earliest word on which this prediction can depend; then it is shown.",
      ],
    ];
  }

  /** @param {Reading} reading
   * @returns {Line[]} */
  measured(reading) {
    return reading.choice.reading === "corridor" ? corridorFacts(reading) : spreadFacts(reading);
  }

  /** Before the answer: how far the work is, or why there is none.
   * @param {Reading} reading
   * @returns {Line[]} */
  waiting({ run }) {
    const { doing, stopped, can_measure } = run.meta;
    if (!can_measure) return [["The model that wrote this text is not here, so only theory is shown."]];
    if (stopped) return [["Stopped: only theory is shown. "], [button("again", "measure it")]];
    if (!doing) return [["Measuring …"]];
    const [done, total, what] = doing;
    return [
      [`Measuring: ${what || "loading the model"}, ${grouped(done)} of ${grouped(total)}`],
      [button("stop", "cancel")],
    ];
  }

  /** The text has no room for anything to pass the edge: what could be done.
   * @param {Reading} reading
   * @returns {Line[]} */
  short({ run, choice, network }) {
    const { short } = run.meta;
    if (!short || run.meta.choice.window !== choice.window) return [];
    const why = short.leaves
      ? `A change can travel ${plural(network.reach, "token")}, and this text has ${grouped(run.count)}: ` +
        "in it nothing is far enough to be out of reach."
      : `This text has ${plural(run.count, "token")}: nothing in it has left a window of ` +
        `${grouped(network.smallest)} yet, so nothing is far enough to be out of reach.`;
    const remedies = [
      ...(short.more ? [button("write", "write on"), " "] : []),
      ...(short.narrower ? [button("narrower", `read it with W = ${short.narrower}`)] : []),
    ];
    return [[why], ...(remedies.length ? [remedies] : [])];
  }

  /** With another window than the trained one: what that means, and what it costs.
   * @param {Reading} reading
   * @returns {Line[]} */
  reread({ run, choice, fresh }) {
    if (!choice.window) return [];
    const { facts, model } = run.meta;
    const surprise = fresh && "surprise" in facts ? facts.surprise : undefined;
    const before = model.imposed ? "written" : "trained";
    return [
      [
        "Read again with ",
        bold(`W = ${grouped(choice.window)}`),
        ...(choice.sinks ? [" and the first ", bold(plural(choice.sinks, "token")), " kept"] : []),
        `; it was ${before} with ${run.trainedWith()}.`,
        ...(surprise
          ? [` Surprise a token: ${surprise[0].toFixed(2)} nats, as ${before} ${surprise[1].toFixed(2)}.`]
          : []),
      ],
    ];
  }

  /** @param {Reading} reading
   * @param {number} guess  position
   * @returns {Line} */
  verdict({ run, choice, network, back, fresh }, guess) {
    const distance = back ? choice.target - guess : guess - choice.source;
    const { facts } = run.meta;
    const known = fresh && "noticed" in facts ? facts : null;
    return [
      "You said ",
      bold(distance),
      " tokens. Theory: ",
      bold(Number.isFinite(network.reach) ? network.reach : "no edge"),
      ...(known?.noticed ? ["; what is noticed ends at ", bold(known.noticed)] : []),
      ...(known?.within90 ? [", 90 % of it lies within ", bold(known.within90)] : []),
      ".",
    ];
  }
}
