"""Ways of coming back that neither hives nor files of their own hold: WMI subscriptions and jobs of BITS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from testdata.writers import bits
from testdata.writers.cim import Repository
from testdata.yamldata import ScenarioError

if TYPE_CHECKING:
    from testdata.host import Host

_SYSTEM, _SUBSCRIPTION = "__SystemClass", "root\\subscription"
_CLASSES = {
    "command": ("CommandLineEventConsumer", ("CommandLineTemplate", "ExecutablePath", "Name", "WorkingDirectory")),
    "script": ("ActiveScriptEventConsumer", ("Name", "ScriptFilename", "ScriptingEngine", "ScriptText")),
    "log": ("NTEventLogEventConsumer", ("Name", "SourceName")),
}
_FILTER, _BINDING = "__EventFilter", "__FilterToConsumerBinding"
_REPOSITORY = "Windows/System32/wbem/Repository"
_QUEUE = "ProgramData/Microsoft/Network/Downloader/qmgr.db"


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A permanent WMI subscription: a filter (`query`), a consumer of a kind (command, script, log), and their binding.

    `text` is the command, the script, or the source of the log's record.
    """

    name: str
    kind: str
    text: str
    filter: str
    query: str
    written: datetime
    namespace: str = "root\\cimv2"


@dataclass(frozen=True, kw_only=True)
class BitsJob:
    """A job of BITS; with `program` one that starts it when it ends."""

    name: str
    owner: str
    description: str = ""
    program: str = ""
    arguments: str = ""


def autostart_files(host: Host) -> dict[str, bytes]:
    """The files of these sections, by path."""
    found: dict[str, bytes] = {}
    if host.wmi:
        found.update({f"{_REPOSITORY}/{name}": data for name, data in _repository(host.wmi).items()})
    if host.bits_jobs:
        jobs = [bits.job(job.name, job.description, job.program, job.arguments, job.owner) for job in host.bits_jobs]
        found[_QUEUE] = bits.queue(jobs)
    return found


def _repository(subscriptions: tuple[Subscription, ...]) -> dict[str, bytes]:
    made = Repository(min(item.written for item in subscriptions))
    made.define(_SYSTEM, "__namespace", ["Name"])
    made.add("root", "__namespace", {"Name": "subscription"}, of=_SYSTEM)
    made.define(_SUBSCRIPTION, _FILTER, ["CreatorSID", "EventNamespace", "Name", "Query", "QueryLanguage"])
    for name, properties in _CLASSES.values():
        made.define(_SUBSCRIPTION, name, list(properties))
    made.define(_SUBSCRIPTION, _BINDING, ["Consumer", "Filter"], ["Consumer", "Filter"])
    for item in subscriptions:
        made.moment = item.written
        _subscribe(made, item)
    return made.build()


def _subscribe(made: Repository, item: Subscription) -> None:
    if item.kind not in _CLASSES:
        raise ScenarioError(f"no such kind of WMI consumer: {item.kind}; known are {sorted(_CLASSES)}")
    consumer = _CLASSES[item.kind][0]
    values = {
        "command": {"CommandLineTemplate": item.text},
        "script": {"ScriptingEngine": "VBScript", "ScriptText": item.text},
        "log": {"SourceName": item.text},
    }[item.kind]
    asked = {"Name": item.filter, "Query": item.query, "QueryLanguage": "WQL", "EventNamespace": item.namespace}
    made.add(_SUBSCRIPTION, _FILTER, asked)
    made.add(_SUBSCRIPTION, consumer, {"Name": item.name, **values})
    bound = {"Consumer": f'{consumer}.Name="{item.name}"', "Filter": f'{_FILTER}.Name="{item.filter}"'}
    made.add(_SUBSCRIPTION, _BINDING, bound)
