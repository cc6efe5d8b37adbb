# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands a warm interpreter may run, and that a fork of it is what a fresh interpreter would be."""

from __future__ import annotations

import base64
import collections.abc
import io
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
import typing as t
import zipfile

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import warm
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import pieces
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.cutting import Segment
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.flags import Flags
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Frame, Kind

from tests.unit.interpreters import interpreters
from tests.unit.plugins.plugin_utils._node_program.test_program import Node

_PYTHON = shlex.quote(sys.executable)
_SUCCESS = "BECOME-SUCCESS-abcdefghijklmnopqrstuvwxyzabcdef"

_BASIC = (
    """import os, pathlib, sys
LOADED_IN = os.getpid()
_ANSIBLE_ARGS = None
HERE = pathlib.Path(__file__).parent
def callers_file():
    return [sys._getframe(depth).f_code.co_filename for _once in range(1) for depth in range(3)]
class Base:
    def files(self):
        return (lambda: callers_file())()
"""
    + "# padding, as a real one is not that short\n" * 100
)

_WRAPPER = """#!/usr/bin/python
_ANSIBALLZ_WRAPPER = True # as module_common.py writes it
def _ansiballz_main():
    import base64, os, runpy, shutil, sys, tempfile
    sys.path = [path for path in sys.path if path not in ('', '.')]
    temp_path = tempfile.mkdtemp(prefix='ansible_test_payload_')
    try:
        zipped_mod = os.path.join(temp_path, 'ansible_test_payload.zip')
        with open(zipped_mod, 'wb') as modlib:
            modlib.write(base64.b64decode('%s'))
        sys.path.insert(0, zipped_mod)
        from ansible.module_utils import basic
        basic._ANSIBLE_ARGS = b'{}'
        runpy.run_module(mod_name='ansible.modules.test', init_globals=dict(_modlib_path=zipped_mod), run_name='__main__',
                         alter_sys=True)
    finally:
        shutil.rmtree(temp_path, ignore_errors=True)
_ansiballz_main()
"""


#: The warm interpreter: a fork's parent is what stays behind in place of a shell.
_INTERPRETER = "int(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1])"


def payload(module: str, basic: str = _BASIC, **more: str) -> bytes:
    """Return a module as AnsiballZ sends it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        for name in ("ansible", "ansible/module_utils", "ansible/modules"):
            content.writestr(f"{name}/__init__.py", "")
        content.writestr("ansible/module_utils/basic.py", basic)
        content.writestr("ansible/module_utils/extra.py", "EXTRA = 'extra'\n")
        content.writestr("ansible/modules/test.py", module + "\n" + "".join(f"# {os.urandom(20).hex()}\n" for _line in range(40)))
        for name, source in more.items():
            content.writestr(name.replace("__", "/") + ".py", source)
    return (_WRAPPER % base64.b64encode(archive.getvalue()).decode()).encode()


def _command(interpreter: str = _PYTHON) -> bytes:
    return f"/bin/sh -c {shlex.quote(interpreter + ' && sleep 0')}".encode()


class _Runner:
    """Run modules on one node, warm or not."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._number = 100

    def start(self, module: bytes, *, warmly: bool, command: bytes = b"") -> int:
        self._number += 1
        command = command or _command()
        body = pieces.number(len(command)) + command + self.node.ledger.recipe([Segment((module,))])
        self.node.write(Frame(Kind.EXEC, self._number, body, last=True, flags=Flags.WARM if warmly else Flags.NONE))
        return self._number

    def run(self, module: bytes, *, warmly: bool = True, command: bytes = b"") -> tuple[int, bytes, bytes]:
        return self.node.outcome(self.start(module, warmly=warmly, command=command))

    def is_warm(self, command: bytes = b"") -> bool:
        """Say whether such a command would be forked from an interpreter that has loaded before."""
        module = payload("from ansible.module_utils import basic; import os; print(basic.LOADED_IN == os.getpid())")
        code, out, err = self.run(module, command=command)
        assert code == 0, err
        return out == b"False\n"


@pytest.fixture
def runner(tmp_path: pathlib.Path) -> collections.abc.Iterator[_Runner]:
    """A node program on this Python."""
    with Node(tmp_path) as node:
        yield _Runner(node)


# -- recognising ------------------------------------------------------------------------------------------------------

_PLAIN = [
    "/bin/sh -c '/usr/bin/python3 && sleep 0'",
    "/bin/sh -c /usr/bin/python3",
    "/bin/sh -c '/usr/bin/python3.11 && sleep 0'",
    "/bin/sh -c '/usr/libexec/platform-python && sleep 0'",
    "/bin/sh -c 'LANG=C FOO='\"'\"'a b'\"'\"' /usr/bin/python3 && sleep 0'",
    "/bin/bash -c 'python3 && sleep 0'",
]
_BECOME = [
    f"/bin/sh -c 'sudo -H -S -n  -u root /bin/sh -c '\"'\"'echo {_SUCCESS} ; /usr/bin/python3'\"'\"' && sleep 0'",
    f"/bin/sh -c 'sudo -H -S -n  -u root /bin/sh -c '\"'\"'echo {_SUCCESS} ; A=b /usr/bin/python3'\"'\"''",
]
_OTHERS = [
    "/bin/sh -c 'echo hello && sleep 0'",
    "/bin/sh -c '/usr/bin/python3 /tmp/AnsiballZ_ping.py && sleep 0'",
    "/bin/sh -c 'touch /tmp/x; /usr/bin/python3 && sleep 0'",
    "/bin/sh -c 'FOO=$(date) /usr/bin/python3 && sleep 0'",
    "/bin/sh -c 'FOO=`date` /usr/bin/python3 && sleep 0'",
    "/bin/sh -c '/usr/bin/python3 > /tmp/x && sleep 0'",
    "/bin/sh -c '/usr/bin/python3 -O && sleep 0'",
    "/bin/sh -c '/usr/bin/perl && sleep 0'",
    "/usr/bin/python3",
    "/bin/sh -c 'unbalanced",
    f"/bin/sh -c 'sudo -u root /bin/sh -c '\"'\"'echo {_SUCCESS} ; rm -rf /tmp/x ; /usr/bin/python3'\"'\"' && sleep 0'",
    f"/bin/sh -c 'touch /tmp/x ; sudo -u root /bin/sh -c '\"'\"'echo {_SUCCESS} ; /usr/bin/python3'\"'\"' && sleep 0'",
    f"/bin/sh -c 'ssh elsewhere /bin/sh -c '\"'\"'echo {_SUCCESS} ; /usr/bin/python3'\"'\"' && sleep 0'",
]


@pytest.mark.parametrize("command", _PLAIN)
def test_an_interpreter_that_reads_a_module_is_recognised(command: str) -> None:
    assert warm.recognised(command.encode(), payload("pass")) == (command.encode(), b"")


@pytest.mark.parametrize("command", _BECOME)
def test_a_become_command_is_recognised_without_its_random_word(command: str) -> None:
    known = warm.recognised(command.encode(), payload("pass"))
    assert known == (command.replace(_SUCCESS, "BECOME-SUCCESS-").encode(), f"{_SUCCESS}\n".encode())


@pytest.mark.parametrize("command", _OTHERS)
def test_anything_more_than_an_interpreter_is_not(command: str) -> None:
    assert warm.recognised(command.encode(), payload("pass")) is None


def test_a_program_that_is_no_module_is_not_recognised() -> None:
    assert warm.recognised(_PLAIN[0].encode(), b"print('hello')\n") is None


# -- running ----------------------------------------------------------------------------------------------------------


def test_the_second_module_finds_its_library_loaded(runner: _Runner) -> None:
    assert runner.is_warm()
    assert runner.is_warm()


@pytest.mark.parametrize("interpreter", list(interpreters()))
def test_modules_run_warm_on(interpreter: str, tmp_path: pathlib.Path) -> None:
    with Node(tmp_path) as node:
        assert _Runner(node).is_warm(_command(interpreter))


#: What a module could find out about its process. Paths and numbers that differ between two cold runs are left out.
_SELF = r"""
import atexit, locale, os, random, resource, signal, stat, sys, tempfile, threading
import __main__
from ansible.module_utils import basic, extra
place = os.path.dirname(os.path.dirname(_modlib_path))
def shown(value):
    return repr(value).replace(os.path.dirname(_modlib_path), 'PLACE')
atexit.register(lambda: print('atexit'))
for name, value in sorted(dict(
    argv=shown(sys.argv), path=sys.path[1:], executable=sys.executable, flags=sys.flags, environ=sorted(os.environ.items()),
    cwd=os.getcwd(), umask=os.umask(0o22), uid=(os.getuid(), os.geteuid(), os.getgroups()),
    signals=[(number, shown(signal.getsignal(number))) for number in range(1, 32)],
    mask=signal.pthread_sigmask(signal.SIG_BLOCK, []), limits=resource.getrlimit(resource.RLIMIT_NOFILE),
    locale=locale.setlocale(locale.LC_ALL), encodings=(sys.stdout.encoding, sys.stdin.encoding, sys.getfilesystemencoding()),
    buffering=(sys.stdout.line_buffering, sys.stdout.isatty(), sys.stdin.isatty(), sys.stderr.isatty()),
    descriptors=[(number, stat.S_IFMT(os.fstat(int(number)).st_mode)) for number in sorted(os.listdir('/proc/self/fd'))
                 if os.path.exists('/proc/self/fd/' + number) or int(number) < 3][:3],
    open=len(os.listdir('/proc/self/fd')),
    stdin=sys.stdin.read(), leader=(os.getsid(0) == os.getpgrp(), os.getsid(0) == os.getpid()),
    threads=threading.active_count(), hook=sys.excepthook is sys.__excepthook__, meta=[shown(type(one)) for one in sys.meta_path],
    main=sorted(name for name in vars(__main__) if name.startswith('__')), temporary=tempfile.gettempdir(),
    basic=shown((basic.__file__, basic.__spec__.origin, type(basic.__loader__), basic.__name__, basic.__package__)),
    package=shown(sys.modules['ansible'].__path__), utils=shown(sys.modules['ansible.module_utils'].__path__),
    places=shown((str(basic.HERE), basic.callers_file(), basic.Base().files())),
    extra=shown((extra.__file__, extra.EXTRA)), recursion=sys.getrecursionlimit(), alarm=signal.getitimer(signal.ITIMER_REAL),
).items()):
    print(name, value)
print('error', file=sys.stderr)
sys.exit(7)
"""


def test_a_fork_is_what_a_fresh_interpreter_is(runner: _Runner) -> None:
    module = payload(_SELF)
    runner.is_warm()
    warm_run, cold_run = runner.run(module), runner.run(module, warmly=False)
    assert warm_run[1].decode().splitlines() == cold_run[1].decode().splitlines()
    assert warm_run == cold_run
    assert warm_run[0] == 7


@pytest.mark.parametrize(
    "module",
    [
        "import sys; sys.exit(0)",
        "import sys; sys.exit('said at the end')",
        "import os; os._exit(9)",
        "import os, signal; print('x'); os.kill(os.getpid(), signal.SIGABRT)",
        "raise ValueError('no module catches it')",
        "import sys; sys.stdout.write('no end of line'); sys.stdout.flush(); sys.stderr.write('x' * 20000)",
        "import sys; sys.stdout.buffer.write(bytes(range(256)) * 100)",
        "def f(:",
        "import nothing.of.this.name",
        "import os; os.close(1); os.close(2)",
        "import subprocess; print(subprocess.run(['cat'], input=b'x', capture_output=True).stdout)",
        "import threading; threading.Thread(target=lambda: print('thread')).start()",
        "import os; os.setsid(); print(os.getsid(0) == os.getpid())",
    ],
)
def test_it_ends_as_a_fresh_one_does(runner: _Runner, module: str) -> None:
    runner.is_warm()
    assert _comparable(runner.run(payload(module))) == _comparable(runner.run(payload(module), warmly=False))


def test_what_has_killed_a_module_is_said(runner: _Runner) -> None:
    module = payload("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    runner.is_warm()
    for warmly in (True, False):
        code, _out, err = runner.run(module, warmly=warmly)
        assert code == 128 + signal.SIGKILL
        assert b"Killed" in err


def _comparable(result: tuple[int, bytes, bytes]) -> tuple[int, bytes, list[bytes]]:
    """Leave out what is random, and where the lines are that a wrapper has above a module's."""
    code, out, err = result
    return code, out, [line for line in err.splitlines() if b"_payload" not in line and b"Aborted" not in line]


def test_nothing_leaks_from_one_module_to_the_next(runner: _Runner) -> None:
    runner.run(
        payload(
            "import os, sys, locale, signal, random, socket\n"
            "from ansible.module_utils import basic\n"
            "os.environ['LEAKED'] = '1'; os.chdir('/'); os.umask(0o77); sys.path.append('/leaked'); basic.LEAKED = 1\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.argv.append('leaked'); sys.leaked = 1; random.seed(1)\n"
            "sys.modules['json'] = None\n"
        )
    )
    module = payload(_SELF)
    assert runner.run(module) == runner.run(module, warmly=False)


def test_two_forks_have_random_numbers_of_their_own(runner: _Runner) -> None:
    module = payload("import random, uuid, tempfile; print(random.random(), uuid.uuid4(), next(tempfile._get_candidate_names()))")
    runner.is_warm()
    first, second = runner.run(module)[1].split(), runner.run(module)[1].split()
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_modules_run_at_the_same_time(runner: _Runner) -> None:
    runner.is_warm()
    began = time.monotonic()
    slow = runner.start(payload("import time; time.sleep(2)"), warmly=True)
    assert runner.is_warm()
    assert time.monotonic() - began < 1.9
    assert runner.node.next(10).request == slow


# -- giving up --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: payload("print('cold')", basic=_BASIC + "OTHER = 1\n"), id="another library"),
        pytest.param(lambda: payload("print('cold')", json="import nothing"), id="a member that hides the standard library"),
    ],
)
def test_a_payload_that_does_not_fit_is_run_by_a_fresh_interpreter(runner: _Runner, other: t.Callable[[], bytes]) -> None:
    assert runner.is_warm()
    assert runner.run(other()) == (0, b"cold\n", b"")
    assert runner.is_warm()


def test_an_interpreter_that_does_not_start_says_what_it_would_have_said(runner: _Runner) -> None:
    for _time in range(2):
        code, out, err = runner.run(payload("pass"), command=_command("/nowhere/python3"))
        assert (code, out) == (127, b"")
        assert b"/nowhere/python3" in err


def test_a_killed_interpreter_gives_way_to_fresh_ones(runner: _Runner) -> None:
    _code, out, _err = runner.run(payload(f"import os; print({_INTERPRETER})"))
    os.kill(int(out), signal.SIGKILL)
    time.sleep(0.3)
    assert runner.run(payload("print('again')")) == (0, b"again\n", b"")


def test_a_module_whose_interpreter_is_killed_is_not_run_twice(runner: _Runner, tmp_path: pathlib.Path) -> None:
    runner.is_warm()
    module = f"import os, time; open({str(tmp_path / 'ran')!r}, 'a').write('x'); os.kill({_INTERPRETER}, 9); time.sleep(0.5)"
    code, _out, _err = runner.run(payload(module))
    assert code == 128 + signal.SIGKILL
    assert (tmp_path / "ran").read_text(encoding="utf-8") == "x"


def test_an_interpreter_is_given_up_when_what_it_was_started_with_changes(
    runner: _Runner, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    interpreter = f"PYTHONPATH={packages} {_PYTHON}"
    command = _command(interpreter)
    parent = payload(f"import os; print({_INTERPRETER})")
    first = runner.run(parent, command=command)
    assert runner.run(parent, command=command) == first
    (packages / "new.py").write_text("", encoding="utf-8")
    assert runner.run(parent, command=command) != first


def test_a_cancelled_module_is_hung_up_on(runner: _Runner, tmp_path: pathlib.Path) -> None:
    runner.is_warm()
    module = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    number = runner.start(payload(module), warmly=True)
    pid = _wait_for_pid(tmp_path / "pid")
    runner.node.write(Frame(Kind.CANCEL, number))
    _wait_for_end(pid)
    assert runner.is_warm()


def test_the_end_of_the_program_is_the_end_of_its_interpreters_and_their_modules(runner: _Runner, tmp_path: pathlib.Path) -> None:
    _code, interpreter, _err = runner.run(payload(f"import os; print({_INTERPRETER})"))
    module = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    runner.start(payload(module), warmly=True)
    pid = _wait_for_pid(tmp_path / "pid")
    runner.node.process.kill()
    _wait_for_end(pid)
    _wait_for_end(int(interpreter))


def test_no_more_than_a_few_interpreters_are_kept(runner: _Runner) -> None:
    commands = [_command(f"A={number} {_PYTHON}") for number in range(warm.MOST_KEPT + 2)]
    parents = [runner.run(payload(f"import os; print({_INTERPRETER})"), command=command)[1] for command in commands]
    time.sleep(0.3)
    alive = [parent for parent in parents if pathlib.Path(f"/proc/{int(parent)}/cmdline").exists()]
    assert len(alive) == warm.MOST_KEPT


def test_a_stranger_at_the_socket_gets_nothing(runner: _Runner) -> None:
    runner.is_warm()
    sockets = pathlib.Path("/proc/net/unix").read_text(encoding="utf-8").split()
    address = next(word for word in sockets if word.startswith("@fleet.ssm-"))
    script = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        f"s.connect('\\0' + {address[1:]!r})\n"
        's.send(bytes(9) + b\'{"token": "guessed"}\')\n'
        "s.settimeout(5)\n"
        "print(len(s.recv(100)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    assert runner.is_warm()


def _wait_for_pid(path: pathlib.Path) -> int:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(path.read_text(encoding="utf-8"))


def _wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 5
    while pathlib.Path(f"/proc/{pid}/exe").exists():
        assert time.monotonic() < deadline, f"{pid} lives on"
        time.sleep(0.01)
