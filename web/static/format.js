// Numbers and moments as people read them. Pure.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/**
 * Bytes as text, in powers of 1000.
 * @param {number} count
 */
export function bytes(count) {
  let value = count, unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) { value /= 1000; unit += 1; }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/**
 * A count with its noun.
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

/**
 * How long ago a moment (milliseconds since 1970) was.
 * @param {number} moment
 * @param {number} [now]
 */
export function age(moment, now = Date.now()) {
  const seconds = Math.max(0, (now - moment) / 1000);
  if (seconds < 45) return "just now";
  for (const [unit, length] of /** @type {[string, number][]} */ ([["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]])) {
    const whole = Math.floor(seconds / length);
    if (whole >= 1) return `${count(whole, unit)} ago`;
  }
  return "1 minute ago";
}

/**
 * A moment in full.
 * @param {number} milliseconds
 */
export function moment(milliseconds) {
  return new Date(milliseconds).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/**
 * Seconds as a short length of time.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60), hours = Math.floor(minutes / 60);
  if (hours === 0) return `${minutes} min`;
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}

/**
 * done of total as a whole percentage; 100 only when all is done.
 * @param {number} done
 * @param {number} total
 */
export function percent(done, total) {
  if (total === 0 || done >= total) return 100;
  return Math.min(99, Math.floor((done / total) * 100));
}
