# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A templar that remembers what an expression gave for the same values: hosts of a fleet are alike."""

from __future__ import annotations

import copy
import typing as t

from ansible import constants
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory import expressions

_Outcome = tuple[bool, t.Any]
_Key = tuple[t.Any, ...]

# Since 2.19, ansible-core evaluates expressions, keeps types, and takes for templates only what it is told to trust. Before, an
# expression is a template with text for a result, parts of which may be taken for something else, or marked as unsafe.
_SCALARS = (str, int, float, bool, type(None))


class _MightBeTemplate(Exception):
    """A value must be seen by Ansible's templar itself."""


class RememberingTemplar:
    """Stands before Ansible's templar, and has all that it has.

    Stock Constructable asks it for each host and each expression. What depends on nothing but variables is worked out once for all
    hosts that have the same values there; a path such as ssm_tags.env that leads to plain text is that text. All else, and all that
    might be or become a template, is left to Ansible's own. The results are the same, errors included.
    """

    def __init__(self, templar: t.Any) -> None:
        self._templar = templar
        self._types_kept = hasattr(templar, "evaluate_expression")
        self._outcomes: dict[_Key, _Outcome] = {}
        self._variables: t.Any = {}

    def __getattr__(self, name: str) -> t.Any:
        """Have all that Ansible's has."""
        return getattr(self._templar, name)

    @property
    def available_variables(self) -> t.Any:
        """Give the variables of the host at hand."""
        return self._variables

    @available_variables.setter
    def available_variables(self, variables: t.Any) -> None:
        self._variables = variables
        self._templar.available_variables = variables

    def template(self, variable: t.Any, *arguments: t.Any, **options: t.Any) -> t.Any:
        """Work out a template, as before 2.19 expressions and conditionals are; other values as they are."""
        dependencies = expressions.of_template(variable) if variable.__class__ is str and "{" in variable else None
        if dependencies is None or arguments or self._types_kept:
            return self._templar.template(variable, *arguments, **options)
        return self._worked_out(self._templar.template, variable, dependencies, options)

    def evaluate_expression(self, expression: t.Any, **options: t.Any) -> t.Any:
        """Work out an expression."""
        dependencies = _known(expression)
        if dependencies is None:
            return self._templar.evaluate_expression(expression, **options)
        return self._worked_out(self._templar.evaluate_expression, expression, dependencies, options)

    def evaluate_conditional(self, conditional: t.Any, **options: t.Any) -> t.Any:
        """Say whether a condition holds."""
        dependencies = _known(conditional)
        if dependencies is None:
            return self._templar.evaluate_conditional(conditional, **options)
        # Not every value is an answer to whether.
        return self._worked_out(self._templar.evaluate_conditional, conditional, dependencies._replace(plain=False), options)

    def _worked_out(
        self, work: t.Callable[..., t.Any], text: str, dependencies: expressions.Dependencies, options: dict[str, t.Any]
    ) -> t.Any:
        try:
            values = [self._value(path) for path in dependencies.paths]
            kept = tuple(_frozen(value) for value in values)
        except _MightBeTemplate:
            return work(text, **options)
        if dependencies.plain and self._is_its_own_result(values[0]):
            return values[0] if isinstance(values[0], _SCALARS) else copy.deepcopy(values[0])
        key = (work.__name__, str(text), *sorted(options.items()), kept)
        if key not in self._outcomes:
            self._outcomes[key] = _outcome(work, text, options)
        failed, result = self._outcomes[key]
        if failed:
            raise result.with_traceback(None)
        # Each host has containers of its own: who changes one does not change another.
        return result if isinstance(result, _SCALARS) else copy.deepcopy(result)

    def _value(self, path: expressions.Path) -> t.Any:
        """Follow a path through dictionaries; where it ends before its end, say where and with what."""
        value: t.Any = self._variables
        for depth, key in enumerate(path):
            if depth and not isinstance(value, dict):
                return _End(depth, value)
            if key not in value:
                return _End(depth)
            value = value[key]
            if not depth and not self._types_kept:
                # One unsafe text makes the whole variable unsafe, and a variable is templated before it is looked into.
                _frozen(value)
        return value

    def _is_its_own_result(self, value: t.Any) -> bool:
        if isinstance(value, _End):
            return False
        if self._types_kept:
            return True
        is_text = isinstance(value, str) and not getattr(constants, "DEFAULT_JINJA2_NATIVE", False)
        return is_text and not value.startswith("[") and not value.endswith("\n") and value not in ("True", "False")


class _End(t.NamedTuple):
    """Where a path ends too soon: at which key, and what is there instead of a dictionary."""

    depth: int
    value: t.Any = None


def _known(text: t.Any) -> expressions.Dependencies | None:
    return expressions.of_expression(str(text)) if isinstance(text, str) and "{" not in text else None


def _frozen(value: t.Any) -> t.Any:
    """Make a key of a value that tells it from all others; _MightBeTemplate for what has none, or may be a template."""
    if isinstance(value, str):
        if "{" in value or value.startswith("#jinja2") or hasattr(value, "__UNSAFE__"):
            raise _MightBeTemplate
        return value
    if value is None or isinstance(value, (bool, int, float)):
        return (type(value), value)
    if isinstance(value, _End):
        return (_End, value.depth, _frozen(value.value))
    if isinstance(value, dict):
        return (dict, *((_frozen(key), _frozen(item)) for key, item in value.items()))
    if isinstance(value, list):
        return (list, *(_frozen(item) for item in value))
    raise _MightBeTemplate


def _outcome(work: t.Callable[..., t.Any], text: str, options: dict[str, t.Any]) -> _Outcome:
    try:
        return False, work(text, **options)
    except Exception as error:  # whatever it is: the same text and values would raise it again
        return True, error
