// The numbers of the pictures of the residual stream, as tables.

import { rowName } from "../kit/format.js";

/** @import ResidualPage from "./page.js" */
/** @import { Cell, Numbers } from "../kit/numbers.js" */

/** Every cell in sight.
 * @param {ResidualPage} page
 * @returns {Numbers} */
export function heatTable(page) {
  const { run } = page;
  const { from, to } = page.view();
  /** @type {Cell[][]} */
  const rows = [];
  for (let position = from; position < to; position++)
    for (let row = 0; row < run.rows; row++) rows.push(heatRow(page, row, position));
  return {
    title: `What every layer would say, positions ${from} to ${to - 1}`,
    names: [
      ...["position", "token", "state", "likeliest", "its probability", "final word", "its probability here"],
      ...["its rank here", "entropy, bits", "KL to the end, nats", "change by the patch"],
    ],
    rows,
  };
}

/** @param {ResidualPage} page @param {number} row @param {number} position
 * @returns {Cell[]} */
function heatRow({ run }, row, position) {
  const top = run.cell("lens", "top", row, position);
  const final = run.followed(position)[0];
  const known = final !== undefined && !Number.isNaN(top);
  return [
    position,
    run.labels[position],
    rowName(row),
    Number.isNaN(top) ? null : run.label(top),
    run.cell("lens", "probability", row, position),
    known ? run.label(final) : null,
    known ? Math.exp(run.of("log_prob", row, position, final)) : null,
    known ? run.of("rank", row, position, final) + 1 : null,
    run.cell("lens", "entropy", row, position),
    run.cell("lens", "kl", row, position),
    run.cell("patch", "change", row, position),
  ];
}

/** Every token that has a line.
 * @param {ResidualPage} page
 * @returns {Numbers} */
export function curvesTable(page) {
  const { run, t } = page;
  return {
    title: `On the way, after position ${t}`,
    names: ["token", "state", "probability", "rank"],
    rows: page.curves
      .tokens(run)
      .flatMap((token) =>
        Array.from({ length: run.rows }, (_, row) => [
          run.label(token),
          rowName(row),
          Math.exp(run.of("log_prob", row, t, token)),
          run.of("rank", row, t, token) + 1,
        ]),
      ),
  };
}

/** The cells of the other text in sight.
 * @param {ResidualPage} page
 * @returns {Numbers | null} */
export function lenderTable(page) {
  const { run, patching } = page;
  const facts = run.section("patch") ? run.meta.patch : null;
  if (!facts) return null;
  const { from, to } = page.view();
  /** @type {Cell[][]} */
  const rows = [];
  for (let position = from; position < to; position++)
    for (let row = 0; row < run.rows; row++) {
      const top = patching.top("lender_top", row, position);
      if (Number.isNaN(top)) continue;
      const word = facts.words[position - facts.first] ?? "";
      rows.push([position, word, rowName(row), run.label(top), patching.top("lender_probability", row, position)]);
    }
  return {
    title: `What every layer would say of the other text, positions ${from} to ${to - 1}`,
    names: ["position", "token", "state", "likeliest", "its probability"],
    rows,
  };
}
