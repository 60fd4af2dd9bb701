"""Runs cases of Autobahn's testsuite under CPython 2.7, of which no other file here knows anything.

Called by suite.py with one argument, JSON: ``packages`` is the folder with the suite in it, and with that alone the
numbers of all cases are written to stdout. With ``cases``, ``url``, ``messages``, ``results`` and ``reports`` too, the
fuzzing client plays these cases; a line of JSON is appended to the file ``results`` as each case ends, so that a run
that is cut short keeps what it has, and the suite's own report of a case that isn't OK goes to the folder ``reports``.
Rule owned here: the suite is driven from outside, by its own classes; nothing that pip installed is edited.
"""

import json
import site
import sys

AGENT = "server"
#: What of a result is passed on, of about forty fields.
FIELDS = ("id", "behavior", "behaviorClose", "result", "resultClose", "remoteCloseCode", "duration")


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


def play_client(spec):
    """Be the client of each case in turn."""
    from autobahntestsuite.fuzzing import FuzzingClientFactory, FuzzingFactory
    from twisted.internet import reactor

    class Client(FuzzingClientFactory):
        def logCase(self, result):
            with open(spec["results"], "a") as results:
                results.write(json.dumps(dict((field, result[field]) for field in FIELDS)) + "\n")
            if (result["behavior"], result["behaviorClose"]) != ("OK", "OK"):
                FuzzingFactory.logCase(self, result)
                self.createAgentCaseReportHTML(AGENT, result["id"], spec["reports"])

        def createReports(self):
            """Nothing: each report was written when its case ended."""

    limit_messages(spec["messages"])
    server = {"agent": AGENT, "url": spec["url"]}
    # Without failByDrop it fails a connection as RFC 6455 section 7.1.7 says, with a Close frame.
    Client({"servers": [server], "cases": spec["cases"], "options": {"failByDrop": False}})
    reactor.run()


def main():
    """Do what the argument says."""
    spec = json.loads(sys.argv[1])
    use_packages(spec["packages"])
    # Has to be first: it chooses how Twisted waits, which can't be changed any more once anything of it is imported.
    import autobahntestsuite.choosereactor  # noqa: F401

    if "cases" in spec:
        play_client(spec)
    else:
        json.dump(all_cases(), sys.stdout)


if __name__ == "__main__":
    main()
