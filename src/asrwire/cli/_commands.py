# The commands: what each is called, its arguments, its help with examples.
#
# Knows: names, options, examples. Must not know: what commands do. The arguments of a command are made when it is
# named, so that `asrwire --help` imports nothing of what they need.

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .. import __version__

if TYPE_CHECKING:
    from pathlib import Path

_MAIN = """\
examples:
  asrwire demo                   live captions, no network
  asrwire transcribe a.wav -m fun-asr-realtime
  asrwire emulate --port 8080    a server for any client
  asrwire tasks list             submit, wait, results, ...
  asrwire batch urls.txt -m fun-asr --journal run.db -o out
  asrwire record a.wav -m fun-asr-realtime -o a.asrcap
  asrwire inspect a.asrcap       latency, what is unusual
  asrwire convert a.json -f srt  a result file as subtitles
  asrwire doctor                 is all here for a call?

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
  asrwire emulate --fault 429:retry_after=2,times=1 \\
      --fault rst:events=3,p=0.1

Faults are written name:parameter=value,...; any of them takes on=KIND+KIND
(stream, sync, submit, poll, list, cancel, result: the requests it meets), nth=
(the first of these), times= (how many) and p= (a chance, by --seed). A range
such as at=0-5000 is drawn anew for every request.

It runs until Ctrl-C, and then ends with exit code 0.
"""
_BATCH = """\
examples:
  asrwire batch urls.txt -m fun-asr --journal run.db -o out
  asrwire batch - -m qwen3-asr-flash-filetrans \\
      --journal words.db -o words \\
      --option enable_words=true < urls.txt

A manifest has a URL a line, or a JSON object a line with url, id (what the
file is known by where its URL changes) and options of its own.

It can be stopped, or killed, at any time; the same command goes on. A file
whose submission was not answered is uncertain: it is not sent again before
the account's tasks show that it was not taken. Results are kept by the
service for 24 hours, and fetched as soon as they are there.
"""
_RECORD = """\
examples:
  asrwire record talk.wav -m fun-asr-realtime -o a.asrcap
  asrwire record https://example.com/a.mp3 \\
      --model qwen3-asr-flash -o a.asrcap

The key comes from DASHSCOPE_API_KEY. It is not in the capture, nor are header
values of the request, cookies, tokens and the queries of URLs. The audio is
not in it either; what was recognised is.
"""
_REPLAY = """\
examples:
  asrwire replay talk.asrcap --speed 1
  asrwire replay talk.asrcap --format all -o out
  asrwire replay a.asrcap --json | jq 'select(.final).text'
  asrwire replay body.sse --seed 7

FILE is a capture, or the bare body of a response (an event stream or JSON).
With --speed and -o, files grow as they did in the call; --json prints no
captions.
"""
_INSPECT = """\
examples:
  asrwire inspect talk.asrcap
  asrwire inspect talk.asrcap --json | jq .ledger.stalls
  asrwire inspect talk.asrcap --plot talk.svg
"""
_CONVERT = """\
examples:
  asrwire convert result.json --format srt -o talk.srt
  asrwire convert talk.asrcap --format all
  curl -s "$TRANSCRIPTION_URL" | asrwire convert - -o a.vtt

FILE is a result file (what a transcription_url answers), a transcript as
Transcript.to_json writes it, a capture, or the body of a response, event stream
or JSON.
Other formats are made from these by pysubs2.
"""
_TASKS = """\
examples:
  asrwire tasks submit https://example.com/a.mp3 -m fun-asr
  asrwire tasks wait TASK_ID \\
      && asrwire tasks results TASK_ID -o texts

The key comes from DASHSCOPE_API_KEY. The service keeps tasks and their results
for 24 hours. URLs are shown without their queries.
"""
_SUBMIT = """\
examples:
  asrwire tasks submit https://example.com/a.mp3 -m fun-asr
  asrwire tasks submit https://example.com/a.mp3 \\
      --model paraformer-v2 \\
      --option diarization_enabled=true \\
      --option language_hints='["zh", "en"]'

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


_TRANSCRIBE = """\
examples:
  asrwire transcribe talk.wav --model fun-asr-realtime
  asrwire transcribe talk.wav -m fun-asr-realtime -o a.vtt
  asrwire transcribe https://example.com/a.mp3 \\
      --model fun-asr --format srt
  asrwire transcribe talk.wav \\
      --model fun-asr-realtime --format all -o out
  ffmpeg -i a.mkv -f wav - | asrwire transcribe - \\
      --model fun-asr-realtime -o a.srt
  asrwire transcribe a.mp3 -m qwen3-asr-flash --json \\
      | jq 'select(.final).text'

The key comes from DASHSCOPE_API_KEY. Files and stdin travel in the request, up
to 20 MiB; models of file tasks take URLs. Options are those of
asrwire.FunASRRealtimeOptions, FunASRFlashOptions, QwenOptions and FileOptions,
by model; extra={...} is merged last into the parameters.

With -o, files are whole and valid after every final sentence. Ctrl-C ends the
call and keeps what was received; text that was not final is marked.
"""
_DOCTOR = """\
examples:
  asrwire doctor
  asrwire doctor --live -o report.asrcap

--live makes one call, with a second of sound: the service bills a second. It
prints what the documents leave open, and keeps the exchange as a capture that
can be shared: no key, token, cookie or query is in it (docs/asrcap.md).
"""


class _Command(NamedTuple):
    says: str
    description: str
    epilog: str
    add_to: Callable[[argparse.ArgumentParser], None]


class _Formatter(argparse.HelpFormatter):
    # Prose is wrapped, but not at hyphens, for names have those; examples stay as they are.
    def _split_lines(self, text: str, width: int) -> list[str]:
        from textwrap import wrap

        return wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.strip().split("\n\n")
        return "\n\n".join(
            part if part.startswith("examples:\n") else "\n".join(self._split_lines(part, width)) for part in parts
        )


def parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """What parses these arguments: of commands that are not among them it only knows the names."""
    title = "Streaming speech recognition at wire level."
    made = argparse.ArgumentParser(prog="asrwire", description=title, epilog=_MAIN, formatter_class=_Formatter)
    made.add_argument("-V", "--version", action="version", version=f"asrwire {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (says, description, epilog, add_to) in _COMMANDS.items():
        command = commands.add_parser(
            name, help=says, description=description, epilog=epilog, formatter_class=_Formatter
        )
        if name in arguments:
            add_to(command)
    return made


# == arguments =========================================================================================================


def _path(text: str) -> Path:
    from pathlib import Path

    return Path(text)


def _out(text: str) -> Path | None:
    return None if text == "-" else _path(text)


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--fast", action="store_true", help="full speed, plain output")
    command.add_argument(
        "--out", type=_path, default=".", metavar="DIR", help="where demo.srt, demo.vtt and demo.json go (default: .)"
    )


def _transcribe(command: argparse.ArgumentParser) -> None:
    _add_call(command)
    _add_service(command)
    _add_stream(command)


def _emulate(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=0, help="port to listen on (default: a free one)")
    add("--speed", type=float, metavar="X", help="1: real time, 4: four times faster; default: at once")
    add("--envelope", default="doc", choices=("doc", "public", "workspace"), help="layout of native answers")
    add("--tls", action="store_true", help="serve https; needs asrwire[tls-emulator]")
    add("--sample", type=_path, metavar="FILE", help="answer everything with this .sse or .json file")
    add(
        "--fault", action="append", default=[], metavar="FAULT",
        help="let this go wrong, such as cut:at=500; repeatable",
    )  # fmt: skip
    add("--seed", type=int, default=0, metavar="N", help="decides what chance decides (default: 0)")
    add("--list-faults", action="store_true", help="print the faults there are, and end")


def _record(command: argparse.ArgumentParser) -> None:
    _add_call(command)
    command.add_argument("-o", dest="out", required=True, metavar="FILE.asrcap", help="the capture to write")
    _add_service(command)


def _replay(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("file", metavar="FILE", help="a capture or a bare body; -: stdin")
    add("--speed", type=float, metavar="X", help="1: as it came, 4: 4 times faster; default: at once")
    add("--seed", type=int, metavar="N", help="split the body anew, into pieces drawn by this")
    _add_stream(command)


def _inspect(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("file", metavar="FILE", help="a capture or a bare body; -: stdin")
    add("--json", action="store_true", help="print one JSON object")
    add("--plot", type=_path, metavar="IMAGE", help="draw the words over time (.svg .png .pdf); needs asrwire[plot]")


def _convert(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="what to read; - is stdin")
    _add_format(command)
    _add_layout(command)


def _tasks(command: argparse.ArgumentParser) -> None:
    from .._transcript import FORMATS

    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, says: str, epilog: str) -> argparse.ArgumentParser:
        title = f"{says.capitalize()}."
        action = actions.add_parser(name, help=says, description=title, epilog=epilog, formatter_class=_Formatter)
        action.add_argument("--json", action="store_true", help="print one JSON object per line")
        _add_service(action)
        return action

    submit = add("submit", "submit audio files and print the task ids", _SUBMIT)
    submit.add_argument("urls", nargs="+", metavar="URL", help="what the service is to fetch (http, https, oss)")
    submit.add_argument("-m", "--model", required=True, help="such as fun-asr or qwen3-asr-flash-filetrans")
    _add_option(submit)
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
    says = f"{', '.join(FORMATS)}; default: txt, with --json: json"
    results.add_argument("-f", "--format", choices=FORMATS, metavar="FORMAT", help=says)
    results.add_argument("-o", dest="out", type=_path, metavar="DIR", help="one file per audio file into DIR")
    for action in (get, cancel, results):
        action.add_argument("id", metavar="ID", help="a task id")


def _batch(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("manifest", metavar="MANIFEST", help="the files; - is stdin")
    add("-m", "--model", required=True, help="such as fun-asr or qwen3-asr-flash-filetrans")
    add("--family", help="whose requests to send for a model that is not known")
    add("--journal", required=True, type=_path, metavar="FILE.db", help="what has been done; made where there is none")
    add("-o", "--out", required=True, type=_path, metavar="DIR", help="one JSON file per audio file into DIR")
    add("--parquet", action="store_true", help="all words as a table too: DIR/words.parquet")
    add("--rate", type=float, default=5.0, metavar="N", help="submissions a second, at most (default: %(default)s)")
    add("--rate-file", type=_path, metavar="FILE", help="made where there is none; all that name it share one --rate")
    add("--resubmit-uncertain", action="store_true", help="send what cannot be told again; it may be billed twice")
    add("--retry-failed", action="store_true", help="send what failed or expired once more; it may be billed twice")
    add("--json", action="store_true", help="print one JSON object per file without result, and one for all")
    _add_option(command)
    _add_service(command)


def _doctor(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--live", action="store_true", help="make one small call and say what the service answers")
    add("--model", default="fun-asr-realtime", help="of that call (default: %(default)s)")
    add("--protocol", choices=("openai", "dashscope"), help="of that call; default: what the model offers")
    add(
        "-o",
        dest="out",
        default="doctor.asrcap",
        metavar="FILE.asrcap",
        help="the capture of it (default: %(default)s)",
    )
    _add_service(command)


def _add_call(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("audio", metavar="AUDIO", help="a file, a URL (http, https, oss, data), or - for stdin")
    add("-m", "--model", required=True, help="such as fun-asr-realtime or qwen3-asr-flash")
    add("--protocol", choices=("openai", "dashscope"), help="default: what the model offers")
    add("--family", help="whose requests to send for a model that is not known")
    _add_option(command)


def _add_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="repeatable; JSON, or else a string"
    )


def _add_service(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--base-url", metavar="URL", help="root of the service, ending in /api/v1")
    add("--region", help="such as cn-beijing or ap-southeast-1")
    add("--workspace", metavar="ID", help="use this workspace's own domain")


def _add_stream(command: argparse.ArgumentParser) -> None:
    # What is made of updates.
    _add_format(command)
    command.add_argument("--json", action="store_true", help="print one JSON object per update")
    command.add_argument("-q", "--quiet", action="store_true", help="no captions, no progress")
    _add_layout(command)


def _add_format(command: argparse.ArgumentParser) -> None:
    from .._transcript import FORMATS

    command.add_argument(
        "-f", "--format", "--to", choices=(*FORMATS, "all"), metavar="FORMAT",
        help=f"{', '.join(FORMATS)} or all; default: what the suffix of -o says, or else txt",
    )  # fmt: skip
    command.add_argument(
        "-o", dest="out", type=_out, metavar="PATH",
        help="a file or a directory; default: stdout, and for all beside the file read",
    )  # fmt: skip


def _add_layout(command: argparse.ArgumentParser) -> None:
    # The options that make a formats.Layout.
    from ..formats import LAYOUT

    add = command.add_argument_group("subtitles").add_argument
    add("--max-chars", type=int, default=LAYOUT.max_chars, metavar="N", help="columns of a line (default: %(default)s)")
    add("--max-lines", type=int, default=LAYOUT.max_lines, metavar="N", help="lines of a cue (default: %(default)s)")
    add("--max-cps", type=float, metavar="N", help="columns to be read per second: cues stay longer for that")
    add("--min-duration", type=int, default=LAYOUT.min_duration, metavar="MS", help="cues stay longer for that")
    add("--max-duration", type=int, default=LAYOUT.max_duration, metavar="MS", help="0: none (default: %(default)s)")
    add("--gap", type=int, default=LAYOUT.gap, metavar="MS", help="between two cues (default: %(default)s)")
    add("--speakers", action="store_true", help="begin what a speaker says with Speaker 1: ")


_COMMANDS = {
    "demo": _Command(
        "live captions from the bundled emulator: no key, no network",
        "Stream a conversation from the bundled emulator, through the real client over\n"
        "a real socket. Captions go to stderr, sentences and a summary to stdout, the\n"
        "transcript to three files.",
        _DEMO,
        _demo,
    ),
    "transcribe": _Command(
        "transcribe a file, a URL or stdin, with live captions",
        "Transcribe one piece of audio. Captions and progress go to stderr while it is\n"
        "heard, the result to stdout (where both are one terminal, the captions are it).",
        _TRANSCRIBE,
        _transcribe,
    ),
    "emulate": _Command(
        "run a DashScope speech-recognition server on this machine",
        "Answer speech-recognition requests as the DashScope services do, whatever the\n"
        "audio, and refuse what their documents do not allow. Each request is logged as\n"
        "a line on stderr, without its key.",
        _EMULATE,
        _emulate,
    ),
    "record": _Command(
        "stream a call and keep what came over the wire",
        "Stream one call, with live captions on stderr, and keep every read of the\n"
        "answer with its time in a file that can be played again and inspected. Ctrl-C\n"
        "ends the call and keeps what was received.",
        _RECORD,
        _record,
    ),
    "replay": _Command(
        "play a capture again",
        "Play a capture through the same code that received it. Captions go to stderr,\n"
        "results to stdout (where both are one terminal, the captions are it).",
        _REPLAY,
        _replay,
    ),
    "inspect": _Command(
        "say what a capture holds: latency, revisions, anomalies",
        "Say what came when, how steady the text was, and what was unusual.",
        _INSPECT,
        _inspect,
    ),
    "convert": _Command(
        "write an answer kept in a file as subtitles, text or JSON",
        "Write what a service answered, kept in a file, in another format.",
        _CONVERT,
        _convert,
    ),
    "tasks": _Command(
        "submit audio files by URL, wait for them, read the results",
        "Transcribe audio files by URL, as tasks of the service that outlive this\nprogram.",
        _TASKS,
        _tasks,
    ),
    "batch": _Command(
        "transcribe a list of files, each once, whatever happens",
        "Transcribe the files of a list, in as many tasks as it takes, and write each\n"
        "result as it is there. Progress goes to stderr, a report to stdout.",
        _BATCH,
        _batch,
    ),
    "doctor": _Command(
        "check that everything is here that a call needs",
        "Look at what a call to the service needs and print it as a table, without\n"
        "showing the key or any other secret. Exit code 1: something is wrong.",
        _DOCTOR,
        _doctor,
    ),
}
