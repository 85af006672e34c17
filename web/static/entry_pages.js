// The pages of a search, asked for as they come into view, forgotten when far away. A page begins
// where the one before ended: when that changes, as something was added or deleted, it is asked for anew.

import { api } from "./api.js";

const AHEAD = 60, KEPT = 12;

/** @typedef {{cursor: string, entries: Api.EntryView[] | null, count: number, stale: boolean}} Page */

export class EntryPages {
  /** @param {string} params what to look for @param {() => void} changed called when there is more to show */
  constructor(params, changed) {
    this.params = params;
    this.changed = changed;
    /** @type {Page[]} */
    this.pages = [{ cursor: "", entries: null, count: 0, stale: true }];
    this.total = 0;
    this.counted = true;
    this.local = false;
    /** @type {Api.Replaced[]} */
    this.replaced = [];
    /** @type {import("./api.js").ApiError | null} */
    this.error = null;
    this.begun = false;
    this.first = 0;
    this.last = 0;
    this.busy = false;
    this.closed = false;
  }

  /** How many entries are known; there are further ones while `hasMore`. */
  get length() {
    return this.pages.reduce((sum, page) => sum + page.count, 0);
  }

  get hasMore() {
    const last = this.pages[this.pages.length - 1];
    return last.stale && last.count === 0;
  }

  /**
   * The entry at a place, undefined while it is not here.
   * @param {number} index
   */
  at(index) {
    for (const page of this.pages) {
      if (index < page.count) return page.entries?.[index];
      index -= page.count;
    }
    return undefined;
  }

  /**
   * Any entry that is here and of which this is so.
   * @param {(entry: Api.EntryView) => boolean} test
   */
  some(test) {
    return this.pages.some((page) => page.entries?.some(test));
  }

  /**
   * These places are in view now.
   * @param {number} first
   * @param {number} last
   */
  show(first, last) {
    this.first = first;
    this.last = last;
    this.fill();
  }

  /** Ask again for what is in view. */
  refresh() {
    for (const page of this.pages) page.stale = true;
    this.error = null;
    return this.fill();
  }

  close() {
    this.closed = true;
  }

  /** Ask for what is in view or will soon be, one page after the other. */
  async fill() {
    if (this.busy || this.closed) return;
    this.busy = true;
    try {
      let page;
      while (!this.closed && (page = this.wanted()) !== undefined) await this.load(page);
      this.error = null;
    } catch (error) {
      this.error = error;
    }
    this.busy = false;
    if (!this.closed) this.changed();
  }

  /** The number of a page to ask for, the first one of those in view that are stale. */
  wanted() {
    let start = 0;
    for (const [number, page] of this.pages.entries()) {
      const end = start + page.count;
      const near = page.count === 0 ? start <= this.last + AHEAD : start <= this.last && end > this.first;
      if (page.stale && (near || (number === 0 && !this.begun))) return number;
      if (!page.entries && page.count > 0 && start <= this.last + AHEAD && end > this.first - AHEAD) return number;
      start = end;
    }
    return undefined;
  }

  /** @param {number} number */
  async load(number) {
    const page = this.pages[number];
    const found = await api.entries(this.params, page.cursor);
    if (this.closed) return;
    Object.assign(page, { entries: found.entries, count: found.entries.length, stale: false });
    Object.assign(this, { total: found.total, counted: !found.more, local: found.local, replaced: found.replaced, begun: true });
    const next = this.pages[number + 1];
    if (!found.cursor) this.pages.length = number + 1;
    else if (!next) this.pages.push({ cursor: found.cursor, entries: null, count: 0, stale: true });
    else if (next.cursor !== found.cursor) Object.assign(next, { cursor: found.cursor, stale: true });
    this.forget();
    this.changed();
  }

  /** Let go of entries that are many pages away. */
  forget() {
    let start = 0, shown = 0;
    for (const [number, page] of this.pages.entries()) {
      if (start <= this.first) shown = number;
      start += page.count;
    }
    for (const [number, page] of this.pages.entries()) {
      if (Math.abs(number - shown) > KEPT) page.entries = null;
    }
  }
}
