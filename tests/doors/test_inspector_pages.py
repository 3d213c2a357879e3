"""The inspector in a real browser: each view with data, empty and failing; what a person does in it, by mouse and keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from engrams import Memory
from engrams.serve.rest.app import create_app
from tests.doors.inspecting import PHONE, SAMPLE, Breakable, Site, Visit, browsing, running, visiting
from tests.doors.rest_server import running as serving

QUESTION = "When+do+we+get+the+keys%3F"
ANSWER = "we get the keys on the twenty-seventh of June"
#: View: its address, what it shows of the sample, what it shows of nothing, the call that fails.
VIEWS = {
    "timeline": ("#/timeline", "One more photo before I pack", "Nothing was said here yet", "log"),
    "search": (f"#/search?q={QUESTION}", ANSWER, "Nothing was found", "search"),
    "context": (
        f"#/context?q={QUESTION}&budget=300",
        "of 300 tokens",
        "Nothing in the memory answers this",
        "context",
    ),
    "compare": (f"#/compare?q={QUESTION}", "found by both", "It found nothing that answers this", "compare"),
    "graph": ("#/graph/KEYS", "The same as a list", "Nothing was said here yet", "around"),
    "memory": ("#/memory/KEYS", ANSWER, "Nothing here has this id", "get"),
    "namespaces": ("#/namespaces", "oskar", "Nothing lies here yet", "stats"),
    "jobs": ("#/jobs", "consolidate", "Nothing waits", "jobs"),
    "costs": ("#/costs", "On disk", "No language model has run", "spent"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The sample conversation, a job that waits, a second namespace."""
    with Memory.open(
        tmp_path_factory.mktemp("full") / "memory.db", embedder="none", actor="inspector"
    ) as memory:
        memory.import_file(SAMPLE, namespace="oskar")
        memory.add("Lunch was soup.", namespace="zoe")
        memory.schedule("consolidate", namespace="oskar")
        with running(memory) as site:
            yield site


@pytest.fixture(scope="module")
def empty(browser: Browser) -> Iterator[Visit]:
    """A phone's window on a memory in which nothing lies."""
    with (
        Memory.open(":memory:", embedder="none") as memory,
        running(memory) as site,
        visiting(browser, site, viewport=PHONE) as visit,
    ):
        yield visit


WINDOWS: dict[str, dict[str, Any]] = {
    "": {},
    "-dark": {"color_scheme": "dark"},
    "-phone": {"viewport": PHONE, "has_touch": True},
}


@pytest.fixture(scope="module")
def windows(browser: Browser, full: Site) -> Iterator[dict[str, Visit]]:
    """One window of each kind, used by one test after the other."""
    with ExitStack() as opened:
        yield {name: opened.enter_context(visiting(browser, full, **how)) for name, how in WINDOWS.items()}


@pytest.fixture
def visit(windows: dict[str, Visit]) -> Iterator[Visit]:
    """The large, light one; nothing may have gone wrong in it at the end of the test."""
    yield windows[""]
    assert windows[""].complaints == []


def keys(site: Site) -> str:
    """The memory that tells of the keys."""
    return site.memory.search("When do we get the keys?", namespace="oskar", k=1)[0].id


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_what_lies_there_to_everybody(view: str, windows: dict[str, Visit], full: Site) -> None:
    address, shown, _, _ = VIEWS[view]
    address = address.replace("KEYS", keys(full))
    for name, visit in windows.items():
        page = visit.to(address + ("&" if "?" in address else "?") + "ns=oskar")
        expect(page.locator("main")).to_contain_text(shown)
        assert visit.sound() == []
        assert visit.complaints == []
        visit.picture(view + name)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_nothing_says_so(view: str, empty: Visit) -> None:
    address, _, said, _ = VIEWS[view]
    page = empty.to("#/graph" if view == "graph" else address)
    expect(page.locator("main")).to_contain_text(said)
    assert empty.sound() == []
    assert empty.complaints == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_fails_says_why_and_asks_again(view: str, visit: Visit, full: Site) -> None:
    address, shown, _, call = VIEWS[view]
    full.breakable.broken.add(call)
    try:
        place = address.replace("KEYS", keys(full))
        if view == "namespaces":  # what the page begins with asks for the same
            full.breakable.broken.clear()
            visit.to("#/jobs?ns=oskar")
            full.breakable.broken.add(call)
            visit.page.get_by_role("link", name="Namespaces").click()
        else:
            visit.to(place + ("&" if "?" in place else "?") + "ns=oskar")
        alert = visit.page.locator("main").get_by_role("alert").first
        expect(alert).to_contain_text(f"the disk is gone ({call})")
        assert visit.sound() == []
        full.breakable.broken.clear()
        alert.get_by_role("button", name="Try again").click()
        expect(visit.settled().locator("main")).to_contain_text(shown)
    finally:
        full.breakable.broken.clear()


def test_a_server_that_is_gone_is_told(browser: Browser) -> None:
    with (
        Memory.open(":memory:", embedder="none") as memory,
        running(memory) as site,
        visiting(browser, site) as visit,
    ):
        visit.to("#/jobs")
        visit.context.set_offline(True)
        visit.page.get_by_role("link", name="Costs").click()
        expect(visit.page.get_by_role("alert").first).to_contain_text("The server does not answer")


def test_the_whole_page_is_walked_by_keyboard(visit: Visit) -> None:
    page = visit.to("#/timeline?ns=oskar")
    press, focused = page.keyboard.press, page.locator(":focus")
    press("Tab")
    expect(focused).to_have_text("Skip to the content")
    press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("link", name="Search", exact=True).focus()
    press("Enter")
    expect(page.locator("h1:focus")).to_have_text("Search")  # the link says "Search", too
    expect(page.locator(".aloud[role=status]")).to_have_text("Search")
    press("Tab")
    page.keyboard.type("When do we get the keys?")
    press("Enter")
    expect(page.locator(".hits li").first).to_contain_text(ANSWER)
    hit = page.locator(".hits a").first
    hit.focus()
    press("Enter")
    expect(focused).to_have_text("Memory")
    page.get_by_role("button", name="Correct").focus()
    press("Enter")
    expect(page.get_by_role("dialog", name="Correct this memory")).to_be_visible()
    for _ in range(8):  # the dialog keeps the focus inside, or hands it to the browser's own bar
        press("Tab")
        assert page.evaluate(
            "!document.activeElement.closest('.frame') || !!document.activeElement.closest('dialog')"
        )
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(focused).to_have_text("Correct")


def test_arrow_keys_move_along_the_timeline(visit: Visit) -> None:
    page = visit.to("#/timeline?ns=oskar")
    bars = page.locator(".bars button")
    assert page.locator('.bars button[tabindex="0"]').count() == 1
    bars.first.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    chosen = page.locator(":focus")
    expect(chosen).to_have_attribute("aria-label", re.compile(r"\d+ memories"))
    held = int(re.search(r": (\d+) memor", chosen.get_attribute("aria-label") or "")[1])  # type: ignore[index]
    page.keyboard.press("Enter")
    expect(chosen).to_have_attribute("aria-pressed", "true")
    expect(visit.settled().locator(".entry")).to_have_count(held)
    page.get_by_role("button", name="Show all times").click()
    expect(page.locator(":focus")).to_have_text("Journal")
    expect(page.locator(".bars button[aria-pressed=true]")).to_have_count(0)


def test_every_share_of_every_hit_is_a_bar_and_a_number(visit: Visit) -> None:
    page = visit.to(f"#/search?ns=oskar&k=5&q={QUESTION}")
    hits = visit.site.memory.search("When do we get the keys?", namespace="oskar", k=5, explain=True)
    expect(page.locator(".hits > li")).to_have_count(5)
    for place, hit in enumerate(hits):
        shares = {name: value for name, value in hit.signals.items() if abs(value) >= 0.005}
        shown = page.locator(".hits > li").nth(place).locator(".shares li").all_inner_texts()
        assert sorted(" ".join(text.split()) for text in shown) == sorted(
            f"{name} {'−' if value < 0 else ''}{abs(value):.2f}" for name, value in shares.items()
        )
        assert page.locator(".hits > li").nth(place).locator(".bar span").count() == len(shares)


def test_a_context_is_counted_token_by_token(visit: Visit) -> None:
    page = visit.to(f"#/context?ns=oskar&budget=300&q={QUESTION}")
    made = visit.site.memory.context("When do we get the keys?", namespace="oskar", budget=300)
    meter = page.get_by_role("meter")
    expect(meter).to_have_attribute("aria-valuenow", str(made.price.tokens))
    words = page.locator(".lines .token")
    counts = page.evaluate(
        "[...document.querySelectorAll('.lines .token')].map((e) => Number(e.dataset.n ?? e.title.split(' ')[0]))"
    )
    assert sum(counts) == made.price.tokens
    assert "".join(words.all_text_contents()) == made.text.replace("\n", "")
    page.get_by_role("link", name="Memory [1]").click()
    expect(page.locator("h1")).to_have_text("Memory")


def test_the_past_is_asked_with_the_slider_and_linked_to(visit: Visit) -> None:
    page = visit.to(f"#/search?ns=oskar&q={QUESTION}")
    expect(page.locator(".hits")).to_contain_text(ANSWER)
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("PageDown")
    page.wait_for_url(re.compile("as_of="))
    expect(visit.settled().locator("main")).not_to_contain_text(ANSWER)
    expect(page.locator(".asof")).to_contain_text(str(slider.get_attribute("aria-valuetext")))
    again = visit.to(page.url.removeprefix(visit.site.root))
    expect(again.locator("main")).not_to_contain_text(ANSWER)
    again.get_by_role("link", name="Context", exact=True).click()
    assert "as_of=" in again.url
    again.get_by_role("button", name="Back to now").click()
    assert "as_of=" not in again.url


def test_correct_undo_reject_and_erase_each_give_a_receipt(visit: Visit) -> None:
    memory = visit.site.memory
    told = memory.add("The boat is blue.", namespace="oskar")
    page = visit.to(f"#/memory/{told.engram_ids[0]}?ns=oskar")
    page.get_by_role("button", name="Correct").click()
    page.get_by_label("What it should say").fill("The boat is red.")
    page.get_by_label("Reason").fill("repainted")
    page.get_by_role("dialog").get_by_role("button", name="Correct").click()
    expect(page.locator(":focus")).to_have_text("Receipt: Memory corrected")
    newest = page.locator(".versions li").first
    expect(newest).to_contain_text("repainted")
    assert (newest.locator("del").text_content(), newest.locator("ins").text_content()) == (
        "taken out: blue",
        "put in: red",
    )
    assert visit.sound() == []
    visit.picture("receipt")
    page.get_by_role("button", name="Undo this").click()
    expect(page.locator(":focus")).to_have_text("Receipt: Change taken back")
    expect(page.locator(".said.large")).to_have_text("The boat is blue.")

    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    page.get_by_role("button", name="Unpin").click()
    expect(page.get_by_role("button", name="Pin", exact=True)).to_be_visible()

    page.get_by_role("button", name="Reject").click()
    page.get_by_role("dialog").get_by_role("button", name="Reject").click()
    expect(page.locator(":focus")).to_have_text("Receipt: Memory rejected")
    assert memory.search("which colour is the boat", namespace="oskar", k=1)[0].id != told.engram_ids[0]
    page.get_by_role("button", name="Undo this").click()
    expect(page.locator(":focus")).to_have_text("Receipt: Change taken back")
    assert memory.get(told.engram_ids[0]).state == "active"  # type: ignore[union-attr]

    page = visit.to(f"#/memory/{told.event_ids[0]}?ns=oskar")
    page.get_by_role("button", name="Erase").click()
    assert visit.sound() == []
    page.get_by_role("dialog").get_by_role("button", name="Erase").click()
    receipt = page.locator(".receipt")
    expect(receipt).to_contain_text("Receipt: Entry erased")
    expect(receipt).to_contain_text(told.event_ids[0])
    expect(receipt).to_contain_text("done: no byte is left")
    expect(page.locator(".empty")).to_contain_text("Nothing here has this id")


def test_a_change_that_is_refused_says_why_and_loses_nothing(visit: Visit) -> None:
    page = visit.to(f"#/memory/{keys(visit.site)}?ns=oskar")
    visit.site.breakable.broken.add("update")
    try:
        page.get_by_role("button", name="Correct").click()
        page.get_by_label("What it should say").fill("Something else.")
        page.get_by_role("dialog").get_by_role("button", name="Correct").click()
        expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("the disk is gone")
        expect(page.get_by_label("What it should say")).to_have_value("Something else.")
    finally:
        visit.site.breakable.broken.clear()


def test_jobs_are_dropped_from_the_page(browser: Browser) -> None:
    with Memory.open(":memory:", embedder="none") as memory:
        id = memory.schedule("catch-up")
        with running(memory) as site, visiting(browser, site) as visit:
            page = visit.to("#/jobs")
            page.get_by_role("button", name="Make catch-up").click()
            expect(page.locator(".aloud[role=status]")).to_have_text("The job is due now.")
            page.get_by_role("button", name="Drop catch-up").click()
            expect(page.locator("main")).to_contain_text("Nothing waits")
        assert id is not None
        assert memory.jobs() == []


def test_the_ledger_of_models_is_shown_line_by_line(
    browser: Browser, full: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = {
        "calls": 3,
        "tokens_in": 1200,
        "tokens_out": 34,
        "cached_in": 0,
        "seconds": 1.5,
        "estimated": False,
    }
    line = {"day": "2025-03-01", "namespace": "oskar", "operation": "facts", "model": "small"}
    lines = [
        {**line, "usage": {**usage, "money": 0.0123}},
        {**line, "model": "own", "usage": {**usage, "money": None}},
    ]
    monkeypatch.setattr(full.memory, "costs", lambda days: lines)
    with visiting(browser, full, viewport=PHONE) as visit:
        rows = visit.to("#/costs").get_by_role("region", name="Costs of language models").locator("tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("facts2025-03-01oskarsmall31,200341.50.0123")
        expect(rows.last).to_contain_text("no price set")
        assert visit.sound() == []


def test_two_recipes_and_two_namespaces_are_chosen(visit: Visit) -> None:
    page = visit.to("#/compare?ns=oskar&budget=200")
    page.get_by_label("Question").fill("Who bought the boat?")
    page.get_by_label("Second recipe").select_option("full-context")
    page.get_by_role("button", name="Compare").click()
    expect(visit.settled().locator(".two h2")).to_have_text(["engrams", "full-context"])
    page.get_by_label("Namespace").select_option("zoe")
    expect(page.locator(".two")).to_contain_text("Lunch was soup.")


def test_a_server_that_asks_for_a_key_is_given_one(browser: Browser, tmp_path: Path) -> None:
    with Memory.open(tmp_path / "memory.db", embedder="none") as memory:
        memory.add("Of Ada.", namespace="ada")
        memory.add("Of Ben.", namespace="ben")
        secret = str(memory.create_key("reader", {"ada": "read"}).secret)
        with serving(create_app(memory, keys=True)) as address:
            site = Site(memory, Breakable(memory), address, urlsplit(address).port or 0, "unused=1")
            with visiting(browser, site) as visit:
                page = visit.to("#/timeline")
                page.get_by_label("Key").fill("engrams_wrong")
                page.get_by_role("button", name="Open").click()
                expect(page.locator("main")).to_contain_text("this key opens nothing here")
                page.get_by_label("Key").fill(secret)
                page.get_by_role("button", name="Open").click()
                expect(page.locator(".entry")).to_contain_text("Of Ada.")
                assert page.get_by_label("Namespace").locator("option").all_inner_texts() == ["ada"]
                other = visit.to("#/timeline?ns=ben")
                expect(other.get_by_role("alert").first).to_contain_text("may not read ben")
                assert visit.sound() == []


def test_light_and_dark_are_chosen_and_kept(browser: Browser, full: Site) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with visiting(browser, full) as visit:
        page = visit.to("#/jobs")
        light = page.evaluate(ground)
        page.locator(".theme").get_by_text("dark", exact=True).click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        dark = page.evaluate(ground)
        assert dark != light
        assert visit.sound() == []
        assert visit.to("#/jobs").evaluate(ground) == dark


def test_nothing_moves_for_whoever_asked_for_that(browser: Browser, full: Site) -> None:
    with visiting(browser, full, reduced_motion="reduce") as visit:
        page = visit.to("#/timeline?ns=oskar")
        moving = "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).transitionDuration !== '0s').length"
        assert page.evaluate(moving) == 0


def test_the_menu_of_a_phone_opens_and_closes(browser: Browser, full: Site) -> None:
    with visiting(browser, full, viewport=PHONE) as visit:
        page = visit.to("#/jobs?ns=oskar")
        menu = page.get_by_role("button", name="Menu")
        expect(page.get_by_role("link", name="Costs")).to_be_hidden()
        menu.click()
        expect(menu).to_have_attribute("aria-expanded", "true")
        assert visit.sound() == []
        page.get_by_role("link", name="Costs").click()
        expect(page.locator("h1")).to_have_text("Costs")
        expect(menu).to_have_attribute("aria-expanded", "false")
