// A canvas of cells under a pointer: hovering says what a cell holds, and a click goes there. A finger cannot hover:
// its first tap on a cell says what it holds, and the second on the same one goes there.

/**
 * @template Cell
 * @typedef {Object} CellActs
 * @property {(event: PointerEvent) => Cell | null} at  the cell under the pointer
 * @property {(event: PointerEvent) => void} hover
 * @property {() => void} leave
 * @property {(cell: Cell) => void} go
 */

/**
 * @template Cell
 * @param {HTMLElement} canvas
 * @param {CellActs<Cell>} acts
 */
export function onCells(canvas, { at, hover, leave, go }) {
  let tapped = "";
  canvas.addEventListener("pointermove", hover);
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("click", (click) => {
    const event = /** @type {PointerEvent} */ (click); // as every browser of the last years sends it
    const cell = at(event);
    if (!cell) return;
    const name = JSON.stringify(cell);
    const first = event.pointerType === "touch" && name !== tapped;
    tapped = first ? name : "";
    if (first) hover(event);
    else {
      go(cell);
      hover(event); // what lies there now
    }
  });
}
