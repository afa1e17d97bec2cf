// What the player draws on: its colours, its sizes, and the canvases.

class Surface {
  constructor() {
    this.sizes = new Map();
  }

  present(button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    document.documentElement.style.fontSize = on ? "133.33%" : "";
    this.resize();
  }

  /** The desk fills what the page leaves it, so that everything is on the first screen. */
  resize() {
    this.unit = rem() * 0.875;
    this.sizes.clear();
    const top = this.root.getBoundingClientRect().top + (this.scroller()?.scrollTop ?? 0);
    const room = innerHeight - top - 7.6 * rem();
    this.root.style.setProperty("--mx-desk", `${Math.max(room, 34 * rem())}px`);
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => this.draw());
  }

  scroller() { return document.querySelector("[data-testid=stMain]"); }

  readTheme() {
    const ground = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim();
    if (/^#[0-9a-f]{6}$/i.test(ground)) {
      const [r, g, b] = rgb(ground);
      this.root.dataset.theme = 0.2126 * r + 0.7152 * g + 0.0722 * b < 110 ? "dark" : "light";
    }
    const style = getComputedStyle(this.root);
    const roles = ["ground", "card", "ink", "soft", "line", "hatch", "cell", "graphic", "query", "attention", "surprise", "influence"];
    this.colour = Object.fromEntries(roles.map((role) => [role, style.getPropertyValue(`--mx-${role}`).trim()]));
    this.colour.sans = style.fontFamily;
    this.colour.serif = style.getPropertyValue("--mx-serif");
    const tile = document.createElement("canvas");
    const apart = 10; // lines far enough apart that a hatched half of a picture stays quiet
    tile.width = tile.height = apart;
    const pen = tile.getContext("2d");
    pen.strokeStyle = this.colour.line;
    pen.beginPath();
    for (const shift of [-apart, 0, apart]) { pen.moveTo(shift, apart); pen.lineTo(shift + apart, 0); }
    pen.stroke();
    this.colour.hatching = pen.createPattern(tile, "repeat");
  }

  /** Measured once until something is resized: asking the browser in every frame would make it lay out anew. */
  size(node) {
    if (!this.sizes.has(node)) this.sizes.set(node, { width: node.clientWidth, height: node.clientHeight });
    const size = this.sizes.get(node);
    if (!size.width) this.sizes.delete(node);
    return size;
  }

  /** A canvas ready to draw on in css pixels, or null while it has no size. */
  pen(canvas) {
    const { width, height } = this.size(canvas);
    if (!width || !height) return null;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    return { g, width, height };
  }

  emit(name, value) { if (!leaving()) this.component?.setStateValue(name, value); }
  trigger(name, value) { if (!leaving()) this.component?.setTriggerValue(name, value); }

  /** Says a sticky value, unless it was the last one said. */
  emitNew(name, value) {
    const said = (this.saidLast ??= {});
    if (JSON.stringify(value) === said[name]) return;
    said[name] = JSON.stringify(value);
    this.emit(name, value);
  }

  /** Tokens are missing: Python is asked for them, at most once a second. */
  askAgain(run) {
    if (performance.now() - (this.askedAt ?? -Infinity) < 1000) return;
    this.askedAt = performance.now();
    this.emit("need", { run: run.id, from: run.count, n: (this.asks = (this.asks ?? 0) + 1) });
  }

  /** Lets go of what reaches beyond the surface. */
  leave() {
    this.watch.disconnect();
    removeEventListener("resize", this.onWindow);
    if (document.documentElement.style.fontSize === "133.33%") document.documentElement.style.fontSize = "";
  }
}

/** When a link to another page was followed in this tab; the programs of all pictures share it. */
const departure = (globalThis["mistral-explorer-departure"] ??= follow({ at: -Infinity }));
const LEAVING_MS = 4000;

/** After that a picture says nothing more: Streamlit would take its word for a wish to go back to its page, and break. */
function leaving() { return performance.now() - departure.at < LEAVING_MS; }

function follow(mark) {
  addEventListener("click", (event) => {
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
    if (link?.origin === location.origin && link.pathname !== location.pathname && !event.ctrlKey && !event.metaKey) mark.at = performance.now();
  }, true);
  addEventListener("popstate", () => { mark.at = performance.now(); });
  return mark;
}

/** What a component's program exports: one View for each place in the page, found by `mount.js` under the picture's name. */
function serve(name, View) {
  const shown = new Map();
  const hub = (globalThis[`mistral-explorer-${name}`] ??= { waiting: new Map() });
  hub.render = (component) => {
    const host = component.parentElement;
    let view = shown.get(host);
    if (!view?.root.isConnected) {
      view?.dispose();
      view = new View(host);
      shown.set(host, view);
      departure.at = -Infinity; // arrived
    }
    view.take(component);
  };
  hub.dispose = (host) => {
    shown.get(host)?.dispose();
    shown.delete(host);
  };
  return () => {
    for (const component of hub.waiting.values()) hub.render(component);
    hub.waiting.clear();
  };
}
