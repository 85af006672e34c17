"""What is wrong with what a tab shows: by axe-core, and what axe-core does not look at."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page

ROOT = Path(__file__).parents[2]
AXE = (ROOT / "scripts/page_checks/node_modules/axe-core/axe.min.js").read_text()
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1200, "height": 800}

_AXE = """async (only) => {
  const { violations } = await axe.run(document, {
    iframes: false, resultTypes: ["violations"], ...(only && { runOnly: only }),
    // What is in a frame is a part of a page.
    ...(parent !== self && { rules: { "page-has-heading-one": { enabled: false } } }),
  });
  return violations.flatMap(({ id, impact, nodes }) => nodes.map((node) =>
    `${impact} ${id}: ${node.target.join(" ")} ${node.html.slice(0, 160)}`
    + ` ${(node.any[0] ?? node.all[0] ?? node.none[0])?.message ?? ""}`));
}"""
_NAMELESS = r"""() => [...document.querySelectorAll("a, button, summary, [role=button]")]
  .filter((e) => e.checkVisibility() && !e.closest("[aria-hidden=true]"))
  .filter((e) => !/[\p{L}\p{N}]/u.test(e.getAttribute("aria-label") ?? e.innerText ?? ""))
  .map((e) => `no words: ${e.outerHTML.slice(0, 160)}`)"""
_LAYOUT = """() => {
  const wrong = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) wrong.push(`scrolls sideways by ${wide}`);
  const pressed = "a, button, summary, select, input, textarea, [role=treeitem], audio, video";
  for (const e of document.querySelectorAll(pressed)) {
    if (!e.checkVisibility({ visibilityProperty: true })) continue;
    if (e.matches(".sr") || e.closest("[aria-hidden=true]")) continue;
    // A link inside a sentence is as high as its line, as WCAG 2.5.8 allows.
    const around = e.parentElement;
    if (e.matches("a") && around.matches("p, li span")
      && around.innerText.length > e.innerText.length) continue;
    // What is pressed of a box to tick is all of its label.
    const target = e.matches("[type=checkbox], [type=radio]") && e.closest("label") || e;
    const { width, height } = target.getBoundingClientRect();
    if (width < 43.5 || height < 43.5)
      wrong.push(`${Math.round(width)} x ${Math.round(height)}: ${e.outerHTML.slice(0, 160)}`);
  }
  return wrong;
}"""
_MOVING = """() => document.getAnimations().filter((each) => each.playState === "running")
  .map((each) => `moves: ${each.effect.target.outerHTML.slice(0, 120)}`)"""
_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body || e === document.documentElement) return null;
  e.dataset.visits = Number(e.dataset.visits ?? 0) + 1;
  const ring = (one) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  };
  const said = e.outerHTML.slice(0, 160), { top, bottom } = e.getBoundingClientRect();
  const frame = document.querySelector(".top");
  const covered = frame && !frame.contains(e) && !e.closest("dialog, .toasts")
    && !e.matches(".skip") && bottom <= frame.getBoundingClientRect().bottom;
  // What a browser draws inside of itself has its own ring.
  const own = e.matches("audio, video, iframe");
  return { again: e.dataset.visits > 1, wrong: [
    ...(own || ring(e) || (e.nextElementSibling && ring(e.nextElementSibling))
      ? [] : [`no ring: ${said}`]),
    ...(covered || top >= innerHeight || bottom <= 0 ? [`focused, not seen: ${said}`] : []),
  ] };
}"""


async def by_axe(tab: Page, only: str = "") -> list[str]:
    """Violations, each with how bad it is; `only` names one rule."""
    found: list[str] = []
    for frame in tab.frames:
        if not await frame.evaluate("typeof axe === 'object'"):
            await frame.evaluate(AXE)
        found += await frame.evaluate(_AXE, only)
    return found


async def by_layout(tab: Page) -> list[str]:
    """What scrolls sideways, is too small to press, has no words or moves for no reason."""
    return [
        *(await tab.evaluate(_LAYOUT)),
        *(await tab.evaluate(_NAMELESS)),
        *(await tab.evaluate(_MOVING)),
    ]


async def by_tab_key(tab: Page, most: int = 60) -> list[str]:
    """What the Tab key comes to without a ring around it, or out of sight."""
    wrong: list[str] = []
    for _ in range(most):
        await tab.keyboard.press("Tab")
        found: dict[str, Any] | None = await tab.evaluate(_FOCUSED)
        if found and found["again"]:
            break
        wrong += found["wrong"] if found else []
    return wrong
