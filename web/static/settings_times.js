// The times of a window of the schedule, as the daemon writes them: "mon-fri 08:00-18:00". Pure.

import { speaking } from "./strings.js";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** @typedef {{days: Set<string>, from: string, to: string}} Times */

/**
 * The days, a Set of names, and both times of a window.
 * @param {string} text
 * @returns {Times}
 */
export function readTimes(text) {
  const [days, hours] = text.includes(" ") ? text.split(" ") : ["daily", text];
  const [from, to] = hours.split("-");
  return { days: readDays(days), from, to };
}

/** @param {string} text */
function readDays(text) {
  if (text === "daily") return new Set(DAYS);
  const found = /** @type {Set<string>} */ (new Set());
  for (const part of text.split(",")) {
    const [first, last = first] = part.split("-").map((day) => DAYS.indexOf(day));
    const steps = (last - first + 7) % 7;
    for (let step = 0; step <= steps; step += 1) found.add(DAYS[(first + step) % 7]);
  }
  return found;
}

/**
 * What the daemon reads as these days and times.
 * @param {Times} times
 */
export function writeTimes({ days, from, to }) {
  const chosen = DAYS.filter((day) => days.has(day));
  return `${chosen.length === DAYS.length ? "daily" : chosen.join(",")} ${from.trim()}-${to.trim()}`;
}

/**
 * First and last of the days that follow one another; two alone are told one by one.
 * @param {Set<string>} days
 */
export function runsOf(days) {
  const runs = /** @type {string[][]} */ ([]);
  for (const [place, day] of DAYS.entries()) {
    if (!days.has(day)) continue;
    if (place && days.has(DAYS[place - 1])) runs[runs.length - 1].push(day);
    else runs.push([day]);
  }
  return runs.flatMap((run) => (run.length > 2 ? [[run[0], run[run.length - 1]]] : run.map((day) => [day, day])));
}

/**
 * Whether both mean the same window.
 * @param {Times} one
 * @param {Times} other
 */
export function sameTimes(one, other) {
  /** @param {Times} times */
  const plain = ({ days, from, to }) => JSON.stringify([DAYS.filter((day) => days.has(day)), minutes(from), minutes(to)]);
  return plain(one) === plain(other);
}

/** @param {string} text */
const minutes = (text) => text.trim().split(":").map(Number).join(":");

/**
 * A day's name in the language of the browser; 1 January 2024 was a Monday.
 * @param {string} day
 * @param {"short" | "long"} [form]
 */
export function dayName(day, form = "short") {
  return new Date(Date.UTC(2024, 0, 1 + DAYS.indexOf(day))).toLocaleDateString(speaking().locale, { weekday: form, timeZone: "UTC" });
}
