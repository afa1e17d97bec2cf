// A canvas of cells under a pointer: hovering says what a cell holds, and a click goes there. A finger cannot hover, so its
// first tap on a cell says what it holds, and the second on the same one goes there.

/** @param {HTMLElement} canvas
 * @param {{ at: (event: PointerEvent) => any, hover: (event: PointerEvent) => void, leave: () => void,
 *   go: (cell: any) => void }} acts `at`: the cell under the pointer, null where there is none */
export function onCells(canvas, { at, hover, leave, go }) {
  let tapped = "";
  canvas.addEventListener("pointermove", hover);
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("click", (/** @type {any} */ event) => {
    const cell = at(event);
    if (!cell) return;
    const name = JSON.stringify(cell);
    const first = event.pointerType === "touch" && name !== tapped;
    tapped = first ? name : "";
    if (first) hover(event);
    else go(cell);
  });
}
