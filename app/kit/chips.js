// The chips above every picture that steps through a run, and the pickers of layer and head.

import { el } from "./dom.js";
import { grouped } from "./format.js";
import { term } from "./terms.js";

/**
 * @param {import("./playhead.js").Playhead} picture
 * @param {string} read  how much of the text has been read
 */
export function drawChips(picture, read) {
  const { run, t } = picture;
  const { model, status, tokens_per_second: speed, message } = run.meta;
  const named = `${model.name} ${run.windowName()}`;
  if (picture.named !== named) {
    picture.named = named;
    picture
      .part("model")
      .replaceChildren(
        el("b", {}, model.name),
        ` ${model.n_layers} layers · `,
        term("head", `${model.n_heads} heads`),
        ", ",
        term("KV", `${model.n_kv_heads} KV`),
        " · ",
        term("window", run.windowName()),
      );
  }
  picture.part("where").replaceChildren("position ", el("b", {}, String(t)), ` · ${read}`);
  const state = picture.part("status");
  state.hidden = status !== "running" && status !== "paused";
  state.textContent =
    status === "paused"
      ? "paused"
      : `writing${speed !== null && Number.isFinite(speed) ? ` · ${speed.toFixed(0)} tokens/s` : ""}`;
  const news = picture.button("end");
  const behind = run.count - 1 - t;
  news.hidden = status !== "running" || behind <= 0 || picture.timeline.playing;
  news.textContent = `live: ${grouped(behind)} new →`;
  picture.part("layer", HTMLSelectElement).value = String(picture.layer);
  picture.part("head", HTMLSelectElement).value = String(picture.head);
  picture.message(status === "failed" ? message || "The run failed; what was written stays." : message);
}
