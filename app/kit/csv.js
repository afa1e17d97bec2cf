// A table of numbers as a file: what is on screen is pixels and rounded, what is saved is what came.

/** @typedef {string | number | null} Cell  null = there is none */

/**
 * Comma-separated values after RFC 4180, with a header.
 *
 * @param {string[]} names  of the columns
 * @param {Iterable<Cell[]>} rows
 */
export function csv(names, rows) {
  const lines = [names, ...rows].map((cells) => cells.map(written).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

/**
 * Nine digits give every float32 back.
 *
 * @param {Cell} cell
 */
function written(cell) {
  if (cell === null || (typeof cell === "number" && !Number.isFinite(cell))) return "";
  const text = typeof cell === "number" ? String(Number(cell.toPrecision(9))) : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Offers a table to the visitor as a file.
 *
 * @param {string} name  of the file
 * @param {string} text
 */
export function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
