// The timeline: playing, stepping, landmarks, and the keys.

import { blend } from "./colour.js";
import { el } from "./dom.js";
import { plural } from "./format.js";

const SPEEDS = [2, 6, 12, 30, 60];
const KEEP_KEYS =
  "input, select, textarea, [contenteditable=true], [role=tab], [role=radio], [role=slider], [role=option], " +
  "[role=listbox], [role=combobox], [role=menu], [role=dialog]";
const ICONS = { play: "M8 5v14l11-7z", pause: "M7 5h4v14H7zM13 5h4v14h-4z" };

/** @typedef {import("./playhead.js").Playhead} Player */

/** @template {Player} [P=Player] */
export class Timeline {
  /** @param {P} player */
  constructor(player) {
    this.player = player;
    this.slider = player.part("slider", HTMLInputElement);
    this.slider.addEventListener("input", () => player.go(Number(this.slider.value), { by: "hand" }));
    this.slider.addEventListener("keydown", (event) => {
      if (event.key === "ArrowUp" || event.key === "ArrowDown") event.preventDefault();
    });
    const speed = player.part("speed", HTMLSelectElement);
    speed.append(...SPEEDS.map((value) => el("option", { value }, `${value} tokens/s`)));
    speed.value = "6";
    speed.addEventListener("change", () => {
      this.speed = Number(speed.value);
    });
    this.speed = 6;
    this.playing = false;
    /** When the next step is due, ms, and the frame that looks. */
    this.due = 0;
    this.frame = 0;
    this.marksKey = "";
    /** @type {(event: KeyboardEvent) => void} */
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
  }

  dispose() {
    this.pause();
    document.removeEventListener("keydown", this.onKey);
  }

  toggle() {
    if (this.playing) return this.pause();
    const { player } = this;
    if (player.t >= player.run.count - 1) player.go(0, { by: "hand" });
    this.play();
  }

  play() {
    this.playing = true;
    this.due = performance.now();
    this.show();
    /** @type {FrameRequestCallback} */
    const beat = (now) => {
      if (!this.playing) return;
      const { player } = this;
      if (now >= this.due) {
        this.due = Math.max(this.due + 1000 / this.speed, now - 100);
        if (player.t + 1 < player.run.count) player.go(player.t + 1, { by: "clock" });
        else if (player.run.meta.status !== "running") return this.pause();
      }
      this.frame = requestAnimationFrame(beat);
    };
    this.frame = requestAnimationFrame(beat);
  }

  pause() {
    this.playing = false;
    cancelAnimationFrame(this.frame);
    this.show();
    this.player.settle();
  }

  show() {
    const { root } = this.player;
    root.dataset.playing = this.playing ? "1" : "0";
    this.player.part("play-icon", SVGPathElement).setAttribute("d", this.playing ? ICONS.pause : ICONS.play);
    this.player.button("play").setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }

  draw() {
    const { run, t, text } = this.player;
    const last = Math.max(run.total - 1, 1);
    this.slider.max = String(last);
    this.slider.value = String(t);
    this.slider.setAttribute(
      "aria-valuetext",
      `position ${t}, ${plural(run.count, "token")}, “${run.labels[t] ?? ""}”`,
    );
    this.drawMap(last);
    const key = JSON.stringify([
      run.id,
      run.total,
      run.smallest,
      run.meta.n_prompt,
      text.hits,
      this.player.size(this.slider).width,
    ]);
    if (key !== this.marksKey) this.marks(run, last);
    this.marksKey = key;
  }

  /**
   * The empty track, and how much of it has been written; null while it has no size.
   *
   * @param {number} last  position
   */
  drawTrack(last) {
    const { player } = this;
    const { run, colour } = player;
    const pen = player.pen(player.part("map", HTMLCanvasElement));
    if (!pen) return null;
    const { g, width, height } = pen;
    /** @type {(position: number) => number} */
    const x = (position) => (Math.max(position, 0) / last) * width;
    g.clearRect(0, 0, width, height);
    g.fillStyle = colour.line;
    g.fillRect(0, height / 2 - 1, width, 2);
    g.fillStyle = colour.graphic;
    g.fillRect(0, height / 2 - 1, x(run.count - 1), 2);
    return { g, x, height };
  }

  /**
   * The track is a map of the whole text: bands of hops back from the playhead, in the same shades as the words.
   *
   * @param {number} last  position
   */
  drawMap(last) {
    const { run, t, colour } = this.player;
    const track = this.drawTrack(last);
    if (!track) return;
    const { g, x, height } = track;
    for (let k = 1; k <= run.layers && run.cumulative[k - 1] < t; k++) {
      const near = x(t - run.cumulative[k - 1]);
      const far = x(t - run.cumulative[k]);
      g.fillStyle = blend(colour.ground, colour.ink, 0.95 - (0.6 * (k - 1)) / run.layers);
      g.fillRect(far, 0, Math.max(1, near - far - 1), height);
    }
  }

  /**
   * @param {P["run"]} run
   * @param {number} last  position
   */
  marks(run, last) {
    const { player } = this;
    /** @type {import("./run.js").Landmark[]} */
    const hits = player.text.hits.map((at) => ({ at, kind: "hit", label: "" }));
    // Where labels would touch, the later in this order keeps only its mark.
    const width = Math.max(player.size(this.slider).width, 1);
    const leftward = (/** @type {number} */ share) => share > (width < 30 * player.unit ? 0.5 : 0.8);
    const named = new Set();
    /** @type {[number, number][]} */
    const taken = [];
    for (const kind of ["reach", "overwrite", "prompt"]) {
      const mark = run.landmarks().find((one) => one.kind === kind);
      if (!mark) continue;
      const x = (mark.at / last) * width;
      const wide = (0.52 * mark.label.length + 2) * player.unit;
      const [from, to] = leftward(mark.at / last) ? [x - wide, x] : [x, x + wide];
      if (taken.some(([left, right]) => from < right && to > left)) continue;
      taken.push([from, to]);
      named.add(kind);
    }
    player.part("marks").replaceChildren(
      ...[...hits, ...run.landmarks()].map((mark) => {
        const share = mark.at / last;
        const button = el(
          "button",
          {
            type: "button",
            class: `mx-landmark mx-${mark.kind}`,
            "aria-label": `Go to ${mark.label || "find hit"}, position ${mark.at}`,
            title: `${mark.label || "found here"}: position ${mark.at}`,
            onclick: () => player.go(mark.at, { by: "hand" }),
          },
          el("i", {}),
          mark.label ? el("span", {}, mark.label) : null,
        );
        button.style.left = `${share * 100}%`;
        if (leftward(share)) button.classList.add("mx-leftward");
        if (!named.has(mark.kind)) button.classList.add("mx-bare");
        return button;
      }),
    );
  }

  /**
   * Keys work anywhere on the page except where something else wants them.
   *
   * @param {KeyboardEvent} event
   */
  key(event) {
    const { player } = this;
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || !player.root.isConnected) return;
    const origin = event.composedPath()[0];
    const target = origin instanceof Element ? origin : null;
    const inside = event.composedPath().includes(player.root);
    if (target !== this.slider && target?.closest(KEEP_KEYS)) return;
    const onButton = target?.closest("button, a, summary, [role=button]") && !target.matches("[data-p]");
    const { run } = player;
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => player.stepBy(-1),
      ArrowRight: () => player.stepBy(1),
      "[": () => player.pickHead(player.head - 1),
      "]": () => player.pickHead(player.head + 1),
    };
    if (!onButton) actions[" "] = () => this.toggle();
    if (inside) {
      Object.assign(actions, {
        ArrowUp: () => player.pickLayer(player.layer + 1),
        ArrowDown: () => player.pickLayer(player.layer - 1),
        Home: () => player.go(0, { by: "hand" }),
        End: () => player.go(run.count - 1, { by: "hand" }),
      });
    }
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
    if (inside && target?.matches("[data-p]")) player.text.spans.get(player.t)?.node.focus({ preventScroll: true });
  }
}
