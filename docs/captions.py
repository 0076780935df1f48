"""The picture of live captions: `asrwire demo`, run in a terminal, becomes captions.svg, which plays what it showed.

    python docs/captions.py

Each state of a line is a text that is visible from when it was drawn to when it was drawn over. A viewer that does not
animate shows the finished lines.
"""

import fcntl
import html
import os
import pty
import re
import struct
import sys
import tempfile
import termios
import time
from itertools import pairwise
from pathlib import Path

COLUMNS, ROWS = 100, 8
WIDTH, LINE, MARGIN, REST = 860, 24, 20, 4.0  # px, px, px, seconds before it begins again
STYLES = {"": "t", "1": "t", "2": "d", "36": "a", "35": "b"}  # SGR codes: settled, may still change, two speakers
HEAD = f"""\
<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {WIDTH} {ROWS * LINE + 2 * MARGIN}">
<title>asrwire demo: live captions in a terminal</title>
<style>
text {{ font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace }}
.t {{ fill: #e6edf3 }} .d {{ fill: #8b949e }} .a {{ fill: #56d4dd }} .b {{ fill: #d2a8ff }}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
"""


def record() -> list[tuple[float, str]]:
    """What the demo wrote, each piece with its time in seconds, until its captions are over."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tempfile.mkdtemp())
        os.execve(sys.executable, [sys.executable, "-m", "asrwire", "demo"], {**os.environ, "TERM": "xterm"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    begun, pieces = time.monotonic(), []
    while not any("Sentences" in piece for _, piece in pieces[-1:]):
        pieces.append((time.monotonic() - begun, os.read(terminal, 65536).decode()))
    while True:
        try:
            os.read(terminal, 65536)
        except OSError:  # it has ended
            break
    os.waitpid(process, 0)
    os.close(terminal)
    return pieces


def spans(drawn: str) -> str:
    parts = re.findall(r"(?:\x1b\[(\d+)m)?([^\x1b]+)(?:\x1b\[0m)?", drawn)
    return "".join(f'<tspan class="{STYLES[code]}">{html.escape(text, quote=False)}</tspan>' for code, text in parts)


def draw(pieces: list[tuple[float, str]]) -> str:
    states, row = [], 0  # (seconds, row, text, whether it stays)
    for at, piece in pieces:
        for drawn, ended in re.findall(r"\r([^\r\n]*?)\x1b\[K(\r\n)?", piece):
            states.append((at, row, spans(drawn), bool(ended)))
            row += bool(ended)
    start = states[0][0]
    loop = states[-1][0] - start + REST
    clock = f'<animate id="l" attributeName="x" dur="{loop:.2f}s" begin="0s;l.end"/>'
    lines = [f'<rect width="0" height="0">{clock}</rect>']
    for (at, row, text, stays), (until, *_) in pairwise([*states, (start + loop, 0, "", False)]):
        y = MARGIN + LINE * row + 16
        if stays:
            shown = f'<set attributeName="visibility" to="hidden" begin="l.begin" dur="{max(at - start, 0.01):.2f}s"/>'
            lines.append(f'<text x="{MARGIN}" y="{y}">{text}{shown}</text>')
        else:
            begin, dur = at - start, max(until - at, 0.01)
            shown = f'<set attributeName="visibility" to="visible" begin="l.begin+{begin:.2f}s" dur="{dur:.2f}s"/>'
            lines.append(f'<text x="{MARGIN}" y="{y}" visibility="hidden">{text}{shown}</text>')
    return HEAD + "\n".join(lines) + "\n</svg>\n"


if __name__ == "__main__":
    (Path(__file__).parent / "captions.svg").write_text(draw(record()), encoding="utf-8")
