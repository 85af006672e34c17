// Dialogs: one that is open while it is drawn, one that asks before something that cannot be undone.

import { copyText, Icon } from "./parts.js";
import { said } from "./said.js";
import { changed, tell } from "./store.js";
import { t } from "./strings.js";
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

/**
 * A modal dialog; `close` is called however it is left, and must stop drawing it.
 * @param {{title: string, close: () => void, children?: any}} props
 */
export function Dialog({ title, close, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const back = /** @type {HTMLElement | null} */ (document.activeElement);
    dialog.current.showModal();
    // Nothing outside can have the focus until the dialog has left the document.
    return () => queueMicrotask(() => back?.focus());
  }, []);
  return html`<dialog ref=${dialog} class="form-dialog" aria-labelledby="dialog-title" onClose=${close}>
    <h2 id="dialog-title" tabindex="-1">${title}</h2>${children}</dialog>`;
}

/**
 * Runs `work`; what went wrong is shown where it was asked for.
 * @param {() => Promise<unknown> | unknown} work
 */
export function useWork(work) {
  const [busy, setBusy] = useState(false), [wrong, setWrong] = useState(/** @type {Drawn} */ (""));
  const run = async (/** @type {Event} */ event) => {
    event?.preventDefault();
    setBusy(true);
    setWrong("");
    try {
      await work();
      changed();
    } catch (error) {
      setWrong(said(error));
    }
    setBusy(false);
  };
  return { busy, wrong, run };
}

/** @param {{title: string, text: Drawn, action: string, done: string, work: () => Promise<unknown>, close: (done: boolean) => void}} props */
export function Confirm({ title, text, action, done, work, close }) {
  const { busy, wrong, run } = useWork(async () => {
    await work();
    tell(done);
    close(true);
  });
  return html`<${Dialog} title=${title} close=${() => close(false)}>
    <p>${text}</p><p class="wrong" role="alert">${wrong}</p>
    <div class="buttons">
      <button class="button" autofocus onClick=${() => close(false)}>${t("Cancel")}</button>
      <button class="button danger solid" disabled=${busy} onClick=${run}>${action}</button>
    </div><//>`;
}

/**
 * Something secret that is shown once: a code for a camera, the text, and a button to copy it.
 * @param {{text: string, qr: string, label: string}} props
 */
export function Once({ text, qr, label }) {
  const place = useRef(null);
  const [hint, setHint] = useState("");
  const copy = async () => {
    const copied = await copyText(text, place.current);
    if (!copied) place.current.querySelector("textarea").select();
    setHint(copied ? t("Copied.") : t("Copy it by hand: it is selected."));
  };
  return html`<div class="once" ref=${place}>
    ${qr && html`<img class="qr-code" src=${qr} width="220" height="220" alt=${t("QR code of the {what}", { what: label })} />`}
    <label class="sr" for="once">${label}</label>
    <textarea id="once" dir="ltr" readonly rows=${text.length > 120 ? 4 : 2} spellcheck="false" onFocus=${(event) => event.target.select()}>${text}</textarea>
    <div class="buttons"><button class="button primary" type="button" onClick=${copy}><${Icon} name="link" />${t("Copy")}</button><span class="said" role="status">${hint}</span></div>
  </div>`;
}

/**
 * One of a few, as a row of buttons that are radios.
 * @param {{legend: string, name: string, choices: [any, string][], value: unknown, set: (value: any) => void}} props
 */
export function Choice({ legend, name, choices, value, set }) {
  return html`<fieldset class="choice"><legend>${legend}</legend><div>${choices.map(([each, text]) => html`<label key=${each}>
    <input type="radio" name=${name} checked=${value === each} onChange=${() => set(each)} /><span>${text}</span></label>`)}</div></fieldset>`;
}
