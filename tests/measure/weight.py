"""What a reader on a slow telephone line waits for, measured in a browser: python tests/measure/weight.py [SITE]

Opens each chapter of the built site (by default _build/html) in a fresh Chromium context of a phone's width, over
1.6 Mb/s with 150 ms for each request and with gzip, on a processor slowed down sixfold, and prints, for each chapter: the
first load, that is what crosses the line until it is silent, without scrolling (kB of 1000 bytes, headers included); its
part in pages, styles, scripts, fonts and pictures; the number of requests; the time of the first paint (seconds); the
total blocking time, which is what tasks take beyond 50 ms each (seconds); the files the first paint waits for.
"""

import functools
import gzip
import sys
from collections import Counter
from pathlib import Path

from playwright.sync_api import Browser

sys.path.append(str(Path(__file__).parents[1]))
from browser import Quiet, chromium, served  # noqa: E402

WIDTH, SCREEN = 375, 800  # CSS pixels
LINE = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 1.6e6 / 8}  # ms, bytes/s
SLOWDOWN = 6  # of the processor
PACKED = {".css", ".html", ".js", ".json", ".svg"}  # what a web server compresses

PAINT = """() => ({
  paint: performance.getEntriesByName("first-contentful-paint")[0].startTime / 1000,
  blocked: (window.tasks ?? []).reduce((sum, task) => sum + Math.max(0, task - 50), 0) / 1000,
  blocking: performance.getEntriesByType("resource").filter((file) => file.renderBlockingStatus === "blocking").map((file) => file.name),
})"""


TASKS = """new PerformanceObserver((list) => {
  window.tasks = [...(window.tasks ?? []), ...list.getEntries().map((task) => task.duration)];
}).observe({ type: "longtask", buffered: true })"""


@functools.cache
def packed(path: Path, _changed: int) -> bytes:
    """The file's content, compressed."""
    return gzip.compress(path.read_bytes())


class Packing(Quiet):
    """Serves files compressed where a web server compresses."""

    protocol_version = "HTTP/1.1"  # connections are kept

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.suffix not in PACKED or not path.is_file():
            return super().do_GET()
        body = packed(path, path.stat().st_mtime_ns)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def weigh(browser: Browser, url: str, line: dict | None = None, slowdown: float = 1) -> dict:
    """The first load of a page: bytes in all and by kind, each file's, the first paint and the blocking (s), the files it waits for.

    `line` is what Chromium's Network.emulateNetworkConditions takes; without it the line is as fast as it is.
    """
    context = browser.new_context(viewport={"width": WIDTH, "height": SCREEN})
    tab = context.new_page()
    session = context.new_cdp_session(tab)
    session.send("Network.enable")
    if line:
        session.send("Network.emulateNetworkConditions", line)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    tab.add_init_script(TASKS)
    asked, files = {}, {}
    session.on("Network.responseReceived", lambda e: asked.update({e["requestId"]: (e["type"], e["response"]["url"])}))
    session.on("Network.loadingFinished", lambda e: files.update({e["requestId"]: e["encodedDataLength"]}))
    tab.goto(url, wait_until="networkidle", timeout=120_000)
    tab.wait_for_timeout(1000)
    kinds, heaviest = Counter(), Counter()
    for request, size in files.items():
        kind, address = asked[request]
        kinds[kind] += size
        heaviest[address] += size
    found = {
        "bytes": sum(files.values()),
        "requests": len(files),
        "kinds": kinds,
        "files": heaviest,
        **tab.evaluate(PAINT),
    }
    context.close()
    return found


if __name__ == "__main__":
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "_build/html")
    kinds = ("Document", "Stylesheet", "Script", "Font", "Image")
    with chromium() as browser, served(site, Packing) as address:
        if browser is None:
            sys.exit("this needs Chromium")
        print(
            f"{'kB':28}{'all':>9}",
            *(f"{kind:>10}" for kind in kinds),
            f"{'requests':>9}{'paint s':>9}{'blocked s':>10}{'waits for':>10}",
        )
        for page in sorted((site / "notebooks").glob("*.html")):
            row = weigh(browser, f"{address}notebooks/{page.name}", LINE, SLOWDOWN)
            parts = (f"{row['kinds'][kind] / 1000:10.0f}" for kind in kinds)
            times = f"{row['paint']:9.2f}{row['blocked']:10.2f}"
            print(
                f"{page.stem[:28]:28}{row['bytes'] / 1000:9.0f}",
                *parts,
                f"{row['requests']:9}{times}{len(row['blocking']):10}",
            )
