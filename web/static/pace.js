// How fast something goes, over the last seconds. Pure: takes the moment.

const WINDOW = 6000;

export class Pace {
  /** @type {{done: number, now: number}[]} */
  #steps = [];

  /**
   * So much is done at this moment (milliseconds).
   * @param {number} done
   * @param {number} now
   */
  note(done, now) {
    if (this.#steps.length && done < this.#steps[this.#steps.length - 1].done) this.#steps = [];
    this.#steps.push({ done, now });
    while (this.#steps.length > 2 && now - this.#steps[1].now >= WINDOW) this.#steps.shift();
  }

  /** Bytes a second; 0 while it cannot be said. */
  get rate() {
    if (this.#steps.length < 2) return 0;
    const first = this.#steps[0], last = this.#steps[this.#steps.length - 1];
    return last.now - first.now < 500 ? 0 : ((last.done - first.done) * 1000) / (last.now - first.now);
  }

  /** What was before says nothing of how it goes from now on. */
  clear() {
    this.#steps = [];
  }
}
