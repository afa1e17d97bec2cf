// What layout.js stands on: the page as one tree through all shadow roots, and what has been written on every canvas.
// It must be there before the page's own programs.
(() => {
  const SLACK = 1.5;

  // --- Canvases: what stands on each, in css pixels of the canvas.
  const written = new WeakMap();

  const boxOn = (g, x, y, width, height) => {
    const { a, b, c, d, e, f } = g.getTransform();
    const corners = [
      [x, y],
      [x + width, y],
      [x, y + height],
      [x + width, y + height],
    ].map(([px, py]) => [a * px + c * py + e, b * px + d * py + f]);
    const xs = corners.map(([px]) => px);
    const ys = corners.map(([, py]) => py);
    return {
      left: Math.min(...xs),
      right: Math.max(...xs),
      top: Math.min(...ys),
      bottom: Math.max(...ys),
      upright: Math.abs(b) < 1e-6 && Math.abs(c) < 1e-6,
      scale: Math.hypot(c, d),
    };
  };

  const wipe = (g, x, y, width, height) => {
    const texts = written.get(g.canvas);
    if (!texts?.length) return;
    const box = boxOn(g, x, y, width, height);
    const under = (text) =>
      text.left >= box.left - 1 &&
      text.right <= box.right + 1 &&
      text.top >= box.top - 1 &&
      text.bottom <= box.bottom + 1;
    const whole = width * box.scale >= g.canvas.width - 2 && height * box.scale >= g.canvas.height - 2;
    written.set(g.canvas, whole ? [] : texts.filter((text) => !under(text)));
  };

  const ground = (g, box) => {
    const [left, top] = [Math.max(0, Math.floor(box.left)), Math.max(0, Math.floor(box.top))];
    const width = Math.min(g.canvas.width, Math.ceil(box.right)) - left;
    const height = Math.min(g.canvas.height, Math.ceil(box.bottom)) - top;
    if (width < 1 || height < 1) return null;
    const { data } = g.getImageData(left, top, width, height);
    const counts = new Map();
    for (let i = 0; i < data.length; i += 4) {
      const colour = `${data[i]},${data[i + 1]},${data[i + 2]},${data[i + 3] / 255}`;
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    return [...counts]
      .sort((one, other) => other[1] - one[1])[0][0]
      .split(",")
      .map(Number);
  };

  const pen = CanvasRenderingContext2D.prototype;
  for (const name of ["fillText", "strokeText"]) {
    const write = pen[name];
    pen[name] = function (text, x, y, ...rest) {
      if (this.canvas.isConnected !== undefined && String(text).trim()) {
        const size = this.measureText(text);
        const box = boxOn(
          this,
          x - size.actualBoundingBoxLeft,
          y - size.actualBoundingBoxAscent,
          size.actualBoundingBoxLeft + size.actualBoundingBoxRight,
          size.actualBoundingBoxAscent + size.actualBoundingBoxDescent,
        );
        const px = Number(/([\d.]+)px/.exec(this.font)?.[1] ?? 0) * box.scale;
        const under = globalThis.mxTree.sampling ? ground(this, box) : null;
        const before = written.get(this.canvas) ?? [];
        written.set(this.canvas, [...before, { ...box, text: String(text), px, colour: this.fillStyle, under }]);
      }
      return write.call(this, text, x, y, ...rest);
    };
  }
  for (const name of ["clearRect", "fillRect"]) {
    const paint = pen[name];
    pen[name] = function (x, y, width, height) {
      wipe(this, x, y, width, height);
      return paint.call(this, x, y, width, height);
    };
  }

  // --- The page as a tree through shadow roots.
  const above = (node) => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host ?? null;
  const ancestors = function* (node) {
    for (let one = node; one; one = above(one)) yield one;
  };
  const walk = function* (node) {
    yield node;
    for (const child of node.shadowRoot?.childNodes ?? []) yield* walk(child);
    for (const child of node.childNodes) if (child.nodeType === 1 || child.nodeType === 3) yield* walk(child);
  };
  const all = (selector) => [...walk(document.body)].filter((node) => node.nodeType === 1 && node.matches(selector));
  const seen = (node) => {
    if (!node.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true }))
      return false;
    for (const one of ancestors(node)) {
      const style = getComputedStyle(one);
      if (style.clipPath.startsWith("inset(50%") || style.clip === "rect(0px, 0px, 0px, 0px)") return false;
      if (one.getAttribute("aria-hidden") === "true" && style.position === "absolute" && !one.offsetWidth) return false;
    }
    return true;
  };
  const brief = (text) => {
    const line = text.trim().replace(/\s+/g, " ");
    return `“${line.length > 40 ? `${line.slice(0, 39)}…` : line}”`;
  };
  const named = (node) =>
    node.dataset.part ||
    node.getAttribute("aria-label") ||
    node.dataset.testid ||
    (typeof node.className === "string" && node.className) ||
    node.tagName;
  const meet = (one, other, slack = SLACK) =>
    Math.min(one.right, other.right) - Math.max(one.left, other.left) > slack &&
    Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > slack;

  /** What floats over the page scrolls apart from it: texts of different layers may cross. */
  const layerOf = (node) => {
    for (const one of ancestors(node)) {
      if (
        ["fixed", "sticky"].includes(getComputedStyle(one).position) ||
        one.matches("[role=tooltip], [data-testid='stHeader']")
      )
        return one;
    }
    return document.body;
  };

  /** The part of a text's box that can be seen now, and by what it is cut for good (null = it is not). */
  const clipped = (rect, start) => {
    const box = { left: rect.left, right: rect.right, top: rect.top, bottom: rect.bottom };
    let cutBy = null;
    for (const one of ancestors(start)) {
      if (one === document.documentElement || one === document.body) break;
      const style = getComputedStyle(one);
      if (style.display === "contents" || style.display === "inline") continue;
      const edge = one.getBoundingClientRect();
      // a line's box is higher than its letters
      for (const [axis, low, high, slack] of [
        [style.overflowX, "left", "right", SLACK],
        [style.overflowY, "top", "bottom", SLACK + 0.2 * rect.height],
      ]) {
        if (axis === "visible") continue;
        const out = edge[low] - box[low] > slack || box[high] - edge[high] > slack;
        const meant = low === "left" && style.textOverflow === "ellipsis";
        if (out && (axis === "hidden" || axis === "clip") && !meant) cutBy ??= one;
        box[low] = Math.max(box[low], edge[low]);
        box[high] = Math.min(box[high], edge[high]);
      }
      if (style.position === "fixed") break;
    }
    return { box, cutBy };
  };

  /** Every line of every text that can be seen, with its box, its node and its size. */
  const texts = () => {
    const lines = [];
    for (const node of walk(document.body)) {
      if (node.nodeType !== 3 || !node.data.trim()) continue;
      const parent = node.parentElement ?? node.getRootNode().host;
      if (!parent || ["SCRIPT", "STYLE", "OPTION", "NOSCRIPT", "TITLE"].includes(parent.tagName) || !seen(parent))
        continue;
      if (parent.closest("[data-testid='stIconMaterial'], [data-testid='stSidebar'], .modebar-container")) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const drawn =
        parent instanceof SVGElement ? Math.hypot(parent.getScreenCTM()?.c ?? 0, parent.getScreenCTM()?.d ?? 1) : 1;
      const px = parseFloat(getComputedStyle(parent).fontSize) * drawn;
      for (const rect of range.getClientRects()) {
        if (rect.width < 1 || rect.height < 1) continue;
        const { box, cutBy } = clipped(rect, parent);
        lines.push({
          node,
          parent,
          px,
          rect,
          box,
          cutBy,
          text: node.data,
          shown: box.right - box.left > 1 && box.bottom - box.top > 1,
        });
      }
    }
    return lines;
  };

  globalThis.mxTree = { written, above, ancestors, all, seen, brief, named, meet, layerOf, clipped, texts, SLACK };
  // Reading the ground under every text is slow, so only where contrast is asked for.
  globalThis.mxTree.sampling = false;
})();
