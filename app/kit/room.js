// A class: pages of pupils follow the presenter's until they let go; a text is shown to all; answers are counted.
// `app/room.py` is the other side. Without a class code none of this is there.

import { el } from "./dom.js";
import { plural, shorten } from "./format.js";
import { Follower, LOOK_MS, Teller } from "./lesson.js";
import { comeBack, openHere } from "./opening.js";
import { main } from "./together.js";

/** @typedef {{ path: string, search: string, run: string, look: Record<string, unknown> | null }} Place */
/** @typedef {{ version: number, presenter: boolean, place: Place | null, here?: number, question?: string,
 *   offers?: { path: string, search: string }[], answers?: Record<string, number> }} State */

const ADDRESS = "/class/room";
const AGAIN_MS = 2000; // before a server that did not answer is asked again
/** What of an address says where in a run one is: the picture itself goes there. */
const WITHIN = ["t", "layer", "head"];

/** The number that this tab has drawn for itself. */
function tab() {
  const known = sessionStorage.getItem("class-tab");
  const drawn = known ?? crypto.getRandomValues(new Uint32Array(3)).join("");
  if (!known) sessionStorage.setItem("class-tab", drawn);
  return drawn;
}

/** @param {object} what */
const say = (what) =>
  fetch(`${ADDRESS}?tab=${tab()}`, { method: "POST", body: JSON.stringify(what) }).catch(() => null);

const NOBODY = { what: "rest" };

class Room {
  constructor() {
    /** @type {State | null} */
    this.state = null;
    /** @type {HTMLElement | null} where the page has room for it */
    this.place = null;
    this.following = sessionStorage.getItem("class-alone") !== "1";
    this.leading = false;
    this.gone = false;
    /** Why the server does not take where this page is; "" = it does. */
    this.refused = "";
    this.teller = new Teller((what) => this.send(what), NOBODY);
    /** @type {Follower<Place>} */
    this.follower = new Follower(looked, (place) => sameRun(location, place), open);
    this.listen();
  }

  async listen() {
    while (!this.gone) {
      const version = this.state?.version ?? 0;
      const got = await fetch(`${ADDRESS}?since=${version}&tab=${tab()}`).catch(() => null);
      const state = got?.ok && !got.redirected ? await got.json().catch(() => null) : null;
      if (state) this.take(state);
      else if (got && (got.redirected || got.status === 404))
        this.gone = true; // the lesson has ended, or another one has begun
      else await new Promise((again) => setTimeout(again, AGAIN_MS));
    }
    this.draw();
  }

  /** @param {State} state */
  take(state) {
    const before = JSON.stringify(this.state?.place ?? null);
    const first = !this.state;
    this.state = state;
    if (first && state.presenter) this.presents();
    if (!state.presenter && this.following && JSON.stringify(state.place) !== before) this.follower.go(state.place);
    this.draw();
  }

  /** From now on this page can lead; when it is closed or loaded anew, nobody does. */
  presents() {
    setInterval(() => this.lookAtItself(), LOOK_MS);
    addEventListener("pagehide", () => {
      if (this.leading) navigator.sendBeacon(`${ADDRESS}?tab=${tab()}`, JSON.stringify(NOBODY));
    });
  }

  /** The presenter's page says where it is, when it is elsewhere, or that it leads no more. */
  lookAtItself() {
    this.teller.tell(this.leading ? { what: "lead", ...placeNow() } : NOBODY);
  }

  /** What is refused is not said again; what got no answer is.
   * @param {object} what */
  async send(what) {
    const answer = await say(what);
    if (!answer || answer.status >= 500) return false;
    const refused = answer.ok ? "" : ((await answer.json().catch(() => null))?.refused ?? "it was not taken");
    if (refused !== this.refused) {
      this.refused = refused;
      this.draw();
    }
    return true;
  }

  /** @param {boolean} on */
  follow(on) {
    this.following = on;
    sessionStorage.setItem("class-alone", on ? "0" : "1");
    this.follower.go(on ? (this.state?.place ?? null) : null);
    this.draw();
  }

  /** @param {boolean} on */
  lead(on) {
    this.leading = on;
    this.lookAtItself();
    this.draw();
  }

  draw() {
    const { state, place } = this;
    if (!place) return;
    place.classList.toggle("room-presenter", Boolean(state?.presenter));
    if (this.gone) place.replaceChildren(el("p", {}, "The lesson has ended."));
    else if (state) place.replaceChildren(...(state.presenter ? this.presenter(state) : this.pupil(state)));
  }

  /** @param {State} state */
  pupil({ place }) {
    const { following } = this;
    const words = following ? (place ? "You follow the class." : "Nobody leads now.") : "You look around on your own.";
    return [
      el("p", { role: "status" }, words),
      button(following ? "let go" : "follow the class", () => this.follow(!following)),
      button("offer my text", ({ target }) => {
        const { path, search } = placeNow();
        say({ what: "offer", path, search });
        if (target instanceof HTMLElement) target.textContent = "offered";
      }),
    ];
  }

  /** @param {State} state */
  presenter({ here = 0, offers = [], question = "", answers = {} }) {
    const all = Object.values(answers).reduce((sum, count) => sum + count, 0);
    const texts = offers.map((offer) => {
      const text = new URLSearchParams(offer.search).get("text") ?? offer.path;
      return button(`“${shorten(text, 32)}”`, () => openHere(offer.path + offer.search));
    });
    return [
      el("p", { role: "status" }, `${plural(Math.max(0, here - 1), "pupil")} here`),
      button(this.leading ? "stop leading" : "lead the class", () => this.lead(!this.leading), this.leading),
      ...(this.refused ? [el("p", { role: "alert" }, `The class does not see this: ${this.refused}.`)] : []),
      ...(texts.length ? [el("span", {}, "offered: "), ...texts] : []),
      ...(all ? [histogram(question, answers, all)] : []),
      ...(all || texts.length ? [button("clear", () => say({ what: "clear" }))] : []),
    ];
  }
}

/** @param {string} question @param {Record<string, number>} answers @param {number} all */
function histogram(question, answers, all) {
  const most = Math.max(...Object.values(answers));
  const rows = Object.entries(answers).map(([answer, count]) => {
    const bar = el("i", {});
    bar.style.width = `${(100 * count) / most}%`;
    return el(
      "li",
      { "data-answer": answer, "data-count": count },
      el("span", {}, answer),
      el("span", { class: "room-bar" }, bar),
      el("b", {}, String(count)),
    );
  });
  return el(
    "figure",
    { class: "room-answers" },
    el("figcaption", {}, `${question}: ${plural(all, "answer")}`),
    el("ul", {}, ...rows),
  );
}

/** @param {string} label @param {(event: Event) => void} onclick @param {boolean | null} [pressed] */
const button = (label, onclick, pressed = null) =>
  el("button", { type: "button", onclick, "aria-pressed": pressed === null ? null : String(pressed) }, label);

/** @returns {Place} */
function placeNow() {
  const picture = main();
  return {
    path: location.pathname,
    search: location.search,
    run: picture?.root.dataset.run ?? "", // that the server has
    look: picture ? { ...picture.shared(), ...predicting(picture) } : null,
  };
}

/** Of a page on which one guesses first.
 * @param {object} picture */
const predicting = (picture) => ("predicting" in picture ? { predicting: picture.predicting } : {});

/** Whether an address shows the same page and run as a place; where in the run does not count.
 * @param {{ pathname: string, search: string }} now
 * @param {{ path: string, search: string }} place */
export function sameRun(now, place) {
  const but = (/** @type {string} */ search) => {
    const query = new URLSearchParams(search);
    for (const name of WITHIN) query.delete(name);
    query.sort();
    return query.toString();
  };
  return now.pathname === place.path && but(now.search) === but(place.search);
}

/** Opens an address in this session, as if one came back to it.
 * @param {{ path: string, search: string }} place */
function open(place) {
  comeBack(sameRun(location, place) ? undefined : place.path + place.search);
}

/** Looks at the run as the presenter does; false = it is not here yet.
 * @param {Place} place */
function looked({ run, look, path }) {
  if (!look || !run) return true;
  const picture = main();
  const mine = /** @type {{ id?: string } | null} */ (picture?.run ?? null);
  if (!picture || location.pathname !== path || mine?.id !== run) return false;
  const { predicting: asked, ...rest } = look;
  picture.follow({ ...rest, ...(rest.t === null ? { t: Infinity } : {}) });
  const page = /** @type {{ predicting?: boolean, predict?: (on: boolean) => void }} */ (picture);
  if (typeof asked === "boolean" && page.predict && page.predicting !== asked) page.predict(asked);
  return true;
}

/** @type {Room | null} */
let room = null;

/** Gives the class its place on the page that is shown.
 * @param {HTMLElement} place */
export function roomed(place) {
  room ??= new Room();
  room.place = place;
  room.draw();
}

/** Tells the class what was answered; where there is none, nobody.
 * @param {string} question @param {string} given */
export function answered(question, given) {
  if (room && !room.state?.presenter) say({ what: "answer", question, answer: given });
}
