// How fast this machine received and sent within the last hour, drawn, and in words.

import { api } from "./api.js";
import { rate } from "./format.js";
import { connection } from "./store.js";
import { t } from "./strings.js";
import { html, useEffect, useState } from "./vendor/preact-htm.js";

const EVERY = 10000, WIDE = 720, HIGH = 120, HOUR = 3600;

/** What was measured within the last hour, asked for again and again; null until it is known. */
export function useRates() {
  const [rates, setRates] = useState(/** @type {Api.RatesKept | null} */ (null));
  useEffect(() => {
    const load = () => document.visibilityState === "visible" && connection.get() !== "page" && api.rates().then(setRates, () => {});
    load();
    const timer = setInterval(load, EVERY);
    return () => clearInterval(timer);
  }, []);
  return rates;
}

/**
 * The newest sample, if it is of now.
 * @param {Api.RatesKept | null} rates
 */
export function newest(rates) {
  const last = rates?.samples.at(-1);
  return rates && last && last.ago <= 3 * rates.every ? last : null;
}

/**
 * A line through one direction's samples; it breaks where some are missing.
 * @param {Api.RatesKept} rates
 * @param {"down" | "up"} which
 * @param {number} most
 */
function line({ samples, every }, which, most) {
  return samples.map((sample, index) => {
    const gap = index === 0 || samples[index - 1].ago - sample.ago > 3 * every;
    return `${gap ? "M" : "L"}${((1 - sample.ago / HOUR) * WIDE).toFixed(1)} ${((1 - sample[which] / most) * (HIGH - 4) + 2).toFixed(1)}`;
  }).join("");
}

export function RateGraph() {
  const rates = useRates();
  const samples = rates?.samples ?? [];
  const down = Math.max(0, ...samples.map((sample) => sample.down)), up = Math.max(0, ...samples.map((sample) => sample.up));
  const now = newest(rates), most = Math.max(down, up, 1);
  const said = samples.length < 2 ? t("Nothing measured yet.") : t("Within the last hour this machine received up to {down} and sent up to {up}.", { down: rate(down), up: rate(up) });
  return html`<div class="card rates"><div class="head"><h2>${t("Last hour")}</h2>
      <p class="legend"><span class="down">${t("Received {rate}", { rate: now ? rate(now.down) : "–" })}</span><span class="up">${t("Sent {rate}", { rate: now ? rate(now.up) : "–" })}</span></p></div>
    <svg viewBox=${`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" role="img" aria-label=${said}>
      <path class="grid" d=${[0.5, HIGH / 2, HIGH - 0.5].map((y) => `M0 ${y}H${WIDE}`).join("")} />
      ${rates && samples.length > 1 && html`<path class="down" d=${line(rates, "down", most)} /><path class="up" d=${line(rates, "up", most)} />`}
    </svg>
    <p class="scale soft"><span>${t("1 hour ago")}</span><span>${samples.length > 1 ? t("top: {rate}", { rate: rate(most) }) : t("Nothing measured yet")}</span><span>${t("now")}</span></p>
  </div>`;
}
