// How fast pieces may move: for all machines together, for single ones, on the same network.

import { Confirm } from "./dialogs.js";
import { listed } from "./format.js";
import { settingsApi } from "./settings_api.js";
import { FieldError, RateFields, rateText, rateValue, readRate, Section, Switch, useChange, Wrong } from "./settings_fields.js";
import { tell } from "./store.js";
import { t } from "./strings.js";
import { html, useState } from "./vendor/preact-htm.js";

/** @param {Api.RatesView} rates */
const typed = ({ up, down }) => ({ up: rateValue(up), down: rateValue(down) });

/** @param {import("./settings.js").Given} props */
export function LimitsSettings({ limits, machines, owner }) {
  return html`<${Section} id="limits" title=${t("Limits")} owner=${owner}>
    <p class="soft">${t("Now: sending {up}, receiving {down}.", { up: rateText(limits.now.up), down: rateText(limits.now.down) })} ${limits.windows.some((window) => window.now) && t("A window of the schedule holds.")}</p>
    <${All} key=${JSON.stringify(limits.base)} base=${limits.base} />
    <${Lan} limits=${limits} />
    <${ByMachine} limits=${limits} machines=${machines} owner=${owner} />
  <//>`;
}

/** @param {{base: Api.RatesView}} props */
function All({ base }) {
  const [rates, setRates] = useState(typed(base));
  const { busy, wrong, run, form } = useChange(async () => {
    await settingsApi.changeLimits({ up: readRate("up", rates.up), down: readRate("down", rates.down) });
    tell(t("The limits are saved."));
  });
  return html`<form ref=${form} onSubmit=${run} novalidate aria-label=${t("Limits for all machines together")}>
    <${RateFields} prefix="all" rates=${rates} set=${setRates} wrong=${wrong} />
    <p class="soft">${t("For all machines together, outside the schedule. Empty means no limit.")}</p>
    <${Wrong} wrong=${wrong} fields=${["up", "down"]} />
    <div class="buttons"><button class="button primary" disabled=${busy}>${t("Save limits")}</button></div>
  </form>`;
}

/** @param {{limits: Api.Limits}} props */
function Lan({ limits }) {
  const near = limits.near.length ? t("Linked that way now: {names}.", { names: listed(limits.near) }) : t("None is linked that way now.");
  const exempt = limits.lan === "exempt";
  return html`<${Switch} label=${t("No limits for machines on the same network")} hint=${near} on=${exempt}
    work=${() => settingsApi.changeLimits({ lan: exempt ? "limited" : "exempt" })} />`;
}

/** @param {{limits: Api.Limits, machines: Api.MachineView[], owner: boolean}} props */
function ByMachine({ limits, machines, owner }) {
  const [open, setOpen] = useState(""), [asked, setAsked] = useState("");
  const free = machines.map((machine) => machine.name).filter((name) => !limits.peers.some((each) => each.name === name));
  return html`<div class="by-machine"><h3>${t("Single machines")}</h3>
    ${limits.peers.length === 0 && html`<p class="soft">${t("No machine has a limit of its own.")}</p>`}
    <ul class="rows">${limits.peers.map((each) => html`<li key=${each.name}>
      ${open === each.name
        ? html`<${OneMachine} name=${each.name} names=${[each.name]} rates=${each.rates} close=${() => setOpen("")} />`
        : html`<span><strong><bdi>${each.name}</bdi></strong> <span class="soft">${t("sending {up}, receiving {down}", { up: rateText(each.rates.up), down: rateText(each.rates.down) })}${!each.known && ` · ${t("no machine of this name any more")}`}</span></span>
          ${owner && html`<span class="buttons"><button type="button" class="button" aria-label=${t("Change the limits of {name}", { name: each.name })} onClick=${() => setOpen(each.name)}>${t("Change")}</button>
            <button type="button" class="button danger" aria-label=${t("Remove the limits of {name}", { name: each.name })} onClick=${() => setAsked(each.name)}>${t("Remove")}</button></span>`}`}</li>`)}</ul>
    ${open === "+" && html`<${OneMachine} name=${free[0]} names=${free} rates=${{ up: null, down: null }} close=${() => setOpen("")} />`}
    ${owner && open !== "+" && free.length > 0 && html`<div class="buttons"><button type="button" class="button" onClick=${() => setOpen("+")}>${t("Limit a machine")}</button></div>`}
    ${asked && html`<${Confirm} title=${t("Remove the limits of {name}?", { name: asked })} text=${t("Only the limits for all machines together hold for it then.")} action=${t("Remove")} done=${t("{name} has no limits of its own now.", { name: asked })}
      work=${() => settingsApi.changeLimits({ peer: asked, up: null, down: null })} close=${() => setAsked("")} />`}
  </div>`;
}

/** @param {{name: string, names: string[], rates: Api.RatesView, close: () => void}} props */
function OneMachine({ name: first, names, rates: known, close }) {
  const [name, setName] = useState(first), [rates, setRates] = useState(typed(known));
  const { busy, wrong, run, form } = useChange(async () => {
    const change = { peer: name, up: readRate("up", rates.up), down: readRate("down", rates.down) };
    if (names.length > 1 && change.up === null && change.down === null) throw new FieldError("up", t("Give a rate, to send or to receive."));
    await settingsApi.changeLimits(change);
    tell(t("The limits of {name} are saved.", { name }));
    close();
  });
  return html`<form ref=${form} class="inner" onSubmit=${run} novalidate aria-label=${t("Limits of one machine")}>
    ${names.length > 1 ? html`<div class="field"><label for="one-peer">${t("Machine")}</label><select id="one-peer" name="peer" value=${name} onChange=${(event) => setName(event.target.value)}>${names.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select></div>` : html`<strong><bdi>${name}</bdi></strong>`}
    <${RateFields} prefix="one" rates=${rates} set=${setRates} wrong=${wrong} />
    <${Wrong} wrong=${wrong} fields=${["up", "down"]} />
    <div class="buttons"><button type="button" class="button" onClick=${close}>${t("Cancel")}</button><button class="button primary" disabled=${busy}>${t("Save")}</button></div>
  </form>`;
}
