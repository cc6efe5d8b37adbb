# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Be a warm interpreter: import what all modules import once, then fork for each module.

This is what an interpreter gets on its standard input in place of a module, so it is one file of the standard library, and what it
defines is gone when a module runs. A fork runs the module's own wrapper text, unchanged, in ``__main__``; only that the imports of
ansible.module_utils find their modules loaded makes it differ from a fresh interpreter, and that two frames of ours are beneath
its own, which a traceback of the whole stack shows. They were loaded from the first payload, and a payload that has other bytes
for any of them is refused. Each fork has descriptors 0 to 2 of its own, and a session that its parent leads, as a shell would.

The other side is ``warm.py``; messages are packets on a unix socket:

=======  ==========================  ====================================
to us    RUN number, 3 descriptors   run what is read from the first one
to us    HANG_UP number              nobody waits for it any more
from us  READY token, JSON           who we are and where we import from
from us  STARTED, REFUSED number
from us  EXITED number, wait status
=======  ==========================  ====================================
"""

import array
import base64
import contextlib
import gc
import hashlib
import importlib
import importlib.util
import io
import json
import os
import pkgutil
import random
import re
import select
import signal
import socket
import struct
import sys
import types
import zipfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

RUN, HANG_UP = 1, 2
READY, STARTED, REFUSED, EXITED = 1, 2, 3, 4
MESSAGE = struct.Struct(">BIi")

PLACE = "ansible_warm_payload.zip/"
ZIP = re.compile(b"'(UEsDB[A-Za-z0-9+/]{1000,}={0,2})'")
FIRST = "ansible.module_utils.basic"
# What runs modules: imported for what it imports itself. A fork loads its own, so that it is no earlier code that is at work there.
RUNNER = "ansible.module_utils._internal._ansiballz._loader"


class Unfit(Exception):
    """A payload that only a fresh interpreter should run."""


class Library:
    """The modules that were loaded from a payload, and a loader for them."""

    def __init__(self) -> None:
        self.archive = None  # type: t.Any
        self.members = {}  # type: t.Dict[str, str]
        self.loaded = {}  # type: t.Dict[str, bytes]
        self.functions = []  # type: t.List[t.Any]
        self.paths = []  # type: t.List[t.Tuple[t.Dict[str, t.Any], str]]
        self.fitting = set()  # type: t.Set[bytes]

    def check(self, source: bytes) -> None:
        """Load what all modules need from the first payload; refuse a later one that has it different."""
        found = ZIP.findall(source)
        if len(found) != 1:
            raise Unfit("not one zip")
        digest = hashlib.sha256(found[0]).digest()
        if digest in self.fitting:
            return
        archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(found[0])))
        names = set(archive.namelist())
        if not all(name.startswith(("ansible/", "ansible_collections/")) for name in names):
            raise Unfit("members of another kind")
        if not self.loaded:
            self.load(archive, names)
        for name, content in self.loaded.items():
            if name not in names or archive.read(name) != content:
                raise Unfit("another " + name)
        self.fitting.add(digest)

    def load(self, archive: "t.Any", names: "t.Set[str]") -> None:
        """Import from a payload."""
        self.archive = archive
        self.members = {module_name(name): name for name in names}
        sys.meta_path.insert(0, self)
        searched = sys.path[:]
        sys.path[:] = [path for path in sys.path if path not in ("", ".")]
        try:
            for name in (FIRST, RUNNER):
                if name in self.members:
                    importlib.import_module(name)
        finally:
            sys.path[:] = searched
            sys.meta_path.remove(self)
        if RUNNER in sys.modules:
            self.forget(RUNNER)
        gc.collect()
        self.find_places()
        getattr(gc, "freeze", gc.collect)()

    def forget(self, name: str) -> None:
        """Have a module as if it was never imported."""
        package, _dot, last = name.rpartition(".")
        delattr(sys.modules[package], last)
        del sys.modules[name]
        del self.loaded[self.members[name]]

    def find_places(self) -> None:
        """Note what has kept the place that it was loaded from: functions for tracebacks, and variables.

        ansible-core 2.19 tells by such a variable, and by the files of functions that call it, whose feature is deprecated.
        """
        if hasattr(types.CodeType, "replace"):
            functions = [one for one in gc.get_objects() if isinstance(one, types.FunctionType)]
            self.functions = [one for one in functions if one.__code__.co_filename.startswith(PLACE)]
        for member in self.loaded:
            namespace = vars(sys.modules[module_name(member)])
            for name, value in namespace.items():
                if isinstance(value, (str, os.PathLike)) and not name.startswith("__") and str(value).startswith(PLACE):
                    self.paths.append((namespace, name))

    def find_spec(self, fullname: str, path: "t.Any" = None, target: "t.Any" = None) -> "t.Any":
        """Find a module in the first payload."""
        member = self.members.get(fullname)
        if member is None:
            return None
        package = member.endswith("/__init__.py")
        spec = importlib.util.spec_from_loader(fullname, self, origin=PLACE + member, is_package=package)  # type: ignore[arg-type]
        if spec is not None:
            spec.has_location = True
            if package:
                spec.submodule_search_locations = [PLACE + os.path.dirname(member)]
        return spec

    def create_module(self, spec: "t.Any") -> None:
        """Have a module made as usual."""

    def exec_module(self, module: "t.Any") -> None:
        """Run a module's code, and remember its source."""
        member = self.members[module.__name__]
        source = self.archive.read(member)
        exec(compile(source, PLACE + member, "exec", dont_inherit=True), module.__dict__)
        self.loaded[member] = source

    def move(self, place: str) -> None:
        """Have loaded modules say that they come from the zip file that a fork's wrapper has written, as they would there."""
        for member in self.loaded:
            module = sys.modules[module_name(member)]
            folder = os.path.join(place, os.path.dirname(member))
            package = hasattr(module, "__path__")
            loader = pkgutil.get_importer(os.path.dirname(folder) if package else folder)
            module.__file__ = os.path.join(place, member)
            module.__loader__ = loader  # type: ignore[assignment]
            if module.__spec__ is not None:
                module.__spec__.origin = module.__file__
                module.__spec__.loader = loader  # type: ignore[assignment]
            if package:
                module.__path__[:] = [folder if path.startswith(PLACE) else path for path in module.__path__]
        for namespace, name in self.paths:
            value = namespace[name]
            namespace[name] = type(value)(os.path.join(place, str(value)[len(PLACE) :]))
        files = {PLACE + member: os.path.join(place, member) for member in self.loaded}
        for function in self.functions:
            function.__code__ = moved(function.__code__, files)


def moved(code: "t.Any", files: "t.Dict[str, str]") -> "t.Any":
    """Return code that says it is from another file, with all code in it."""
    file = files.get(code.co_filename, code.co_filename)
    if types.CodeType not in map(type, code.co_consts):
        return code.replace(co_filename=file)
    constants = [moved(one, files) if isinstance(one, types.CodeType) else one for one in code.co_consts]
    return code.replace(co_filename=file, co_consts=tuple(constants))


class Move:
    """Wait for a fork's first import from its own zip file, move the library there, and be gone."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def find_spec(self, fullname: str, path: "t.Any" = None, target: "t.Any" = None) -> None:
        """Find nothing."""
        if fullname.startswith("ansible") and sys.path and sys.path[0].endswith("_payload.zip"):
            sys.meta_path.remove(self)
            self.library.move(sys.path[0])


def module_name(member: str) -> str:
    """Return the module that a zip's member is."""
    name = member[: -len(".py")] if member.endswith(".py") else member
    return (name[: -len("/__init__")] if name.endswith("/__init__") else name).replace("/", ".")


class Server:
    """The socket and the forks."""

    def __init__(self, address: str, token: str) -> None:
        self.library = Library()
        self.forks = {}  # type: t.Dict[int, int]
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect("\0" + address)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        os.close(nothing)
        self.awake, wake = os.pipe()
        for descriptor in (self.awake, wake):
            os.set_blocking(descriptor, False)
        self.wake = wake
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        who = {"token": token, "executable": sys.executable, "path": [path for path in sys.path if path]}
        self.socket.send(MESSAGE.pack(READY, 0, 0) + json.dumps(who).encode())

    def serve(self) -> "t.Any":
        """Serve until nobody wants us; return in forks only: the code to run."""
        while True:
            ready = select.select([self.socket.fileno(), self.awake], [], [])[0]
            if self.awake in ready:
                os.read(self.awake, 4096)
                self.reap()
            if self.socket.fileno() in ready:
                code = self.receive()
                if code is not None:
                    return code

    def receive(self) -> "t.Any":
        """Act on a message; return code to run in a fork."""
        data, ancillary, _flags, _address = self.socket.recvmsg(MESSAGE.size, socket.CMSG_SPACE(3 * 4))
        if not data:
            for pid in self.forks:
                hang_up(pid)
            sys.exit(0)
        kind, number, _nothing = MESSAGE.unpack(data)
        if kind == RUN:
            descriptors = array.array("i")
            for _level, _type, content in ancillary:
                descriptors.frombytes(content)
            return self.fork(number, list(descriptors))
        for pid, of in self.forks.items():
            if of == number:
                hang_up(pid)
        return None

    def fork(self, number: int, descriptors: "t.List[int]") -> "t.Any":
        """Start a fork for what is read from the first descriptor; return its code in it."""
        with open(descriptors[0], "rb", closefd=False) as payload:
            source = payload.read()
        try:
            self.library.check(source)
            # A cold interpreter reads its program from standard input.
            code = compile(source, "<stdin>", "exec", dont_inherit=True)
        except Exception:
            self.socket.send(MESSAGE.pack(REFUSED, number, 0))
            code = None
        if code is not None:
            # Said before it is so: whoever hears nothing from us may run it elsewhere.
            self.socket.send(MESSAGE.pack(STARTED, number, 0))
            pid = os.fork()
            if pid == 0:
                self.become(descriptors)
                return code
            self.forks[pid] = number
        for descriptor in descriptors:
            os.close(descriptor)
        return None

    def become(self, descriptors: "t.List[int]") -> None:
        """Make a fork what a fresh process would be."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (self.awake, self.wake):
            os.close(descriptor)
        self.socket.close()
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
        for descriptor in descriptors:
            os.close(descriptor)
        stay_behind()
        random.seed()
        sys.meta_path.insert(0, Move(self.library))

    def reap(self) -> None:
        """Tell how forks have ended."""
        while self.forks:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid in self.forks:
                self.socket.send(MESSAGE.pack(EXITED, self.forks.pop(pid), status))


def stay_behind() -> None:
    """Return in a child, and be to it what a shell is to a fresh interpreter: its session's leader, and who says what killed it."""
    pid = os.fork()
    if pid == 0:
        return
    status = os.waitpid(pid, 0)[1]
    if not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    if number not in (signal.SIGINT, signal.SIGPIPE) and hasattr(signal, "strsignal"):
        remark = "%s%s\n" % (signal.strsignal(number), " (core dumped)" if os.WCOREDUMP(status) else "")
        with contextlib.suppress(OSError):
            os.write(2, remark.encode())
    os._exit(128 + number)


def hang_up(fork: int) -> None:
    """Tell a fork and its children that their user is gone."""
    for number in (signal.SIGHUP, signal.SIGCONT):
        try:
            os.killpg(fork, number)
        except ProcessLookupError:
            # It has not come to lead a group yet, or has ended; it was not waited for, so its number is nobody else's.
            os.kill(fork, number)
        except OSError:
            return


def run(code: "t.Any", namespace: "t.Dict[str, t.Any]") -> None:
    """Run a module's wrapper as the program that this interpreter was given."""
    for name in list(namespace):
        if not name.startswith("__"):
            del namespace[name]
    namespace["__doc__"] = None
    namespace.pop("__annotations__", None)
    try:
        exec(code, namespace)
    except SystemExit:
        raise
    except BaseException:
        show = sys.excepthook

        def show_without_us(kind: "t.Any", error: "t.Any", trace: "t.Any") -> None:
            """Leave out the frames that led to the module's wrapper."""
            for _ours in range(2):
                trace = trace and trace.tb_next
            show(kind, error.with_traceback(trace), trace)

        sys.excepthook = show_without_us
        raise
