"""The API reference in a real browser: complete, usable by keyboard, in light and dark, wide and narrow, and on its own."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.asking import PNG as PNG_BASE64
from tests.support.media import wav
from tests.support.processes import GatewayProcess, http

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
if CHROMIUM is None or DRIVER is None:
    pytest.skip(
        "no Chromium with its driver is installed (packages chromium, chromium-driver)", allow_module_level=True
    )

from selenium import webdriver  # noqa: E402  # only where there is a browser
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PNG = base64.b64decode(PNG_BASE64)
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]
CONTRAST_MIN = 4.5
"""WCAG 2.2, 1.4.3, level AA."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER)) as driver:
        yield driver


@pytest.fixture
def page(browser: webdriver.Chrome, gateway: GatewayProcess) -> webdriver.Chrome:
    return opened(browser, gateway)


def opened(
    browser: webdriver.Chrome, gateway: GatewayProcess, *, scheme: str = "light", width: int = 1280
) -> webdriver.Chrome:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(f"{gateway.base_url}/docs")
    WebDriverWait(browser, 10, 0.02).until(lambda driver: driver.find_elements(By.CSS_SELECTOR, "details"))
    return browser


def shown(page: webdriver.Chrome) -> list[str]:
    """The operations that are to be seen."""
    found: list[str] = page.execute_script(
        "return [...document.querySelectorAll('details')].filter(one => one.checkVisibility())"
        ".map(one => one.querySelector('.method').textContent + ' ' + one.querySelector('code').textContent)"
    )
    return found


def count(page: webdriver.Chrome) -> str:
    return page.find_element(By.ID, "count").text


def test_every_operation_of_the_description_is_listed(page: webdriver.Chrome, gateway: GatewayProcess) -> None:
    document = http(f"{gateway.base_url}/openapi.json")[2]
    described = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert set(shown(page)) == described
    assert count(page) == f"{len(described)} operations"
    assert page.title == "OneVault Gateway API"
    assert document["info"]["version"] in page.find_element(By.ID, "about").text


def test_the_filter_narrows_the_list_and_says_so(page: webdriver.Chrome) -> None:
    everything = shown(page)
    box = page.find_element(By.ID, "filter")
    box.send_keys("API-Keys delete")
    assert shown(page) == ["DELETE /admin/users/{user_id}/api-keys/{key_id}"]
    assert count(page) == f"1 of {len(everything)} operations"
    box.send_keys("zzz")
    assert shown(page) == []
    assert count(page) == "No operation matches."
    assert not [heading for heading in page.find_elements(By.TAG_NAME, "h2") if heading.is_displayed()]
    box.clear()
    box.send_keys(Keys.SPACE)
    assert shown(page) == everything


def test_it_is_used_by_keyboard_alone(page: webdriver.Chrome) -> None:
    def focused() -> Any:
        return page.switch_to.active_element

    keys = webdriver.ActionChains(page)
    keys.send_keys(Keys.TAB).perform()
    assert focused().text == "openapi.json"
    keys.send_keys(Keys.TAB).perform()
    assert focused().get_attribute("id") == "filter"
    assert page.find_element(By.CSS_SELECTOR, "label[for=filter]").text == "Filter operations"
    keys.send_keys("/v1/chat/completions").send_keys(Keys.TAB).perform()
    assert focused().tag_name == "summary"
    outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    first = page.find_element(By.CSS_SELECTOR, "details")
    assert first.get_attribute("open") is None
    keys.send_keys(Keys.ENTER).perform()
    assert first.get_attribute("open") is not None
    text = first.text
    assert "max_completion_tokens" in text
    assert "429" in text
    assert "x-gateway-cost-usd" in text
    keys.send_keys(Keys.TAB).perform()
    assert focused().tag_name == "pre"  # it scrolls, so it takes the focus


def test_every_example_of_a_call_works_as_it_stands(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """As they are pasted, at a gateway just installed, whose built-in provider does everything."""
    fresh = GatewayProcess(tmp_path / "gateway")
    fresh.directory.mkdir()
    fresh.start()
    try:
        page = opened(browser, fresh)
        examples = [one.get_attribute("textContent") or "" for one in page.find_elements(By.CSS_SELECTOR, "pre")]
        calls = [one for one in examples if " -d '" in one or " -F '" in one or "/passthrough/" in one]
        paths = http(f"{fresh.base_url}/openapi.json")[2]["paths"]
        assert len(calls) == len([path for path in paths if "post" in paths[path] and not path.startswith("/admin")])
        (tmp_path / "image.png").write_bytes(PNG)
        (tmp_path / "file.wav").write_bytes(wav(500))
        environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*", "ONEVAULT_API_KEY": fresh.api_key}
        for example in calls:
            assert example.startswith(f"curl {fresh.base_url}/")
            script = example.replace("curl ", "curl --silent --show-error --fail-with-body --output answer ", 1)
            done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, check=False)
            assert done.returncode == 0, (example, done.stderr, (tmp_path / "answer").read_bytes()[:500])
    finally:
        fresh.kill()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_it_fits_and_can_be_read_in_every_look(
    browser: webdriver.Chrome, gateway: GatewayProcess, scheme: str, width: int
) -> None:
    page = opened(browser, gateway, scheme=scheme, width=width)
    page.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
    wide, room = page.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room
    light = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (luminance(light) > 0.5) == (scheme == "light")
    pairs = page.execute_script(COLOURS)
    assert len(pairs) > 5
    for text, paper, sample in pairs:
        assert contrast(text, paper) >= CONTRAST_MIN, (text, paper, sample)


COLOURS = """
  const paper = (at) => {
    const colour = getComputedStyle(at).backgroundColor;
    return colour.endsWith(', 0)') && at.parentElement ? paper(at.parentElement) : colour;
  };
  const found = new Map();
  for (const one of document.body.querySelectorAll('*')) {
    const text = [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
    if (!text || !one.checkVisibility()) continue;
    const pair = [getComputedStyle(one).color, paper(one)];
    found.set(pair.join(), [...pair, text.slice(0, 40)]);
  }
  return [...found.values()];
"""


def luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_complained_of(
    browser: webdriver.Chrome, gateway: GatewayProcess
) -> None:
    browser.get_log("browser")
    browser.get_log("performance")
    opened(browser, gateway)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    ours = [url for url in urls if url.startswith(gateway.base_url + "/")]
    assert {url.removeprefix(gateway.base_url) for url in ours} >= {
        "/docs",
        "/docs/docs.css",
        "/docs/docs.js",
        "/openapi.json",
    }
    assert [url for url in urls if url.startswith(("http", "ws")) and url not in ours] == []
    assert browser.get_log("browser") == []


def test_the_policy_lets_nothing_else_in(page: webdriver.Chrome, gateway: GatewayProcess) -> None:
    for path in ("/docs", "/docs/docs.js", "/docs/docs.css", "/openapi.json"):
        headers = http(gateway.base_url + path)[1]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    tried = page.execute_async_script(
        """
        const done = arguments[arguments.length - 1], blocked = [];
        document.addEventListener('securitypolicyviolation', (event) => blocked.push(event.effectiveDirective));
        const inline = document.createElement('script'); inline.textContent = 'window.hacked = true'; document.body.append(inline);
        const style = document.createElement('style'); style.textContent = 'body { color: red }'; document.body.append(style);
        const image = new Image(); image.src = 'http://127.0.0.1:9/x.png';
        const frame = document.createElement('iframe'); frame.src = '/docs'; document.body.append(frame);
        fetch('http://127.0.0.1:9/').catch(() => 0).then(() => setTimeout(() => done([blocked, window.hacked]), 300));
        """
    )
    assert set(tried[0]) >= {"script-src-elem", "style-src-elem", "img-src", "connect-src", "frame-src"}
    assert tried[1] is None
    page.get_log("browser")


def test_the_page_has_no_code_or_style_of_its_own() -> None:
    page = (Path(__file__).parents[2] / "src/onevault/web/docs.html").read_text()
    assert not re.search(r"\son\w+=|style=|<style|<script(?![^>]*src=)", page)
