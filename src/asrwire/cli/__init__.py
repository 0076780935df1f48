# The `asrwire` command: arguments, dispatch, exit codes. Subcommands are imported when they run.
#
# Knows: the names and options of the subcommands. Must not know: what they do.
# Exit codes: 0 done, 1 some files or tasks failed, 2 anything else that went wrong (a line on stderr says what), 3 key
# refused (HTTP 401, 403), 4 timeout or too many requests (429), 130 interrupted. Ctrl-C is how `emulate` is ended: 0.

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .._errors import ASRWireError
from .._transcript import FORMATS
from ..formats import LAYOUT

_MAIN = """\
examples:
  asrwire demo                   watch live captions; no key, no network
  asrwire emulate --port 8080    have a server to point clients at
  asrwire tasks list             file tasks: submit, wait, results, ...
  asrwire record a.wav --model fun-asr-realtime -o a.asrcap
  asrwire inspect a.asrcap       what came when, and what was unusual
  asrwire convert a.json -f srt  a result file as subtitles

exit codes: 0 done, 1 some files or tasks failed, 2 an error (a line on stderr
says what), 3 key refused, 4 timeout or rate limit, 130 interrupted
"""
_DEMO = """\
examples:
  asrwire demo
  asrwire demo --fast --out results > summary.txt
"""
_EMULATE = """\
examples:
  asrwire emulate --port 8080 --speed 1
  export DASHSCOPE_BASE_URL=http://127.0.0.1:8080/api/v1
  export DASHSCOPE_API_KEY=any-key
  asrwire emulate --fault 429:retry_after=2,times=1 --fault rst:events=3,p=0.1

Faults are written name:parameter=value,...; any of them takes on=KIND+KIND
(stream, sync, submit, poll, list, cancel, result: the requests it meets), nth=
(the first of these), times= (how many) and p= (a chance, by --seed). A range
such as at=0-5000 is drawn anew for every request.

It runs until Ctrl-C, and then ends with exit code 0.
"""
_RECORD = """\
examples:
  asrwire record talk.wav --model fun-asr-realtime -o talk.asrcap
  asrwire record https://example.com/a.mp3 --model qwen3-asr-flash -o a.asrcap

The key comes from DASHSCOPE_API_KEY. It is not in the capture, nor are header
values of the request, cookies, tokens and the queries of URLs. The audio is
not in it either; what was recognised is.
"""
_REPLAY = """\
examples:
  asrwire replay talk.asrcap --speed 1
  asrwire replay talk.asrcap --json | jq -r 'select(.final).text'
  asrwire replay body.sse --seed 7

FILE is a capture, or the bare body of a response (an event stream or JSON).
"""
_INSPECT = """\
examples:
  asrwire inspect talk.asrcap
  asrwire inspect talk.asrcap --json | jq .ledger.first_partial
  asrwire inspect talk.asrcap --plot talk.svg
"""
_CONVERT = """\
examples:
  asrwire convert result.json --format srt -o talk.srt
  asrwire convert body.sse --format all
  curl -s "$TRANSCRIPTION_URL" | asrwire convert - --format vtt > talk.vtt

FILE is a result file (what a transcription_url answers), a transcript as
Transcript.to_json writes it, or the body of a response, event stream or JSON.
Other formats are made from these by pysubs2.
"""
_TASKS = """\
examples:
  asrwire tasks submit https://example.com/a.mp3 --model fun-asr
  asrwire tasks wait TASK_ID && asrwire tasks results TASK_ID -o texts

The key comes from DASHSCOPE_API_KEY. The service keeps tasks and their results
for 24 hours. URLs are shown without their queries.
"""
_SUBMIT = """\
examples:
  asrwire tasks submit https://example.com/a.mp3 --model fun-asr
  asrwire tasks submit https://example.com/a.mp3 --model paraformer-v2 \\
      --option diarization_enabled=true --option language_hints='["zh", "en"]'

Options are those of asrwire.FileOptions; extra={...} is merged last into the
parameters, for what is newer than this program.
"""
_GET = """\
examples:
  asrwire tasks get TASK_ID
  asrwire tasks get TASK_ID --json
"""
_WAIT = """\
examples:
  asrwire tasks wait TASK_ID
  asrwire tasks wait TASK_ID TASK_ID --timeout 600

Ctrl-C and --timeout end the waiting, not the tasks; the ids to go on with are
printed on stderr.
"""
_CANCEL = """\
examples:
  asrwire tasks cancel TASK_ID
"""
_LIST = """\
examples:
  asrwire tasks list --since 2h --status RUNNING
  asrwire tasks list --model fun-asr --limit 20 --json
"""
_RESULTS = """\
examples:
  asrwire tasks results TASK_ID
  asrwire tasks results TASK_ID --format srt -o subtitles

Files without a result are named on stderr, and the exit code is 1.
"""


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="asrwire", description="Streaming speech recognition at wire level.", epilog=_MAIN, formatter_class=raw
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="live captions from the bundled emulator: no key, no network",
        description="Stream a conversation from the bundled emulator, through the real client over\n"
        "a real socket. Captions go to stderr, sentences and a summary to stdout, the\n"
        "transcript to three files.",
        epilog=_DEMO,
        formatter_class=raw,
    )
    demo.add_argument("--fast", action="store_true", help="full speed, plain output")
    demo.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where demo.srt, demo.vtt and demo.json go (default: .)"
    )

    emulate = commands.add_parser(
        "emulate",
        help="run a DashScope speech-recognition server on this machine",
        description="Answer speech-recognition requests as the DashScope services do, whatever the\n"
        "audio, and refuse what their documents do not allow. Each request is logged as\n"
        "a line on stderr, without its key.",
        epilog=_EMULATE,
        formatter_class=raw,
    )
    emulate.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    emulate.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    emulate.add_argument(
        "--speed", type=float, metavar="X", help="1: real time, 4: four times faster; default: at once"
    )
    emulate.add_argument(
        "--envelope", default="doc", choices=("doc", "public", "workspace"), help="layout of native answers"
    )
    emulate.add_argument("--tls", action="store_true", help="serve https; needs asrwire[tls-emulator]")
    emulate.add_argument("--sample", type=Path, metavar="FILE", help="answer everything with this .sse or .json file")
    emulate.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="let this go wrong, such as cut:at=500; repeatable",
    )
    emulate.add_argument("--seed", type=int, default=0, metavar="N", help="decides what chance decides (default: 0)")
    emulate.add_argument("--list-faults", action="store_true", help="print the faults there are, and end")

    _add_captures(commands)
    convert = commands.add_parser(
        "convert",
        help="write a result file or response body as subtitles, text or JSON",
        description="Write what a service answered, kept in a file, in another format.",
        epilog=_CONVERT,
        formatter_class=raw,
    )
    convert.add_argument("file", metavar="FILE", help="what to read; - is stdin")
    convert.add_argument(
        "-f", "--format", "--to", choices=(*FORMATS, "all"), metavar="FORMAT",
        help=f"{', '.join(FORMATS)} or all; default: what the suffix of -o says, or else txt",
    )  # fmt: skip
    convert.add_argument(
        "-o", dest="out", type=Path, metavar="PATH", help="file or directory; default: stdout, and for all beside FILE"
    )
    _add_layout(convert)

    tasks = commands.add_parser(
        "tasks",
        help="submit audio files by URL, wait for them, read the results",
        description="Transcribe audio files by URL, as tasks of the service that outlive this\nprogram.",
        epilog=_TASKS,
        formatter_class=raw,
    )
    _add_actions(tasks.add_subparsers(dest="action", required=True, metavar="ACTION"))
    return parser


def _add_captures(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    raw = argparse.RawDescriptionHelpFormatter
    record = commands.add_parser(
        "record",
        help="stream a call and keep what came over the wire",
        description="Stream one call, with live captions on stderr, and keep every read of the\n"
        "answer with its time in a file that can be played again and inspected. Ctrl-C\n"
        "ends the call and keeps what was received.",
        epilog=_RECORD,
        formatter_class=raw,
    )
    record.add_argument("audio", metavar="AUDIO", help="a file, or a URL (http, https, oss, data)")
    record.add_argument("-o", dest="out", required=True, metavar="FILE.asrcap", help="the capture to write")
    record.add_argument("--model", required=True, help="such as fun-asr-realtime or qwen3-asr-flash")
    record.add_argument("--protocol", choices=("openai", "dashscope"), help="default: what the model offers")
    record.add_argument("--family", help="whose requests to send for a model that is not known")
    record.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="repeatable; JSON, or else a string"
    )
    record.add_argument("--base-url", metavar="URL", help="root of the service, ending in /api/v1")
    record.add_argument("--region", help="such as cn-beijing or ap-southeast-1")
    record.add_argument("--workspace", metavar="ID", help="use this workspace's own domain")

    replay = commands.add_parser(
        "replay",
        help="play a capture again",
        description="Play a capture through the same code that received it. Captions go to stderr,\n"
        "the text to stdout (where both are one terminal, the captions are the text).",
        epilog=_REPLAY,
        formatter_class=raw,
    )
    replay.add_argument("--speed", type=float, metavar="X", help="1: as it came, 4: 4 times faster; default: at once")
    replay.add_argument("--seed", type=int, metavar="N", help="split the body anew, into pieces drawn by this")
    replay.add_argument("--json", action="store_true", help="print one JSON object per update")

    inspect = commands.add_parser(
        "inspect",
        help="say what a capture holds: latency, revisions, anomalies",
        description="Say what came when, how steady the text was, and what was unusual.",
        epilog=_INSPECT,
        formatter_class=raw,
    )
    inspect.add_argument("--json", action="store_true", help="print one JSON object")
    inspect.add_argument(
        "--plot", type=Path, metavar="IMAGE", help="draw the words over time (.svg .png .pdf); needs asrwire[plot]"
    )
    for command in (replay, inspect):
        command.add_argument("file", metavar="FILE", help="a capture or a bare body; -: stdin")


def _add_layout(command: argparse.ArgumentParser) -> None:
    # The options that make a formats.Layout.
    add = command.add_argument_group("subtitles").add_argument
    add("--max-chars", type=int, default=LAYOUT.max_chars, metavar="N", help="columns of a line (default: %(default)s)")
    add("--max-lines", type=int, default=LAYOUT.max_lines, metavar="N", help="lines of a cue (default: %(default)s)")
    add("--max-cps", type=float, metavar="N", help="columns to be read per second: cues stay longer for that")
    add("--min-duration", type=int, default=LAYOUT.min_duration, metavar="MS", help="cues stay longer for that")
    add("--max-duration", type=int, default=LAYOUT.max_duration, metavar="MS", help="0: none (default: %(default)s)")
    add("--gap", type=int, default=LAYOUT.gap, metavar="MS", help="between two cues (default: %(default)s)")
    add("--speakers", action="store_true", help="begin what a speaker says with Speaker 1: ")


def _add_actions(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    def add(name: str, says: str, epilog: str) -> argparse.ArgumentParser:
        raw = argparse.RawDescriptionHelpFormatter
        title = f"{says.capitalize()}."
        action = actions.add_parser(name, help=says, description=title, epilog=epilog, formatter_class=raw)
        action.add_argument("--json", action="store_true", help="print one JSON object per line")
        action.add_argument("--base-url", metavar="URL", help="root of the service, ending in /api/v1")
        action.add_argument("--region", help="such as cn-beijing or ap-southeast-1")
        action.add_argument("--workspace", metavar="ID", help="use this workspace's own domain")
        return action

    submit = add("submit", "submit audio files and print the task ids", _SUBMIT)
    submit.add_argument("urls", nargs="+", metavar="URL", help="what the service is to fetch (http, https, oss)")
    submit.add_argument("--model", required=True, help="such as fun-asr or qwen3-asr-flash-filetrans")
    submit.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="repeatable; JSON, or else a string"
    )
    get = add("get", "show a task as it is now", _GET)
    wait = add("wait", "wait until tasks are done", _WAIT)
    wait.add_argument("ids", nargs="+", metavar="ID", help="a task id")
    wait.add_argument("--timeout", type=float, metavar="S", help="seconds; default: as long as it takes")
    cancel = add("cancel", "cancel a task that has not begun", _CANCEL)
    listing = add("list", "list the tasks of the last 24 hours", _LIST)
    listing.add_argument("--status", help="PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED or UNKNOWN")
    listing.add_argument("--model", help="as submitted")
    listing.add_argument("--since", metavar="2h", help="submitted in the last s, m or h")
    listing.add_argument("--limit", type=int, metavar="N", help="at most so many")
    results = add("results", "print or write the results of a task that is done", _RESULTS)
    results.add_argument("--format", choices=FORMATS, help="default: txt, with --json: json")
    results.add_argument("-o", dest="out", type=Path, metavar="DIR", help="one file per audio file into DIR")
    for action in (get, cancel, results):
        action.add_argument("id", metavar="ID", help="a task id")


def exit_code(error: ASRWireError) -> int:
    """The exit code that stands for an error."""
    if error.kind in ("task_failed", "expired"):
        return 1
    if error.http_status in (401, 403):
        return 3
    return 4 if error.kind in ("timeout", "pool") or error.http_status == 429 else 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default the process's own) and return its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed before the start
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    try:
        arguments = _parser().parse_args(argv)
        result: int = import_module(f"asrwire.cli._{arguments.command}").run(arguments)
        return result
    except SystemExit as end:  # argparse: 0 after --help, 2 after a usage error it has printed
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        return 130
    except (ASRWireError, OSError) as error:
        message, code = str(error), exit_code(error) if isinstance(error, ASRWireError) else 2
    except Exception as error:
        message, code = f"{type(error).__name__}: {error}", 2
    print(f"asrwire: {' '.join(message.split())}", file=sys.stderr)
    return code
