"""What a page must offer to every reader, asked of the page as a browser has laid it out (WCAG 2.2, levels A and AA).

Success criteria: 1.1.1 texts of pictures, 1.3.1 headings and heads of tables, 1.4.3 contrast, 2.4.4 links, 4.1.2 names
of controls.
"""

from __future__ import annotations

import browser

# Text whose contrast with its ground is below 4.5, or below 3 where it is large, or bold and larger than 18.6 px.
# A colour of Lab or of color() is read back from a canvas; a hatched ground counts as its base colour.
_CONTRAST = """(root) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = (colour) => colour.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] > 0.99) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const opacity = (element) => {
    let product = 1;
    for (let at = element; at; at = at.parentElement) product *= Number(getComputedStyle(at).opacity);
    return product;
  };
  const found = [];
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const shown = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!walk.currentNode.data.trim() || !shown || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    if (element.closest(":disabled") || element.getBoundingClientRect().right < 0) continue;
    const style = getComputedStyle(element);
    const under = ground(element);
    const colour = rgba(style.color);
    const [a, b] = [light(over([...colour.slice(0, 3), colour[3] * opacity(element)], under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`${walk.currentNode.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
}"""

# Pictures, links and controls without a name; heads that skip a level; data tables without heads; names given twice.
_STRUCTURE = """(root) => {
  const all = (selector) => [...root.querySelectorAll(selector)]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }));
  const where = (element) => element.outerHTML.replace(/\\s+/g, " ").slice(0, 80);
  const name = (element) => [element.getAttribute("aria-label"), element.title, element.textContent,
    ...[...element.querySelectorAll("img")].map((image) => image.alt),
    ...(element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent),
    ...[...(element.labels ?? [])].map((label) => label.firstChild?.data ?? label.textContent)]
    .some((text) => text?.trim());
  const found = [];
  for (const image of all("img, [role=img], svg"))
    if (!image.closest("[aria-hidden=true]") && !image.alt?.trim() && !image.getAttribute("aria-label")?.trim() &&
        image.getAttribute("role") !== "presentation" && !image.closest("a, button"))
      found.push(`a picture without text: ${where(image)}`);
  for (const element of all("a[href], button, select, input:not([type=hidden]), textarea, summary, [role=button]")) {
    const typed = ["SELECT", "INPUT", "TEXTAREA"].includes(element.tagName);
    const labelled = element.labels?.length || element.getAttribute("aria-label") || element.title;
    if (typed ? !labelled : !name(element)) found.push(`a control without a name: ${where(element)}`);
  }
  for (const region of all("[role=region], nav, dialog[open]"))
    if (!region.getAttribute("aria-label") && !region.getAttribute("aria-labelledby"))
      found.push(`a region without a name: ${where(region)}`);
  const levels = all("h1, h2, h3, h4, h5, h6").map((head) => [Number(head.tagName[1]), head]);
  levels.forEach(([level, head], i) => {
    if (i && level > levels[i - 1][0] + 1) found.push(`a heading skips a level: ${where(head)}`);
  });
  for (const table of all("table"))
    if (!table.querySelector("th")) found.push(`a table without heads: ${where(table)}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => found.push(`a name given twice: ${id}`));
  return [...new Set(found)];
}"""


def faint(page: browser.Page, root: str = "body") -> list[str]:
    """Texts below ``root`` with too little contrast, each with its ratio."""
    found: list[str] = page.run(f"({_CONTRAST})(document.querySelector('{root}'))")
    return found


def faults(page: browser.Page, root: str = "body") -> list[str]:
    """What is not named, or out of order, below ``root``."""
    found: list[str] = page.run(f"({_STRUCTURE})(document.querySelector('{root}'))")
    return found
