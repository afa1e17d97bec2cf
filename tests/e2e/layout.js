// What test_layout asks of a page: which boxes, texts and marks are laid out wrongly. layout_tree.js comes first.
(() => {
  const LEAST_FONT = 12;
  const LEAST_TEXT = 4.5;
  const LEAST_MARK = 3;
  const CARDS = ".mx-card, [data-testid='stPlotlyChart'], [data-testid='stMetric'], [data-testid='stTable'], .criteria";
  const PICTURES = ".mx-canvas, .mx-rails, .mx-story, .mx-list";
  const KEYS = ".mx-key, .mx-scale i, .mx-branch[aria-current]";
  const CONTROLS = ".mx button, .mx select, .mx input, .mx summary";
  const THUMB = 40;

  const { written, above, ancestors, all, seen, brief, named, meet, layerOf, clipped, texts, SLACK } =
    globalThis.mxTree;

  // --- The faults, each a sentence.
  const overlaps = () => {
    const boxes = all(`${CARDS}, ${PICTURES}, .mx-bar`).filter(seen);
    const edges = boxes.map((box) => clipped(box.getBoundingClientRect(), above(box)).box);
    const faults = [];
    boxes.forEach((one, i) => {
      boxes.slice(i + 1).forEach((other, j) => {
        const nested = one.contains(other) || other.contains(one);
        if (!nested && meet(edges[i], edges[i + 1 + j], 1)) faults.push(`${named(one)} and ${named(other)} overlap`);
      });
    });
    return faults;
  };

  const cuts = (lines) => {
    const faults = [];
    for (const { parent, rect, cutBy, text } of lines) {
      if (cutBy) faults.push(`${brief(text)} is cut by ${named(cutBy)}`);
      else {
        const card = parent.closest(".mx-card");
        if (!card || layerOf(parent) !== layerOf(card)) continue;
        const edge = card.getBoundingClientRect();
        const scrolls = [...ancestors(parent)].some(
          (one) => card.contains(one) && /auto|scroll/.test(getComputedStyle(one).overflow),
        );
        if (!scrolls && (rect.bottom > edge.bottom + 1 || rect.right > edge.right + 1 || rect.left < edge.left - 1))
          faults.push(`${brief(text)} leaves its card ${named(card)}`);
      }
    }
    for (const node of all("*").filter((one) => /auto|scroll/.test(getComputedStyle(one).overflowY))) {
      const least = 5 * LEAST_FONT;
      if (
        node.scrollHeight > node.clientHeight + 2 &&
        node.clientHeight < least &&
        node.clientWidth &&
        node.innerText?.trim() &&
        seen(node)
      )
        faults.push(`${named(node)} shows ${node.clientHeight} px of ${node.scrollHeight}`);
    }
    for (const node of all("input, select").filter(seen)) {
      if (node.tagName === "INPUT" && !["text", "search", "number"].includes(node.type)) continue;
      const style = getComputedStyle(node);
      const words = node.tagName === "SELECT" ? (node.selectedOptions[0]?.label ?? "") : node.value || node.placeholder;
      const arrow = node.tagName === "SELECT" ? 18 : 0;
      const room = node.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - arrow;
      ruler.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
      if (node.clientWidth && ruler.measureText(words).width > room + SLACK && style.textOverflow !== "ellipsis")
        faults.push(`${brief(words)} does not fit into its field (${Math.round(room)} px)`);
    }
    return faults;
  };
  const ruler = document.createElement("canvas").getContext("2d");

  /** The middle of a line's height: neighbouring lines of one paragraph do not count as drawn over each other. */
  const core = ({ left, right, top, bottom }) => {
    const inset = (bottom - top) * 0.22;
    return { left: left + 0.5, right: right - 0.5, top: top + inset, bottom: bottom - inset };
  };

  const crossings = (lines) => {
    const faults = [];
    const shown = lines
      .filter((line) => line.shown)
      .map((line) => ({ ...line, core: core(line.box) }))
      .sort((one, other) => one.core.top - other.core.top);
    const layers = new Map();
    const layer = (line) => {
      if (!layers.has(line.parent)) layers.set(line.parent, layerOf(line.parent));
      return layers.get(line.parent);
    };
    shown.forEach((one, i) => {
      for (let j = i + 1; j < shown.length && shown[j].core.top < one.core.bottom; j++) {
        const other = shown[j];
        if (other.node === one.node || !meet(one.core, other.core, 1) || layer(one) !== layer(other)) continue;
        faults.push(`${brief(one.text)} and ${brief(other.text)} are drawn over each other`);
      }
    });
    return faults;
  };

  const canvases = () => all("canvas").filter((canvas) => seen(canvas) && canvas.clientWidth && canvas.clientHeight);

  const onCanvases = () => {
    const faults = { cut: [], over: [], small: [] };
    for (const canvas of canvases()) {
      const ratio = canvas.width / canvas.clientWidth;
      const labels = written.get(canvas) ?? [];
      labels.forEach((one, i) => {
        if (one.px / ratio < LEAST_FONT - 0.01)
          faults.small.push(`${brief(one.text)} on ${named(canvas)} has ${(one.px / ratio).toFixed(1)} px`);
        const slack = 2 * ratio;
        const beyond =
          one.left < -slack ||
          one.top < -slack ||
          one.right > canvas.width + slack ||
          one.bottom > canvas.height + slack;
        if (beyond && !canvas.closest("[data-testid='stDataFrame']"))
          // a table that scrolls by itself
          faults.cut.push(`${brief(one.text)} is cut by the edge of ${named(canvas)}`);
        for (const other of labels.slice(i + 1)) {
          if (one.upright && other.upright && meet(one, other, ratio))
            faults.over.push(
              `${brief(one.text)} and ${brief(other.text)} on ${named(canvas)} are drawn over each other`,
            );
        }
      });
    }
    return faults;
  };

  const smalls = (lines) => {
    const small = new Map(
      lines.filter(({ px, shown }) => shown && px < LEAST_FONT - 0.01).map((line) => [line.node, line]),
    );
    return [...small.values()].map(({ text, px }) => `${brief(text)} has ${px.toFixed(1)} px`);
  };

  // --- Contrast.
  const channels = (colour) => {
    const numbers = colour.match(/-?[\d.]+(e-?\d+)?%?/g)?.map(parseFloat) ?? [];
    if (colour.startsWith("#")) return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)).concat(1);
    if (colour.startsWith("color(srgb")) return [...numbers.slice(0, 3).map((v) => v * 255), numbers[3] ?? 1];
    return colour.startsWith("rgb") ? [...numbers.slice(0, 3), numbers[3] ?? 1] : [0, 0, 0, 0];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratioOf = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  /** Of what stands at `rect`: a label that is drawn beside its parent does not lie on it. */
  const backgroundOf = (node, rect = node.getBoundingClientRect()) => {
    const sheets = [];
    const [x, y] = [(rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2];
    for (const one of ancestors(node)) {
      const box = one.getBoundingClientRect();
      if (one !== document.body && (x < box.left || x > box.right || y < box.top || y > box.bottom)) continue;
      const colour = channels(getComputedStyle(one).backgroundColor);
      if (colour[3]) sheets.push(colour);
      if (colour[3] === 1) break;
    }
    return sheets.reverse().reduce((below, sheet) => over(sheet, below), [255, 255, 255, 1]);
  };

  /** In a drawing the ground of a text is the last shape before it that holds its middle. */
  const groundOf = ({ parent, rect }) => {
    const drawing = parent.closest("svg");
    let below = backgroundOf(drawing ?? parent, rect);
    if (!drawing) return below;
    const [x, y] = [(rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2];
    for (const shape of drawing.querySelectorAll("rect, path, circle, text")) {
      if (shape === parent.closest("text")) break;
      const box = shape.getBoundingClientRect();
      if (shape.tagName === "text" || x < box.left || x > box.right || y < box.top || y > box.bottom || !seen(shape))
        continue;
      const style = getComputedStyle(shape);
      const fill = style.fill === "none" ? [0, 0, 0, 0] : channels(style.fill);
      below = over([...fill.slice(0, 3), fill[3] * parseFloat(style.fillOpacity) * parseFloat(style.opacity)], below);
    }
    return below;
  };
  const inkOf = ({ parent }) => {
    const style = getComputedStyle(parent);
    const ink = channels(parent instanceof SVGElement ? style.fill : style.color);
    let share = ink[3];
    for (const one of ancestors(parent)) share *= parseFloat(getComputedStyle(one).opacity);
    return [...ink.slice(0, 3), share];
  };

  const pale = (lines) => {
    const faults = new Set();
    for (const line of lines) {
      if (!line.shown || line.parent.closest(":disabled, [aria-disabled=true]")) continue;
      const below = groundOf(line);
      const ratio = ratioOf(over(inkOf(line), below), below);
      if (ratio < LEAST_TEXT - 0.02) faults.add(`${brief(line.text)} has ${ratio.toFixed(2)}:1`);
    }
    for (const canvas of canvases()) {
      const card = backgroundOf(canvas);
      for (const { text, colour, under } of written.get(canvas) ?? []) {
        if (!under || typeof colour !== "string") continue;
        const below = over(under, card);
        const ratio = ratioOf(over(channels(colour), below), below);
        if (ratio < LEAST_TEXT - 0.02) faults.add(`${brief(text)} on ${named(canvas)} has ${ratio.toFixed(2)}:1`);
      }
    }
    for (const key of all(KEYS).filter(seen)) {
      const style = getComputedStyle(key);
      const below = backgroundOf(above(key));
      const paints = [style.backgroundColor, ...(style.backgroundImage.match(/(rgba?|color)\([^)]*\)/g) ?? [])];
      if (parseFloat(style.borderTopWidth)) paints.push(style.borderTopColor);
      if (parseFloat(style.outlineWidth) && style.outlineStyle !== "none") paints.push(style.outlineColor);
      const best = Math.max(...paints.map((paint) => ratioOf(over(channels(paint), below), below)));
      const scale = key.parentElement.matches(".mx-scale"); // a scale is read as a whole: its dark end counts
      if (best < LEAST_MARK && !scale)
        faults.add(`the key ${named(key)} of ${brief(key.parentElement.textContent)} has ${best.toFixed(2)}:1`);
    }
    return [...faults];
  };

  // --- The play bar, wherever the page is scrolled to; thumbs; scrolling sideways.
  const scroller = () => document.querySelector("[data-testid=stMain]");

  const bars = () => {
    const pane = scroller();
    const faults = [];
    for (const time of all(".mx-time")) {
      const picture = time.closest(".mx").querySelector(".mx-desk");
      const began = pane.scrollTop;
      const header = document.querySelector("[data-testid=stHeader]")?.getBoundingClientRect().bottom ?? 0;
      for (let top = 0; top <= pane.scrollHeight - pane.clientHeight + innerHeight / 2; top += innerHeight / 2) {
        pane.scrollTop = top;
        const [view, bar] = [picture.getBoundingClientRect(), time.getBoundingClientRect()];
        if (view.top > innerHeight - bar.height - 80 || view.bottom < header + 80) continue;
        if (bar.bottom > innerHeight + 1 || bar.top < header - 1)
          faults.push(`no play bar at ${Math.round(pane.scrollTop)} px down the page`);
        else if (bar.height > innerHeight * 0.3)
          faults.push(`the play bar takes ${Math.round(bar.height)} px of ${innerHeight}`);
      }
      pane.scrollTop = began;
    }
    return faults;
  };

  const sideways = () => {
    const faults = [];
    for (const box of [document.documentElement, scroller()]) {
      if (box && box.scrollWidth > box.clientWidth + 1)
        faults.push(`the page is ${box.scrollWidth} px wide and shows ${box.clientWidth}`);
    }
    for (const table of all("table.criteria, [data-testid='stTable']").filter(seen)) {
      // it holds sentences, which nobody should have to push sideways to read
      const narrow = [table, ...ancestors(table)].find((one) => one.scrollWidth > one.clientWidth + 1);
      if (narrow && /auto|scroll|hidden/.test(getComputedStyle(narrow).overflowX))
        faults.push(`${named(table)} is ${narrow.scrollWidth} px wide and shows ${narrow.clientWidth}`);
    }
    return faults;
  };

  const thumbs = () => {
    if (innerWidth > 640) return [];
    return all(CONTROLS)
      .filter(
        (node) =>
          seen(node) && !["hidden", "checkbox", "range"].includes(node.type) && !node.matches(".mx-landmark, .mx-more"),
      )
      .filter((node) => node.getBoundingClientRect().height < THUMB - 0.5)
      .map(
        (node) =>
          `${named(node)} ${brief(node.textContent)} is ${Math.round(node.getBoundingClientRect().height)} px high`,
      );
  };

  /** plotly draws a figure anew some time after its place has another size. */
  const fits = (figure) => {
    const drawn = figure.querySelector(".main-svg");
    return !drawn || Math.abs(drawn.getBoundingClientRect().width - figure.getBoundingClientRect().width) < 1;
  };

  const frame = () => new Promise((done) => requestAnimationFrame(done));

  globalThis.mxLayout = {
    /** Waits until nothing has moved for `still` frames (two after the observers of sizes have been served). */
    async settle(still = 3) {
      let [before, same] = ["", 0];
      for (let i = 0; i < 90 && same < still; i++) {
        await frame();
        const now = all(`${CARDS}, .mx-canvas, .mx-time, .js-plotly-plot .main-svg`)
          .map((node) => node.getBoundingClientRect())
          .map((box) => `${box.left} ${box.top} ${box.width} ${box.height}`)
          .join();
        same = now === before && all(".js-plotly-plot").every(fits) ? same + 1 : 0;
        before = now;
      }
    },
    /** Turns the presenter's switch; pages without one are enlarged in the same way. */
    async larger(on) {
      const button = all("[data-act=presenter]").find(seen);
      if (button && (button.getAttribute("aria-pressed") === "true") !== on) button.click();
      else if (!button) document.documentElement.style.fontSize = on ? "133.33%" : "";
      await this.settle();
    },
    measure() {
      const lines = texts();
      const drawn = onCanvases();
      return {
        overlaps: overlaps(),
        cut: [...cuts(lines), ...drawn.cut],
        over: [...crossings(lines), ...drawn.over],
        small: [...smalls(lines), ...drawn.small],
        bar: bars(),
        sideways: sideways(),
        thumbs: thumbs(),
      };
    },
    async contrast() {
      globalThis.mxTree.sampling = true;
      dispatchEvent(new Event("resize"));
      await this.settle(4);
      globalThis.mxTree.sampling = false;
      return pale(texts());
    },
  };
})();
