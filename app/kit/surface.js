// What every picture stands on: its markup, its colours, its sizes, its canvases, and its voice to Python.

class Surface {
  constructor(host, state) {
    const template = document.createElement("template");
    template.innerHTML = MX_HTML; // constant markup of this component; data never passes here
    const style = document.createElement("style");
    style.textContent = MX_CSS;
    this.root = template.content.firstElementChild;
    host.querySelector(".mx-host").replaceChildren(style, this.root);
    this.parts = new Map([...this.root.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
    Object.assign(
      this,
      { run: null, hovered: null, unit: rem() * 0.875, sizes: new Map(), frames: {}, roomBelow: 7.6, roomLeast: 34 },
      state,
    );
    this.readTheme();
  }

  part(name) {
    return this.parts.get(name);
  }

  /** Once all panels are made: what buttons do, by the name in `data-act`, and what makes everything be drawn anew. */
  bind(acts) {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act]");
      if (button?.dataset.act === "presenter") this.present(button);
      else if (button && this.run) acts[button.dataset.act](button);
    });
    // The probe's colour is Streamlit's background with a short transition: it tells when the theme is switched.
    this.root.querySelector(".mx-probe").addEventListener("transitionend", () => {
      this.readTheme();
      this.draw();
    });
    this.watch = new ResizeObserver(() => this.resize());
    for (const box of [this.root, ...this.root.querySelectorAll(".mx-canvas")]) this.watch.observe(box);
    this.onWindow = () => this.resize();
    addEventListener("resize", this.onWindow);
    document.fonts?.ready.then(() => this.draw());
  }

  present(button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    document.documentElement.style.fontSize = on ? "133.33%" : "";
    this.resize();
  }

  /** The desk fills what the page leaves it, so that everything is on the first screen; `roomBelow` and `roomLeast` are in rem. */
  resize() {
    this.unit = rem() * 0.875;
    this.sizes.clear();
    const top = this.root.getBoundingClientRect().top + (this.scroller()?.scrollTop ?? 0);
    this.root.style.setProperty(
      "--mx-desk",
      `${Math.max(innerHeight - top - this.roomBelow * rem(), this.roomLeast * rem())}px`,
    );
    this.soon("all", () => this.draw());
  }

  scroller() {
    return document.querySelector("[data-testid=stMain]");
  }

  /** In the next frame, once; another call takes the place of an earlier one of the same name, and of no other. */
  soon(name, action) {
    cancelAnimationFrame(this.frames[name]);
    this.frames[name] = requestAnimationFrame(action);
  }

  readTheme() {
    const ground = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim();
    if (/^#[0-9a-f]{6}$/i.test(ground)) {
      const [r, g, b] = rgb(ground);
      this.root.dataset.theme = 0.2126 * r + 0.7152 * g + 0.0722 * b < 110 ? "dark" : "light";
    }
    const style = getComputedStyle(this.root);
    const roles = [
      "ground",
      "card",
      "ink",
      "soft",
      "line",
      "hatch",
      "cell",
      "graphic",
      "query",
      "attention",
      "surprise",
      "influence",
      "error",
    ];
    this.colour = Object.fromEntries(roles.map((role) => [role, style.getPropertyValue(`--mx-${role}`).trim()]));
    this.colour.sans = style.fontFamily;
    this.colour.serif = style.getPropertyValue("--mx-serif");
    const tile = document.createElement("canvas");
    const apart = 10; // lines far enough apart that a hatched half of a picture stays quiet
    tile.width = tile.height = apart;
    const pen = tile.getContext("2d");
    pen.strokeStyle = this.colour.line;
    pen.beginPath();
    for (const shift of [-apart, 0, apart]) {
      pen.moveTo(shift, apart);
      pen.lineTo(shift + apart, 0);
    }
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

  message(text) {
    const box = this.part("message");
    box.hidden = !text;
    box.textContent = text || "";
  }

  /** Shows what is known of one thing under its node, or beside a place on the screen; above it where there is no room below. */
  explain(children, node, place) {
    const pop = this.part("pop");
    pop.replaceChildren(...children);
    pop.hidden = false;
    const frame = this.root.getBoundingClientRect();
    const anchor = place ? { left: place.x, top: place.y - 8, bottom: place.y + 12 } : node.getBoundingClientRect();
    const left = clamp(anchor.left - frame.left, 0, Math.max(0, frame.width - pop.offsetWidth));
    const fitsBelow = anchor.bottom + pop.offsetHeight + 10 < innerHeight;
    const top = fitsBelow ? anchor.bottom - frame.top + 6 : anchor.top - frame.top - pop.offsetHeight - 6;
    pop.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  /** The bytes of a payload; null = there are none, or they were taken before. */
  receive(component) {
    this.component = component;
    const bytes = component.data instanceof Uint8Array ? component.data : new Uint8Array(component.data ?? 0);
    if (bytes.length < 8 || bytes === this.bytes) return null;
    this.bytes = bytes;
    return bytes;
  }

  emit(name, value) {
    if (!leaving()) this.component?.setStateValue(name, value);
  }
  trigger(name, value) {
    if (!leaving()) this.component?.setTriggerValue(name, value);
  }

  /** Says a sticky value, unless it was the last one said; what is kept back while the page is being left was not said.
   *  A stamp goes along and makes nothing new. */
  emitNew(name, value, stamp = {}) {
    if (leaving()) return;
    const said = (this.saidLast ??= {});
    if (JSON.stringify(value) === said[name]) return;
    said[name] = JSON.stringify(value);
    this.emit(name, { ...value, ...stamp });
  }

  /** Tokens are missing: Python is asked for them, at most once a second. */
  askAgain(run) {
    if (performance.now() - (this.askedAt ?? -Infinity) < 1000) return;
    this.askedAt = performance.now();
    this.emit("need", { run: run.id, from: run.count, n: performance.now() });
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
function leaving() {
  return performance.now() - departure.at < LEAVING_MS;
}

function follow(mark) {
  const left = () => {
    mark.at = performance.now();
  };
  addEventListener(
    "click",
    (event) => {
      const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
      if (link?.origin !== location.origin || link.pathname === location.pathname) return;
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) left();
      // A browser opens a tab or a window of its own and this page stays, unless Streamlit follows the link here all the same.
      else
        setTimeout(() => {
          if (event.defaultPrevented) left();
        });
    },
    true,
  );
  addEventListener("popstate", left);
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
