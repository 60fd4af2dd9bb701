"""Runs cases of Autobahn's testsuite under CPython 2.7, of which no other file here knows anything.

Called with one argument, JSON: ``packages`` is the folder with the suite in it, and with that alone the numbers of all
cases are written to stdout. With ``cases``, ``messages``, ``results`` and ``reports`` too, these cases are played: by
the fuzzing client if there is the ``url`` of a server (see suite.py), else by the fuzzing server, which writes its own
URL to stdout and goes on until it is ended (see fuzzer.py). A line of JSON is appended to the file ``results`` as each
case ends, so that a run that is cut short keeps what it has, and the suite's own report of a case that isn't OK goes to
the folder ``reports``.
Rule owned here: the suite is driven from outside, by its own classes; nothing that pip installed is edited.
"""

import json
import site
import socket
import sys

AGENT = "server"
#: What of a result is passed on, of about forty fields.
FIELDS = ("id", "behavior", "behaviorClose", "result", "resultClose", "remoteCloseCode", "duration")
#: How many times longer than it would the fuzzing server waits for what has to come: for most cases that is 1 s, too
#: little on a machine that is busy with many things.
PATIENCE = 20
#: The same for handshakes: 5 s and 1 s by default.
SERVER_OPTIONS = {"failByDrop": False, "openHandshakeTimeout": 60, "closeHandshakeTimeout": 20}
#: What the suite notes when it has waited in vain, and ends the connection itself. It lets some cases pass then.
GAVE_UP = ("KLE", "TIE")


def use_packages(folder):
    """Put the folder, with the namespace packages in it, before what is installed for this interpreter."""
    before = list(sys.path)
    site.addsitedir(folder)
    sys.path[:] = [path for path in sys.path if path not in before] + before


def all_cases():
    """The numbers of all cases."""
    from autobahntestsuite.case import CaseBasename, CaseCategories, Cases, CaseSetname, CaseSubCategories
    from autobahntestsuite.caseset import CaseSet

    return sorted(CaseSet(CaseSetname, CaseBasename, Cases, CaseCategories, CaseSubCategories).CasesById)


def limit_messages(count):
    """Have the cases with compression send no more than so many messages; 1000 is the suite's own number."""
    from autobahntestsuite.case import Case12_X_X, Case13_X_X

    for case in Case12_X_X + Case13_X_X:
        case.COUNT = min(case.COUNT, count)


def recording(factory, spec):
    """The suite's factory, but for what becomes of results."""
    from autobahntestsuite.fuzzing import FuzzingFactory

    class Recording(factory):
        def logCase(self, result):
            with open(spec["results"], "a") as results:
                results.write(json.dumps(dict((field, result[field]) for field in FIELDS)) + "\n")
            if (result["behavior"], result["behaviorClose"]) != ("OK", "OK"):
                FuzzingFactory.logCase(self, result)
                self.createAgentCaseReportHTML(result["agent"], result["id"], spec["reports"])

        def createReports(self):
            """Nothing: each report was written when its case ended."""

    return Recording


def play_client(spec):
    """Be the client of each case in turn."""
    from autobahntestsuite.fuzzing import FuzzingClientFactory
    from twisted.internet import reactor

    server = {"agent": AGENT, "url": spec["url"]}
    # Without failByDrop it fails a connection as RFC 6455 section 7.1.7 says, with a Close frame.
    recording(FuzzingClientFactory, spec)(
        {"servers": [server], "cases": spec["cases"], "options": {"failByDrop": False}}
    )
    reactor.run()


def play_server(spec):
    """Be the server of each case, whenever a client asks for it."""
    from autobahntestsuite.fuzzing import FuzzingServerFactory, FuzzingServerProtocol
    from twisted.internet import reactor

    class Patient(FuzzingServerProtocol):
        def killAfter(self, delay):
            FuzzingServerProtocol.killAfter(self, delay * PATIENCE)

        def closeAfter(self, delay):
            FuzzingServerProtocol.closeAfter(self, delay * PATIENCE)

    Recording = recording(FuzzingServerFactory, spec)

    class Server(Recording):
        protocol = Patient

        def logCase(self, result):
            if any(entry[0] in GAVE_UP for entry in result["wirelog"]):
                result["behavior"] = "LATE"
            Recording.logCase(self, result)

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    listener.setblocking(False)
    url = "ws://127.0.0.1:" + str(listener.getsockname()[1])
    stdout, sys.stdout = sys.stdout, sys.stderr  # The suite prints what it does.
    factory = Server({"url": url, "cases": spec["cases"], "options": SERVER_OPTIONS})
    reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, factory)
    stdout.write(url + "\n")
    stdout.flush()
    reactor.run()


def main():
    """Do what the argument says."""
    spec = json.loads(sys.argv[1])
    use_packages(spec["packages"])
    # Has to be first: it chooses how Twisted waits, which can't be changed any more once anything of it is imported.
    import autobahntestsuite.choosereactor  # noqa: F401

    if "cases" not in spec:
        json.dump(all_cases(), sys.stdout)
        return
    limit_messages(spec["messages"])
    if "url" in spec:
        play_client(spec)
    else:
        play_server(spec)


if __name__ == "__main__":
    main()
