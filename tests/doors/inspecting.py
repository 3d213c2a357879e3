"""The inspector for its tests: a real server over a real memory, a real Chromium, and what must hold on every page."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from engrams import Memory
from engrams.errors import Unavailable
from engrams.serve.inspector.running import inspector

SAMPLE = Path(__file__).resolve().parents[2] / "engrams" / "samples" / "demo.jsonl"
#: Where the pictures of the docs go, which of them there are, and whether ENGRAMS_SCREENSHOTS asks for them.
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images"
SHOWN = {
    "timeline",
    "search",
    "context-dark",
    "compare",
    "graph",
    "costs",
    "receipt",
    "search-phone",
    "memory-phone",
}
TAKEN = bool(os.environ.get("ENGRAMS_SCREENSHOTS"))
ARGUMENTS = """
    --headless=new --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync
    --no-first-run
""".split()
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
#: Milliseconds a page may take on a busy machine before a test calls it hung.
PATIENCE = 15_000


def chromium() -> str:
    """The browser: CHROMIUM, else what scripts/browser installs or finds."""
    named = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in named if name and (path := shutil.which(name))), None)
    assert found, "no Chromium on this machine; run scripts/browser, or set CHROMIUM"
    return found


class Breakable:
    """A memory of which some calls fail as a store that is out of reach does."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.broken: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in self.broken:
            raise Unavailable(f"the disk is gone ({name})")
        return getattr(self.memory, name)


@dataclass
class Site:
    """A running inspector. `cookie`: what the one token of its address was given for, once."""

    memory: Memory
    breakable: Breakable
    url: str
    port: int
    cookie: str = field(default="", repr=False)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}/ui/"

    def enter(self) -> None:
        """Spends the token."""
        with urlopen(Request(self.url)) as answer:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]


@contextmanager
def running(memory: Memory) -> Iterator[Site]:
    """The inspector over a memory, in a thread."""
    breakable = Breakable(memory)
    with inspector(breakable) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            site = Site(memory, breakable, server.url, server.port)
            site.enter()
            yield site
        finally:
            server.stop()
            thread.join()


@contextmanager
def browsing() -> Iterator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(browser: Browser, site: Site, **settings: Any) -> Iterator[Visit]:
    """A window of its own that has the cookie; at its end nothing may have gone wrong in the page."""
    context = browser.new_context(**{"viewport": DESK, "color_scheme": "light", **settings})
    name, _, value = site.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": site.root.removesuffix("ui/")}])
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    visit = Visit(site, context, context.new_page())
    try:
        yield visit
        assert visit.complaints == []
    finally:
        context.close()


class Visit:
    """One window: goes to views and says what the page looks like."""

    def __init__(self, site: Site, context: BrowserContext, page: Page) -> None:
        self.site, self.context, self.page = site, context, page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", lambda said: self._heard(said.type, said.text))
        page.on("request", lambda asked: self._asked(asked.url))

    def _heard(self, kind: str, text: str) -> None:
        # The browser itself writes down each answer that is no success; those a test asked for are no complaint.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.complaints.append(f"{kind}: {text}")

    def _asked(self, url: str) -> None:
        if not url.startswith((f"http://127.0.0.1:{self.site.port}/", "data:", "blob:")):
            self.complaints.append(f"asked for {url}")

    def to(self, address: str) -> Page:
        """Opens a view anew by its address, and waits until it stands."""
        self.page.goto("about:blank")
        self.page.goto(self.site.root + address)
        return self.settled()

    def settled(self) -> Page:
        """Waits until nothing is on its way."""
        expect(self.page.locator("main h1").first).to_be_visible()
        expect(self.page.locator('[aria-busy="true"], .loading')).to_have_count(0)
        return self.page

    def picture(self, name: str) -> None:
        """Takes the picture for the docs, where ENGRAMS_SCREENSHOTS asks for pictures."""
        if TAKEN and name in SHOWN:
            self.page.screenshot(path=str(PICTURES / f"inspector-{name}.png"), animations="disabled")

    def sound(self) -> list[str]:
        """What is wrong with the page for people who cannot see it, see little, or have a small screen."""
        wrong: list[str] = self.page.evaluate(CHECKS)
        return wrong + unnamed(self)


#: Roles that must have a name, as the browser's own accessibility tree tells them.
NAMED = {
    *(
        "button",
        "link",
        "textbox",
        "searchbox",
        "combobox",
        "slider",
        "spinbutton",
        "checkbox",
        "radio",
        "meter",
    ),
    *("dialog", "image", "region", "navigation", "feed", "heading"),
}


def unnamed(visit: Visit) -> list[str]:
    """Nodes of Chromium's accessibility tree that need a name and have none."""
    session = visit.context.new_cdp_session(visit.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    found = [
        (n.get("role", {}).get("value"), n.get("name", {}).get("value", ""))
        for n in nodes
        if not n["ignored"]
    ]
    assert any(role in ("main", "dialog") for role, _ in found)
    return [f"a {role} without a name" for role, name in found if role in NAMED and not str(name).strip()]


# Contrast as WCAG 2.2 computes it: 4.5 for text, 3 for large text (24 px, or bold from 18.66 px on). Opacity of ancestors
# counts; what is disabled or hidden does not.
CHECKS = """() => {
  const wrong = [];
  const all = (what) => [...document.querySelectorAll(what)];
  const count = (what, n) => { if (all(what).length !== n) wrong.push(`${all(what).length} of ${what}, not ${n}`); };
  count('main', 1); count('main h1', 1); count('nav', 1); count('header.side', 1); count('[role=status].aloud', 1);
  if (document.documentElement.lang !== 'en') wrong.push('no language');
  if (!document.title.includes('Engrams') || document.title === 'Engrams') wrong.push('title ' + document.title);
  const ids = all('[id]').map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push('id twice: ' + id);
  for (const e of all('[aria-labelledby], [aria-controls]'))
    for (const id of `${e.getAttribute('aria-labelledby') ?? ''} ${e.getAttribute('aria-controls') ?? ''}`.split(' '))
      if (id && !document.getElementById(id)) wrong.push('names no id: ' + id);
  let level = 0;
  for (const e of all('main h1, main h2, main h3')) {
    const here = Number(e.tagName[1]);
    if (here > level + 1) wrong.push(`h${here} after h${level}: ${e.textContent}`);
    level = here;
  }
  for (const e of all('[tabindex]')) if (e.tabIndex > 0) wrong.push('tabindex above 0');
  const wide = document.documentElement;
  if (wide.scrollWidth > wide.clientWidth) {
    const out = all('main *, header *').filter((e) => !e.closest('.wide, pre, svg, .aloud'))
      .filter((e) => e.getBoundingClientRect().right > wide.clientWidth + 1).map((e) => e.tagName + '.' + e.className);
    wrong.push(`scrolls sideways: ${wide.scrollWidth} of ${wide.clientWidth}: ${out.slice(0, 3)}`);
  }
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const over = (top, low) => [0, 1, 2].map((i) => top[i] * top[3] + low[i] * (1 - top[3]));
  const ground = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((low, top) => over(top, low), [255, 255, 255]);
  };
  const light = (c) => c.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const seen = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || seen.has(e)) continue;
    seen.add(e);
    if (e.closest('.aloud, .skip, :disabled, title, noscript, script, option') || !e.checkVisibility()) continue;
    const style = getComputedStyle(e);
    const text = parse(e.closest('svg') ? style.fill : style.color);
    for (let at = e; at; at = at.parentElement) text[3] *= Number(getComputedStyle(at).opacity);
    const low = ground(e), high = over(text, low);
    const [a, b] = [light(low), light(high)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    if (ratio < least) wrong.push(`contrast ${ratio.toFixed(2)}: ${e.className || e.tagName} ${e.textContent.slice(0, 40)}`);
  }
  if (seen.size < 5) wrong.push('hardly any text was looked at');
  return [...new Set(wrong)];
}"""
