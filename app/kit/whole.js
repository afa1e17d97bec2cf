// A text that comes whole with every payload: what pages know of it before they know anything else.

import { nameBytes } from "./bytes.js";

/** @template {{ run: string, tokens: [string, string, number][] }} Header */
export class WholeText {
  /** @param {Header} header */
  constructor(header) {
    this.id = header.run;
    this.meta = header;
    this.count = header.tokens.length;
    this.texts = header.tokens.map(([text]) => text);
    this.labels = header.tokens.map(([, label]) => label);
    nameBytes(this.texts, [...this.labels], this.labels, 0);
  }
}
