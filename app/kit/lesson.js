// How a page says to the class where it is, and how it goes where the presenter's page is: again until it is so, since
// a message can be lost and a page can be late. `room.js` is the class itself.

export const LOOK_MS = 300; // between two looks at what the own page shows
/** After so many looks at a page that is not there yet it is asked for once more: 6, 12, 24 and 48 seconds. */
const ONCE_MORE = [20, 40, 80, 160];

/**
 * Tells the newest of what is so: one message at a time, so that none overtakes another, and again while the server has
 * not taken it.
 */
export class Teller {
  /**
   * @param {(what: object) => Promise<boolean>} send  whether the server has answered
   * @param {object} known  what the server takes to be so
   */
  constructor(send, known) {
    this.send = send;
    this.known = JSON.stringify(known);
    this.busy = false;
  }

  /** Whoever calls this again and again is told in the end.
   * @param {object} what */
  async tell(what) {
    const json = JSON.stringify(what);
    if (this.busy || json === this.known) return;
    this.busy = true;
    try {
      if (await this.send(what)) this.known = json;
    } finally {
      this.busy = false;
    }
  }
}

/**
 * Goes to a place, and looks at the page until it is there.
 *
 * @template Place
 */
export class Follower {
  /**
   * @param {(place: Place) => boolean} there  shows the place if the page has it by now; whether it has
   * @param {(place: Place) => boolean} isOpen  whether the address is that of the place
   * @param {(place: Place) => void} open  asks for the page of the place
   */
  constructor(there, isOpen, open) {
    this.there = there;
    this.isOpen = isOpen;
    this.open = open;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.next = undefined;
  }

  /** @param {Place | null} place  null = nowhere any more */
  go(place) {
    clearTimeout(this.next);
    if (!place) return;
    if (!this.isOpen(place)) this.open(place);
    let looks = 0;
    const look = () => {
      if (this.there(place)) return;
      looks += 1;
      if (ONCE_MORE.includes(looks)) this.open(place);
      this.next = setTimeout(look, LOOK_MS);
    };
    look();
  }
}
