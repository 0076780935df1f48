# Request: which bytes go where, for a transcription call, for a file task: endpoints, key, model families, bodies.
#
# Knows: hosts and regions, environment variables, model names, the services' request shapes. Must not know sockets,
# clients or responses. Pure: the environment is an argument, and only a key file is ever read.
# No error or repr here shows a key, audio, text of the caller or a URL's query.

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from ._audio import Audio, shown_url, split_url
from ._errors import ConfigError, DecodeError
from ._options import FAMILIES, FILE_FAMILIES, check_json, check_options, suggest
from ._task import TASK_ID

_NATIVE = "/api/v1"
_COMPATIBLE = "/compatible-mode/v1"
_US = "us-east-1"
_PUBLIC_HOSTS = {
    "cn-beijing": "dashscope.aliyuncs.com",
    "ap-southeast-1": "dashscope-intl.aliyuncs.com",
    _US: "dashscope-us.aliyuncs.com",
    "cn-hongkong": "cn-hongkong.dashscope.aliyuncs.com",
}
_VARIABLES = (
    *("DASHSCOPE_REGION", "DASHSCOPE_WORKSPACE", "DASHSCOPE_BASE_URL"),
    *("DASHSCOPE_HTTP_BASE_URL", "DASHSCOPE_COMPATIBLE_BASE_URL"),
)
_WORKSPACE_HOST = re.compile(r"[^.]+\.([a-z0-9-]+)\.maas\.aliyuncs\.com")


# == where to =======================================================================================================


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The two roots of one region or gateway; made by `resolve`.

    Attributes:
        base_url: root of the DashScope protocol, ending in ``/api/v1``.
        compatible_base_url: root of the OpenAI-compatible protocol; no slash at its end.
        workspace: value of ``X-DashScope-WorkSpace``, or None where the host names the workspace, or there is none.
        region: ``"cn-beijing"``, ``"us-east-1"``, ...
    """

    base_url: str
    compatible_base_url: str
    workspace: str | None
    region: str


def resolve(
    region: str | None = None,
    workspace: str | None = None,
    base_url: str | None = None,
    compatible_base_url: str | None = None,
    *,
    environ: Mapping[str, str],
    allow_http: bool = False,
) -> Endpoints:
    """Find the endpoints. Each setting is the argument, else ``DASHSCOPE_BASE_URL``, ``_WORKSPACE`` or ``_REGION``,
    else the 1.x SDK's ``DASHSCOPE_HTTP_BASE_URL`` or ``DASHSCOPE_COMPATIBLE_BASE_URL``, else what the others imply.

    A workspace has its own domain, or with an explicit base_url the header. A ``base_url`` argument also sets the
    OpenAI-compatible root; the environment's does not override it. ``http://`` needs a loopback host or `allow_http`.
    Raises ConfigError, without the value where it may be a secret; TypeError.
    """
    # Only these: tools that print the locals of a traceback must find no key here.
    environ = {name: environ[name] for name in _VARIABLES if name in environ}
    region, region_name = _setting("region", region, environ, "DASHSCOPE_REGION")
    workspace, workspace_name = _setting("workspace", workspace, environ, "DASHSCOPE_WORKSPACE")
    compatible_variables = ("DASHSCOPE_COMPATIBLE_BASE_URL",) if base_url is None else ()
    compatible, compatible_name = _setting("compatible_base_url", compatible_base_url, environ, *compatible_variables)
    base, base_name = _setting("base_url", base_url, environ, "DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL")

    if region is not None and not re.fullmatch(r"[a-z0-9-]{1,64}", region):
        raise ConfigError(f"{region_name} is 1 to 64 of a-z, 0-9 and -, such as cn-beijing")
    if workspace is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", workspace):
        raise ConfigError(f"{workspace_name} is 1 to 128 letters, digits, dots, _ and -")
    if base is None:
        root = f"https://{_host(region or 'cn-beijing', workspace, workspace_name)}{_NATIVE}"
    else:
        root = _check_root(base, base_name, allow_http)
        if not root.endswith(_NATIVE):
            raise ConfigError(f"{base_name} must end in {_NATIVE}")
    return Endpoints(
        base_url=root,
        compatible_base_url=(
            root.removesuffix(_NATIVE) + _COMPATIBLE
            if compatible is None
            else _check_root(compatible, compatible_name, allow_http)
        ),
        workspace=None if base is None and compatible is None else workspace,
        region=region or _region_of(root) or "cn-beijing",
    )


def _setting(
    name: str, argument: str | None, environ: Mapping[str, str], *variables: str
) -> tuple[str | None, str]:
    # The value and where it came from, for messages. An empty variable is an unset one.
    if argument is not None:
        if not isinstance(argument, str):
            raise TypeError(f"{name} must be a str or None, not {type(argument).__name__}")
        return argument, name
    return next(((environ[variable], variable) for variable in variables if environ.get(variable)), (None, name))


def _host(region: str, workspace: str | None, workspace_name: str) -> str:
    if workspace is not None:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", workspace):
            raise ConfigError(f"{workspace_name} cannot be part of a host name; with base_url it is sent as a header")
        return f"{workspace}.{region}.maas.aliyuncs.com"
    if region not in _PUBLIC_HOSTS:
        raise ConfigError(
            f"region {region!r} has no public host: give workspace or base_url{suggest(region, _PUBLIC_HOSTS)}"
        )
    return _PUBLIC_HOSTS[region]


def _region_of(root: str) -> str | None:
    host = root.split("/")[2].partition(":")[0].lower()
    named = _WORKSPACE_HOST.fullmatch(host)
    return named[1] if named else next((r for r, public in _PUBLIC_HOSTS.items() if public == host), None)


def _check_root(url: str, name: str, allow_http: bool) -> str:
    parts = split_url(url, name, ("https", "http"))
    host = parts.hostname or ""
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ConfigError(f"{name} must not hold user information, a query or a fragment")
    if not (_is_address(host) or re.fullmatch(r"[a-z0-9._-]+", host)):
        raise ConfigError(f"{name} has no valid host name")
    if not re.fullmatch(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*", parts.path):
        raise ConfigError(f"{name} holds a character that a path cannot have (RFC 3986 3.3)")
    if parts.scheme == "http" and not (allow_http or _is_loopback(host)):
        raise ConfigError(f"{name} must be https:// (http:// is for loopback hosts, or with allow_http=True)")
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/')}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def api_key(value: str | Callable[[], str] | None, environ: Mapping[str, str]) -> str:
    """The key for one request: `value` (called if it can be), else ``DASHSCOPE_API_KEY``, else the content of the file
    that ``DASHSCOPE_API_KEY_FILE_PATH`` names.

    Raises ConfigError, without the key, where there is none or it cannot stand in a header (RFC 9110 5.5); TypeError.
    """
    name = "api_key"
    key = value() if callable(value) else value
    if key is None and not callable(value):
        if environ.get("DASHSCOPE_API_KEY"):
            name = "DASHSCOPE_API_KEY"
            key = environ[name]
        elif environ.get("DASHSCOPE_API_KEY_FILE_PATH"):
            name = "the file of DASHSCOPE_API_KEY_FILE_PATH"
            key = _read_key(environ["DASHSCOPE_API_KEY_FILE_PATH"])
        else:
            raise ConfigError(
                "no API key: give api_key=, or set DASHSCOPE_API_KEY, or DASHSCOPE_API_KEY_FILE_PATH to a file with it"
            )
    if not isinstance(key, str):
        raise TypeError(f"api_key must be a str or a callable that returns one, not {type(key).__name__}")
    if not re.fullmatch(r"[\x21-\x7e\xa1-\xff]+", key):
        empty = not key
        del key, value, environ  # tools that print the locals of a traceback must find no key here
        raise ConfigError(
            f"{name} is empty" if empty else f"{name} holds white space, a control character or one outside latin-1"
        )
    return key


def _read_key(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read(65536).strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not text"
    raise ConfigError(f"cannot read the file of DASHSCOPE_API_KEY_FILE_PATH: {reason}")


# == what ===========================================================================================================


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request without its Host, Content-Length and Authorization fields.

    Attributes:
        method: ``"POST"``, ``"GET"``.
        url: absolute.
        headers: (name, value) pairs in the order they are sent.
        body: JSON, or empty.
        stream: an event stream was asked for.
        incremental: what ``parameters.incremental_output`` asks for, for `ResultStream`; None if not said.
        family: the model family whose shape the body has; ``"task"`` and ``"result"`` for what follows a submission.
        credentials: False: it goes to another origin, so neither the key nor any header field or cookie meant for the
            API goes with it.
        deadline: on the caller's monotonic clock, when nobody waits for the answer any more; None: no such time.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    stream: bool
    incremental: bool | None
    family: str
    credentials: bool = True
    deadline: float | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {shown_url(self.url)}>"


_PROTOCOLS = ("openai", "dashscope")

# Model names, first match wins; a name goes on with a dash: a dated snapshot, "-us", both.
_MODELS = (
    (r"(?!fun-asr-realtime)(qwen|fun-asr|paraformer).*-(realtime|streaming|message)(-.*)?", "websocket"),
    (r".*-filetrans(-.*)?|fun-asr(-mtl.*|-20.*)?|paraformer.*", "file"),
    (r"qwen3-asr-flash(-.*)?", "qwen3-asr-flash"),
    (r"fun-asr-flash(-.*)?", "fun-asr-flash"),
    (r"fun-asr-realtime(-.*)?", "fun-asr-realtime"),
    (r"qwen-audio-3\..*-asr-flash(-.*)?", "qwen-audio"),
)


def transcription(
    endpoints: Endpoints,
    audio: Audio,
    *,
    model: str,
    protocol: str | None = None,
    family: str | None = None,
    stream: bool,
    extra: Mapping[str, object] | None = None,
    options: Mapping[str, object],
    warn: bool = True,
) -> Request:
    """The request of one synchronous transcription, streaming or not.

    `protocol`: ``"openai"``, ``"dashscope"``, or None: OpenAI-compatible for qwen3-asr-flash, but DashScope in the US
    region, for that region's models (``-us``) and for everything else. `family`: one of `FAMILIES`, for models not
    known here. `extra` is merged last, objects member by member: into ``parameters`` (DashScope) or the top level
    (OpenAI-compatible).

    Raises ConfigError for what the service would refuse or misunderstand, TypeError for values of a wrong type; warns
    (UserWarning), if `warn`, of context the service would cut.
    """
    family, protocol = _choose(model, protocol, family, endpoints.region)
    given = check_options(family, options, warn=warn)
    if extra is not None and not isinstance(extra, Mapping):
        raise TypeError(f"extra must be a mapping, not {type(extra).__name__}")
    added = check_json(extra or {}, "extra")
    incremental: bool | None = None
    if protocol == "openai":
        url = endpoints.compatible_base_url + "/chat/completions"
        body = _openai_body(audio, stream, given)
        _check_openai_extra(added, stream)
        _merge(body, added)
    else:
        url = endpoints.base_url + "/services/aigc/multimodal-generation/generation"
        body = _BODIES[family](audio, given)
        _merge(body["parameters"], added)
        if family == "qwen3-asr-flash":
            incremental = added.get("incremental_output")
            if not isinstance(incremental, bool | None):
                raise TypeError("extra['incremental_output'] must be a bool")
        elif "format" not in body["parameters"]:
            raise ConfigError(f"{family} needs the audio's format, and neither content nor name tells it: give format=")

    headers = [
        ("Content-Type", "application/json"),
        ("Accept", "text/event-stream" if stream else "application/json"),
        ("Accept-Encoding", "identity"),
    ]
    if protocol == "dashscope" and (stream or family != "qwen3-asr-flash"):
        headers.append(("X-DashScope-SSE", "enable" if stream else "disable"))
    if audio.value[:6].lower() == "oss://":
        headers.append(("X-DashScope-OssResourceResolve", "enable"))
    if endpoints.workspace is not None:
        headers.append(("X-DashScope-WorkSpace", endpoints.workspace))
    return Request(
        "POST", url, tuple(headers), orjson.dumps({"model": model, **body}), stream, incremental, family
    )


def _check_names(model: str, **others: str | None) -> None:
    for name, value in {"model": model, **others}.items():
        if not isinstance(value, str) and (value is not None or name == "model"):
            raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not re.fullmatch(r"[\x21-\x7e]{1,256}", model):
        raise ConfigError("model is 1 to 256 printable ASCII characters without spaces")


def _choose(model: str, protocol: str | None, family: str | None, region: str) -> tuple[str, str]:
    _check_names(model, protocol=protocol, family=family)
    if protocol is not None and protocol not in _PROTOCOLS:
        raise ConfigError(f"no protocol is called {protocol!r}{suggest(protocol, _PROTOCOLS)}")
    if family is not None and family not in FAMILIES:
        raise ConfigError(f"no model family is called {family!r}{suggest(family, FAMILIES)}")
    known = next((kind for pattern, kind in _MODELS if re.fullmatch(pattern, model)), None)
    if known in FAMILIES:
        chosen = family or known
    elif family is not None and protocol is not None:
        chosen = family
    elif known == "file":
        raise ConfigError(f"{model!r} is a file-task model: it takes URLs through client.tasks")
    elif known == "websocket":
        raise ConfigError(f"{model!r} is served over WebSocket, not over HTTP")
    else:
        raise ConfigError(
            f"the model {model!r} is not known: check its name, or give both protocol= and family="
            f"{suggest(model, FAMILIES)}"
        )
    us = region == _US or re.fullmatch(r".*-us(-.*)?", model) is not None  # models of that region are named so
    openai = chosen == "qwen3-asr-flash" and not us
    if protocol == "openai" and not openai:
        who = f"the region {_US}" if us else chosen
        raise ConfigError(f"protocol='openai' is not offered for {who}: use protocol='dashscope'")
    return chosen, protocol or ("openai" if openai else "dashscope")


# == bodies =========================================================================================================


def _openai_body(audio: Audio, stream: bool, given: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "input_audio", "input_audio": {"data": audio.value}}]
    body: dict[str, Any] = {"messages": _qwen_messages(content, given), "stream": stream}
    if given.get("include_usage"):
        if not stream:
            raise ConfigError("include_usage is for streams; an answer in one piece always carries usage")
        body["stream_options"] = {"include_usage": True}
    return body | _asr_options(given)


def _check_openai_extra(added: dict[str, Any], stream: bool) -> None:
    taken = {"model", "messages", "stream"} & added.keys()
    if taken:
        raise ConfigError(f"extra must not hold {', '.join(sorted(taken))}: the call itself says that")
    if "stream_options" in added and not stream:
        raise ConfigError("extra holds stream_options, which must not be sent without stream")


def _qwen_body(audio: Audio, given: dict[str, Any]) -> dict[str, Any]:
    if given.get("include_usage"):
        raise ConfigError("include_usage is for protocol='openai'; DashScope always sends usage")
    parameters = {**_asr_options(given), "result_format": "message"}  # the only one that carries what is heard
    return {"input": {"messages": _qwen_messages([{"audio": audio.value}], given)}, "parameters": parameters}


def _qwen_messages(content: list[dict[str, Any]], given: dict[str, Any]) -> list[dict[str, Any]]:
    system = [{"role": "system", "content": [{"text": given["context"]}]}] if "context" in given else []
    return [*system, {"role": "user", "content": content}]


def _asr_options(given: dict[str, Any]) -> dict[str, Any]:
    options = {name: given[name] for name in ("language", "enable_itn") if name in given}
    return {"asr_options": options} if options else {}


def _flash_body(audio: Audio, given: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "input_audio", "input_audio": {"data": audio.value}}]
    messages = [*given.pop("context", ()), {"role": "user", "content": content}]
    return {"input": {"messages": messages}, "parameters": _with_format(audio, given)}


def _realtime_body(audio: Audio, given: dict[str, Any]) -> dict[str, Any]:
    parameters = _with_format(audio, given)
    messages = []
    if audio.source == "url":
        parameters["audio_address"] = audio.value
    else:
        messages.append({"role": "user", "content": [{"audio": audio.value}]})
    return {"input": {"messages": messages}, "parameters": parameters, "resources": []}


def _with_format(audio: Audio, given: dict[str, Any]) -> dict[str, Any]:
    return given if audio.format is None else {"format": audio.format} | given


_BODIES: dict[str, Callable[[Audio, dict[str, Any]], dict[str, Any]]] = {
    "qwen3-asr-flash": _qwen_body,
    "fun-asr-flash": _flash_body,
    "qwen-audio": _flash_body,
    "fun-asr-realtime": _realtime_body,
}


def _merge(target: dict[str, Any], added: dict[str, Any]) -> None:
    for name, value in added.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        else:
            target[name] = value


# == file tasks =====================================================================================================

MOST_URLS: Final = 100  # of one task; one for the families below
_ONE_URL: Final = ("qwen3-asr-flash-filetrans", "qwen-audio-filetrans")

_FILE_MODELS: Final = (
    (r"qwen3-asr-flash-filetrans(-.*)?", "qwen3-asr-flash-filetrans"),
    (r"qwen-audio-.*-filetrans(-.*)?", "qwen-audio-filetrans"),
    (r"fun-asr(-mtl.*|-20.*)?", "fun-asr"),
    (r"(?!.*-(realtime|streaming))paraformer.*", "paraformer"),
)

_MOMENT: Final = "%Y%m%d%H%M%S"
_SERVICE_TIME: Final = timezone(timedelta(hours=8))


def file_family(model: str, family: str | None = None) -> str | None:
    """The family in `FILE_FAMILIES` of a file-task model; None for a model that is none. `family`, if given, decides.

    Raises ConfigError, TypeError.
    """
    _check_names(model, family=family)
    if family is not None and family not in FAMILIES and family not in FILE_FAMILIES:
        raise ConfigError(f"no model family is called {family!r}{suggest(family, [*FAMILIES, *FILE_FAMILIES])}")
    if family is not None:
        return family if family in FILE_FAMILIES else None
    return next((kind for pattern, kind in _FILE_MODELS if re.fullmatch(pattern, model)), None)


def urls_per_task(family: str) -> int:
    """How many files one task of this family takes."""
    return 1 if family in _ONE_URL else MOST_URLS


def file_urls(urls: str | Iterable[str]) -> list[str]:
    """The URLs of audio files, checked: one or more of ``http:// https:// oss://``, which the service fetches itself.

    Raises ConfigError, without the URL, TypeError.
    """
    if not isinstance(urls, str) and (isinstance(urls, bytes | bytearray | Mapping) or not isinstance(urls, Iterable)):
        raise TypeError(f"urls is a URL (str) or a sequence of them, not {type(urls).__name__}")
    found = [urls] if isinstance(urls, str) else list(urls)
    if not found:
        raise ConfigError("urls is empty")
    for i, url in enumerate(found):
        name = "the audio URL" if len(found) == 1 else f"urls[{i}]"
        if not isinstance(url, str):
            raise TypeError(f"{name} must be a str, not {type(url).__name__}: the service fetches files itself, by URL")
        if url.partition("://")[0].lower() not in ("http", "https", "oss"):
            raise ConfigError(
                f"{name} must begin with http://, https:// or oss://: file-task models take neither local files nor "
                "data URIs; put the file where the service can fetch it, or use a synchronous model"
            )
        split_url(url, name, ("http", "https", "oss"))
    return found


def submission(
    endpoints: Endpoints,
    urls: str | Iterable[str],
    *,
    model: str,
    family: str | None = None,
    extra: Mapping[str, object] | None = None,
    options: Mapping[str, object],
) -> Request:
    """The request that makes a file task of `urls`: 1 to 100 of them, exactly one for ``*-filetrans`` models.

    `family`: one of `FILE_FAMILIES`, for models not known here. `extra` is merged last into ``parameters``, which is
    always sent: without it, workspace domains accept the task and then fail it.

    Raises ConfigError for what the service would refuse or misunderstand, TypeError for values of a wrong type.
    """
    chosen = file_family(model, family)
    if chosen is None:
        raise ConfigError(
            f"{model!r} is not known as a file-task model: use client.stream or client.transcribe, or give family="
            f"{suggest(model, FILE_FAMILIES)}"
        )
    found, most = file_urls(urls), urls_per_task(chosen)
    if len(found) > most:
        raise ConfigError(
            f"one task of {model!r} takes {most} URL{'s' * (most > 1)}, not {len(found)}: client.transcribe_files "
            "makes as many tasks as are needed"
        )
    parameters = check_options(chosen, options)
    body: dict[str, Any] = {"model": model}
    body["input"] = {"file_url": found[0]} if chosen == "qwen3-asr-flash-filetrans" else {"file_urls": found}
    if "phrase_id" in parameters:
        body["resources"] = [{"resource_id": parameters.pop("phrase_id"), "resource_type": "asr_phrase"}]
    body["parameters"] = parameters
    if extra is not None and not isinstance(extra, Mapping):
        raise TypeError(f"extra must be a mapping, not {type(extra).__name__}")
    _merge(parameters, check_json(extra or {}, "extra"))
    headers = [("Content-Type", "application/json"), *_TASK_HEADERS]
    if any(url[:6].lower() == "oss://" for url in found):
        headers.append(("X-DashScope-OssResourceResolve", "enable"))
    url = endpoints.base_url + "/services/audio/asr/transcription"
    return Request("POST", url, _with_workspace(headers, endpoints), orjson.dumps(body), False, None, chosen)


def task_query(endpoints: Endpoints, task_id: str) -> Request:
    """The request for the state of one task. Raises ConfigError for what cannot be an id, TypeError."""
    headers = [("Content-Type", "application/json"), *_TASK_HEADERS]
    return _task_request(endpoints, "GET", f"/tasks/{check_task_id(task_id)}", headers)


def task_cancel(endpoints: Endpoints, task_id: str) -> Request:
    """The request to cancel a PENDING task. Raises ConfigError for what cannot be an id, TypeError."""
    return _task_request(endpoints, "POST", f"/tasks/{check_task_id(task_id)}/cancel", _TASK_HEADERS[:2])


def task_list(
    endpoints: Endpoints,
    *,
    start_time: datetime | str | None = None,
    end_time: datetime | str | None = None,
    model_name: str | None = None,
    status: str | None = None,
    page_no: int = 1,
    page_size: int = 100,
) -> Request:
    """The request for one page of the list of the account's tasks.

    `start_time` and `end_time` bound when a task was submitted, at most 24 h apart: a str of 14 digits,
    ``YYYYMMDDhhmmss``, as the service reads it, or a datetime; one with a time zone is sent in UTC+8, the service's.

    Raises ConfigError, TypeError.
    """
    start, end = _moment(start_time, "start_time"), _moment(end_time, "end_time")
    if start and end:
        window = datetime.strptime(end, _MOMENT) - datetime.strptime(start, _MOMENT)
        if not timedelta(0) <= window <= timedelta(hours=24):
            raise ConfigError("end_time must be 0 to 24 hours after start_time")
    for name, text in (("model_name", model_name), ("status", status)):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{name} must be a str or None, not {type(text).__name__}")
        if text is not None and not re.fullmatch(r"[\x21-\x7e]{1,256}", text):
            raise ConfigError(f"{name} is 1 to 256 printable ASCII characters without spaces")
    for name, number in (("page_no", page_no), ("page_size", page_size)):
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"{name} must be an int, not {type(number).__name__}")
        if not 1 <= number <= 2**31 - 1:
            raise ConfigError(f"{name} must be at least 1")
    filters = {"start_time": start, "end_time": end, "model_name": model_name, "status": status}
    query = {name: value for name, value in filters.items() if value is not None}
    query |= {"page_no": str(page_no), "page_size": str(page_size)}
    return _task_request(endpoints, "GET", f"/tasks/?{urlencode(query)}", _TASK_HEADERS)


def result_file(url: str) -> Request:
    """The request for a result file: without credentials, and over TLS unless the host is this machine.

    Raises DecodeError, without the URL, for one that must not be followed: another scheme, user information, characters
    a URL cannot have.
    """
    try:
        parts = split_url(url, "the URL of the result file", ("https", "http"))
    except ConfigError as error:
        reason = str(error)
    else:
        host = parts.hostname or ""
        port = "" if parts.port in (None, 80) else f":{parts.port}"
        if "@" in parts.netloc:
            reason = "the URL of the result file must not hold user information"
        elif not (_is_address(host) or re.fullmatch(r"[a-z0-9._-]+", host)):
            reason = "the URL of the result file has no valid host name"
        else:
            target = url.partition("#")[0]
            if parts.scheme == "http" and not _is_loopback(host):
                rest = target[len("http://") + len(parts.netloc) :]
                target = f"https://{f'[{host}]' if ':' in host else host}{port}{rest}"
            headers = (("Accept", "*/*"), ("Accept-Encoding", "identity"))
            return Request("GET", target, headers, b"", False, None, "result", credentials=False)
    raise DecodeError(reason, path="transcription_url")


def check_task_id(task_id: str) -> str:
    """`task_id`, if it can be one: it becomes part of a path. Raises ConfigError, TypeError."""
    if not isinstance(task_id, str):
        raise TypeError(f"a task is an asrwire.Task or its id (str), not {type(task_id).__name__}")
    if not TASK_ID.fullmatch(task_id):
        raise ConfigError("a task id is 1 to 128 letters, digits, _ and -")
    return task_id


_TASK_HEADERS: Final = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),
    ("X-DashScope-Async", "enable"),  # the Qwen-ASR reference requires it of queries too; elsewhere it is ignored
)


def _task_request(endpoints: Endpoints, method: str, path: str, headers: Iterable[tuple[str, str]]) -> Request:
    url = endpoints.base_url + path
    return Request(method, url, _with_workspace(headers, endpoints), b"", False, None, "task")


def _with_workspace(headers: Iterable[tuple[str, str]], endpoints: Endpoints) -> tuple[tuple[str, str], ...]:
    workspace = () if endpoints.workspace is None else (("X-DashScope-WorkSpace", endpoints.workspace),)
    return (*headers, *workspace)


def _moment(value: datetime | str | None, name: str) -> str | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(_SERVICE_TIME)).strftime(_MOMENT)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be a datetime, a str or None, not {type(value).__name__}")
    if value is not None:
        try:
            valid = re.fullmatch(r"[0-9]{14}", value) and datetime.strptime(value, _MOMENT)
        except ValueError:
            valid = None
        if not valid:
            raise ConfigError(f"{name} must be 14 digits, YYYYMMDDhhmmss, or a datetime")
    return value
