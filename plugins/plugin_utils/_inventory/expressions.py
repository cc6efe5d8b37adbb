# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say on which values the result of a Jinja text depends, so that the same values need not be worked out twice."""

from __future__ import annotations

import functools
import typing as t

import jinja2
import jinja2.nodes
import jinja2.parser

#: a variable, and the keys that lead from it to the value: ("ssm_tags", "env")
Path = tuple[t.Any, ...]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Filters, tests and methods that give the same for the same, and change nothing. What is not here is left to Ansible, every time.
_FILTERS = _words("""
    abs basename batch b64decode b64encode bool capitalize center combinations combine count d default dict2items
    dictsort difference dirname e escape extract filesizeformat first flatten float forceescape from_json from_yaml
    groupby hash human_readable human_to_bytes indent int intersect items items2dict join last length list log lower map
    mandatory max md5 min permutations pow product quote regex_escape regex_findall regex_replace regex_search reject
    rejectattr replace reverse root round select selectattr sha1 slice sort split splitext string striptags subelements
    sum symmetric_difference ternary title to_json to_nice_json to_nice_yaml to_yaml trim truncate union unique upper
    urldecode urlencode urlsplit version version_compare win_basename win_dirname win_splitdrive wordcount wordwrap zip
    zip_longest
""")
_TESTS = _words("""
    all any boolean contains defined divisibleby eq equalto even false falsy float ge greaterthan gt in integer issubset
    issuperset iterable le lessthan lower lt mapping match nan ne none number odd regex search sequence string subset
    superset true truthy undefined upper version version_compare == != > >= < <=
""")
_METHODS = _words("""
    capitalize casefold center count endswith find get index isalnum isalpha isascii isdecimal isdigit isidentifier
    islower isnumeric isspace istitle isupper items join keys ljust lower lstrip partition removeprefix removesuffix
    replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title upper values
    zfill
""")
# Names that Ansible and Jinja give a meaning of their own, when no variable has them.
_NOT_VARIABLES = _words("""
    ansible_version cycler dict environment group_names groups hostvars joiner lipsum lookup namespace now omit
    playbook_dir q query range template_host template_path template_uid undef vars
""")
# Filters whose arguments name others: where in the arguments.
_NAMES_OTHERS = {
    "map": (0, _FILTERS),
    "select": (0, _TESTS),
    "reject": (0, _TESTS),
    "selectattr": (1, _TESTS),
    "rejectattr": (1, _TESTS),
}

_ATTRIBUTES_OF_VALUES = frozenset(name for kind in (dict, list, str, int, float) for name in dir(kind))
_PLAIN_NODES = (
    jinja2.nodes.Template, jinja2.nodes.Output, jinja2.nodes.If, jinja2.nodes.CondExpr, jinja2.nodes.Compare, jinja2.nodes.Operand,
    jinja2.nodes.BinExpr, jinja2.nodes.UnaryExpr, jinja2.nodes.Concat, jinja2.nodes.List, jinja2.nodes.Tuple, jinja2.nodes.Dict,
    jinja2.nodes.Pair, jinja2.nodes.Keyword, jinja2.nodes.Slice,
)  # fmt: skip


_ESCAPE = "\\"  # Ansible doubles it in some places before Jinja sees it
_ENVIRONMENT = jinja2.Environment(autoescape=True)  # only to parse: nothing is rendered


class Dependencies(t.NamedTuple):
    """What a text depends on; plain says that it is nothing but one path."""

    paths: tuple[Path, ...]
    plain: bool


class _NotKnown(Exception):
    """The text may depend on more than values of variables."""


@functools.lru_cache(maxsize=4096)
def of_expression(text: str) -> Dependencies | None:
    """Give what an expression depends on; None when that cannot be said."""
    if _ESCAPE in text:
        return None
    try:
        parser = jinja2.parser.Parser(_ENVIRONMENT, text, state="variable")
        node = parser.parse_expression()
        if not parser.stream.eos:
            return None
        return _dependencies(node)
    except (jinja2.TemplateError, _NotKnown):
        return None


@functools.lru_cache(maxsize=4096)
def of_template(text: str) -> Dependencies | None:
    """Give what a text with an expression or a condition in braces depends on; None when that cannot be said."""
    if _ESCAPE in text:
        return None
    try:
        tree = _ENVIRONMENT.parse(text)
        body = tree.body[0].nodes if len(tree.body) == 1 and isinstance(tree.body[0], jinja2.nodes.Output) else []
        found = _dependencies(tree)
        return found._replace(plain=len(body) == 1 and _path(body[0]) is not None)
    except (jinja2.TemplateError, _NotKnown):
        return None


def _dependencies(node: jinja2.nodes.Node) -> Dependencies:
    paths: dict[Path, None] = {}
    _collect(node, paths)
    return Dependencies(tuple(paths), _path(node) is not None)


def _collect(node: jinja2.nodes.Node, paths: dict[Path, None]) -> None:
    """Add the paths within a node; _NotKnown for a node that may do more than read them."""
    path = _path(node)
    if path is not None:
        paths[path] = None
        return
    check = _CHECKS.get(type(node))
    if check is not None:
        check(node)
    elif not isinstance(node, _PLAIN_NODES):
        raise _NotKnown
    for child in node.iter_child_nodes():
        # What a method gives is known, but not what it is.
        is_method = isinstance(node, jinja2.nodes.Call) and child is node.node
        _collect(child.node if is_method and isinstance(child, jinja2.nodes.Getattr) else child, paths)


def _path(node: jinja2.nodes.Node) -> Path | None:
    """Give the path that a node is; None when it is none."""
    if isinstance(node, jinja2.nodes.Name):
        if node.name in _NOT_VARIABLES or node.ctx != "load":
            raise _NotKnown
        return (node.name,)
    if isinstance(node, jinja2.nodes.Getattr):
        return _below(node.node, node.attr)
    if isinstance(node, jinja2.nodes.Getitem) and isinstance(node.arg, jinja2.nodes.Const) and isinstance(node.arg.value, str):
        return _below(node.node, node.arg.value)
    return None


def _below(node: jinja2.nodes.Node, key: str) -> Path | None:
    """Lead a path on, unless the key might be a method or belong to Python."""
    if _is_pythons(key):
        return None
    path = _path(node)
    return (*path, key) if path is not None else None


def _check_const(node: t.Any) -> None:
    # Ansible takes text within a text for a template in some places.
    if isinstance(node.value, str) and "{" in node.value:
        raise _NotKnown


def _check_data(node: t.Any) -> None:
    if "{" in node.data:
        raise _NotKnown


def _check_filter(node: t.Any) -> None:
    if node.name not in _FILTERS or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise _NotKnown
    if node.name in _NAMES_OTHERS:
        position, known = _NAMES_OTHERS[node.name]
        for argument in node.args[position : position + 1]:
            if not isinstance(argument, jinja2.nodes.Const) or argument.value not in known:
                raise _NotKnown


def _check_test(node: t.Any) -> None:
    if node.name not in _TESTS or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise _NotKnown


def _check_call(node: t.Any) -> None:
    method = isinstance(node.node, jinja2.nodes.Getattr) and node.node.attr in _METHODS
    if not method or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise _NotKnown


def _check_attribute(node: t.Any) -> None:
    if _is_pythons(node.attr):
        raise _NotKnown


def _check_item(node: t.Any) -> None:
    # Jinja gives the method where there is no such key.
    if isinstance(node.arg, jinja2.nodes.Const) and isinstance(node.arg.value, str) and _is_pythons(node.arg.value):
        raise _NotKnown


def _is_pythons(name: str) -> bool:
    return name in _ATTRIBUTES_OF_VALUES or name.startswith("_")


_CHECKS: dict[type, t.Callable[[t.Any], None]] = {
    jinja2.nodes.Const: _check_const,
    jinja2.nodes.TemplateData: _check_data,
    jinja2.nodes.Filter: _check_filter,
    jinja2.nodes.Test: _check_test,
    jinja2.nodes.Call: _check_call,
    jinja2.nodes.Getattr: _check_attribute,
    jinja2.nodes.Getitem: _check_item,
}
