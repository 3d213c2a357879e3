"""What people wrote is shown as text and nothing else, and a hundred thousand memories are shown at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from engrams import Memory
from engrams.ports import Commit
from engrams.records import Engram, Event, Receipt, derived_id, new_event_id
from tests.doors.inspecting import PHONE, browsing, running, visiting

MANY, AT_ONCE = 100_000, 10_000
EVIL = "<img src=x onerror=\"window.owned=1\"><script>window.owned=1</script><b onclick='owned=1'>bold</b>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


def test_text_of_memories_is_never_markup(browser: Browser) -> None:
    with Memory.open(":memory:", embedder="none", actor=EVIL) as memory:
        message = {"role": "user", "name": EVIL, "content": f"Ada keeps {EVIL}", "metadata": {EVIL: EVIL}}
        told = memory.add([message], session=EVIL, namespace="ada")
        memory.update(told.engram_ids[0], f"Ada lost {EVIL}", reason=EVIL)
        with running(memory) as site, visiting(browser, site) as visit:
            for address in (
                "#/timeline?ns=ada",
                "#/search?ns=ada&q=Ada+lost",
                "#/context?ns=ada&q=Ada+lost",
                "#/compare?ns=ada&q=Ada+lost",
                f"#/memory/{told.engram_ids[0]}?ns=ada",
                f"#/memory/{told.event_ids[0]}?ns=ada",
                f"#/graph/{told.engram_ids[0]}?ns=ada",
                f"#/search?ns=ada&q={EVIL.replace('#', '')}",
            ):
                page = visit.to(address)
                assert "<img src=x" in page.locator("main").inner_text() + str(
                    page.locator("input").first.input_value()
                )
                assert page.locator("main img, main script, main b[onclick], nav script").count() == 0, (
                    address
                )
                assert page.evaluate("window.owned") is None
                assert visit.sound() == []


def test_the_page_may_run_nothing_but_its_own_script(browser: Browser) -> None:
    with (
        Memory.open(":memory:", embedder="none") as memory,
        running(memory) as site,
        visiting(browser, site) as visit,
    ):
        page = visit.to("#/jobs")
        tried = page.evaluate(
            """() => {
                  const script = document.createElement('script');
                  try { script.text = 'window.owned = 1'; } catch { return 'refused'; }
                  document.body.append(script);
                  return window.owned ?? 'not run';
                }"""
        )
        assert tried == "refused"
        visit.complaints.clear()  # the browser says aloud that it refused


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    """A hundred thousand notes, one every 50 minutes from 2015 on; all analysed as the first, which is quicker."""
    begin = datetime(2015, 1, 1, tzinfo=UTC)
    with Memory.open(tmp_path_factory.mktemp("many") / "memory.db", embedder="none") as memory:
        house, entry = memory._house, None
        for lowest in range(0, MANY, AT_ONCE):
            times = [(n, begin + timedelta(minutes=50 * n)) for n in range(lowest, lowest + AT_ONCE)]
            events = [
                Event(new_event_id(), "crowd", f"Note {n} on boats.", "user", at, at, thread="notes")
                for n, at in times
            ]
            writer = house.recipe.writer
            engrams = [
                Engram(
                    derived_id(writer, "passage", (e.id,)), "crowd", writer, "passage", e.content,
                    e.occurred_at, e.recorded_at, (e.id,), role="user", thread="notes",
                )
                for e in events
            ]  # fmt: skip
            entry = entry or house.index.analyse(engrams[:1])[0]
            house.store.commit(
                Commit(
                    Receipt("crowd", tuple(e.id for e in events)),
                    "tests",
                    "add",
                    events[-1].recorded_at,
                    events=tuple(events),
                    engrams=tuple((engram, entry) for engram in engrams),
                    writer=writer,
                )
            )
        yield memory


def test_a_hundred_thousand_memories_open_and_scroll(browser: Browser, crowded: Memory) -> None:
    with running(crowded) as site, visiting(browser, site) as visit:
        page = visit.to("#/timeline?ns=crowd")
        expect(page.locator("main")).to_contain_text("100,000 memories")
        assert page.locator(".entry").count() == 100
        for shown in (200, 300, 400):
            page.mouse.move(700, 700)
            while page.locator(".entry").count() < shown:
                page.mouse.wheel(0, 20_000)
                page.wait_for_timeout(20)
            visit.settled()
        expect(page.locator(".entry").first).to_contain_text(f"Note {MANY - 1} on boats.")
        page.locator(".bars button").first.click()
        expect(visit.settled().locator(".entry").first).to_be_visible()
        assert page.locator(".entry").count() == 100
        page.get_by_label("Order").select_option("oldest first")
        expect(visit.settled().locator(".entry").first).to_contain_text("Note 0 on boats.")
        found = visit.to("#/search?ns=crowd&q=boats")
        expect(found.locator(".hits > li")).to_have_count(10)
        found.locator(".hits a").first.click()
        expect(visit.settled().locator(".said.large")).to_contain_text("on boats.")
    with running(crowded) as site, visiting(browser, site, viewport=PHONE) as visit:
        visit.to("#/timeline?ns=crowd")
        assert visit.sound() == []
