# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Run a module: the one place where check mode is looked at, and where errors become a failed result."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kvmfleet.compute.plugins.module_utils import (
    _connection,
    _errors,
    _lock,
    _params,
    _plan,
    _temporary,
    _units,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import (
    Conn,
    libvirt,
    require_libraries,
)

URI_OPTION = {"uri": {"type": "str", "default": "qemu:///system"}}
LOCK_OPTION = {_lock.OPTION: {"type": "str", "default": "60s"}}


Values = dict[str, Any]
Parse = Callable[[Values], Any]


class Resource(Protocol):
    """A module with the verbs of what one object goes through; see run_resource."""

    @property
    def observe(self) -> Callable[..., Any]: ...

    @property
    def plan(self) -> Callable[[Any, Any], Any]: ...

    @property
    def execute(self) -> Callable[[Conn, Any, Any, Any], Values | None]: ...


class _Module(AnsibleModule):
    """An AnsibleModule that tells no secret, neither in its result nor to the host's log, whatever is wrong with the task.

    AnsibleModule itself shows all that it was given when a text with suboptions can't be read, does not know options that are not in the
    argument spec, and hides short values everywhere. `inside` has the options of those that have none in the argument spec.
    """

    params: Values
    no_log_values: set[str]

    def __init__(self, argument_spec: Values, inside: Values, **rules: Any) -> None:
        self._known = {
            name: dict(option, options=inside[name]) if name in inside else option
            for name, option in argument_spec.items()
        }
        self._secrets: set[str] = set()
        self._validated = False
        super().__init__(argument_spec=argument_spec, **rules)
        self._validated = True

    def _load_params(self) -> None:
        super()._load_params()
        self._given = dict(self.params)
        self._secrets = _params.find_secrets(self._known, self.params)

    def misfit(self) -> str | None:
        """Say which value that was given is not of its option's type, if there is one."""
        return _params.explain(self.argument_spec, self._given)

    def fail_json(self, msg: str, **kwargs: Any) -> Any:
        if not self._validated:
            msg = _errors.shorten(self.misfit() or msg, 2000)
        super().fail_json(msg, **kwargs)

    def _log_invocation(self) -> None:
        given = self.params
        self._limit()
        self.params = _params.hide(self._known, given)
        try:
            super()._log_invocation()
        finally:
            self.params = given

    def _return_formatted(self, kwargs: Values) -> None:
        self._limit()
        kwargs.setdefault("invocation", {"module_args": _params.hide(self._known, self.params)})
        super()._return_formatted(kwargs)

    def _limit(self) -> None:
        """Let all that is secret and long enough be hidden wherever it is."""
        self.no_log_values = _params.long_enough(self.no_log_values | self._secrets)


class Convergence:
    """One object on its way: `observed` and `plan` are what look() found and planned."""

    def __init__(self, resource: Resource, conn: Conn, spec: Any) -> None:
        self._resource = resource
        self._conn = conn
        self._spec = spec
        self.observed: Any = None
        self.plan: Any = _plan.Plan()  # or a value like it

    def look(self, *known: Any) -> None:
        """Observe and plan; `known` is what was read of many objects at once. Raises KvmfleetError."""
        self.observed = self._resource.observe(self._conn, self._spec, *known)
        self.plan = self._resource.plan(self._spec, self.observed)

    def execute(self) -> Values:
        """Carry the plan out; return what came out otherwise. Raises KvmfleetError."""
        return self._resource.execute(self._conn, self._spec, self.observed, self.plan) or {}


@contextlib.contextmanager
def converging(
    resource: Any, conn: Conn, spec: Any, lock_timeout: float | None = None, task: str = ""
) -> Iterator[Convergence]:
    """Yield the Convergence of one object, for the time of a `with` block.

    All that a run does with the object, from the first look at it to the last write, is in this block. It holds the locks that the
    resource's `locks(conn, spec)` names, so that no other task of this machine changes the object meanwhile. A lock that can't
    be had within lock_timeout seconds fails the task, or is left to the resource's `miss(spec, errors)`. Without a lock_timeout
    nothing is locked. Raises TimedOut.
    """
    if lock_timeout is None or not hasattr(resource, "locks"):
        yield Convergence(resource, conn, spec)
        return
    with _connection.doing("looking for what the task changes"):
        where, locks = _lock.scope(conn), resource.locks(conn, spec)
    if hasattr(resource, "miss"):
        with _lock.held(where, locks, lock_timeout, task) as missed:
            resource.miss(spec, missed)
            yield Convergence(resource, conn, spec)
    else:
        with _lock.held_all(where, locks, lock_timeout, task):
            yield Convergence(resource, conn, spec)


def run_resource(argument_spec: Values, resource: Any, **spec_rules: Any) -> None:
    """Observe, plan, execute: run a module that brings a resource into the state that its options say.

    `resource` is a module with the five verbs: `parse(params)` returns the Spec, `observe(conn, spec)` reads,
    `plan(spec, observed)` decides without touching anything, `execute(conn, spec, observed, plan)` writes and returns what of the
    plan's description came out otherwise, with `warnings` if there are any,
    `report(conn, spec, observed, executed)` returns the module's own keys as they are afterwards; unless executed, nothing has
    changed since observe. A resource may have `check(conn, spec, observed, plan)`, which raises KvmfleetError for a plan that is known to
    fail; it is asked in check mode, too. A resource whose options are not all in the argument spec has `INSIDE`, the others by the option
    that they are in. One that can be changed by two tasks at once has `locks(conn, spec)`; see converging. Check mode only reads, and
    locks nothing.
    """

    def body(module: AnsibleModule, conn: Conn, spec: Any) -> Values:
        if not module.check_mode:
            _lock.tidy()
            _temporary.tidy()
        timeout = module.params.get(_lock.OPTION)
        lock_timeout = None if timeout is None else _units.parse_duration(_lock.OPTION, timeout)
        with converging(resource, conn, spec, None if module.check_mode else lock_timeout, module._name) as convergence:
            convergence.look()
            if convergence.plan.changed and hasattr(resource, "check"):
                resource.check(conn, spec, convergence.observed, convergence.plan)
            result = convergence.plan.describe()
            for warning in convergence.plan.warnings:
                module.warn(warning)
            if not module.check_mode:
                with _telling(result):
                    result.update(convergence.execute())
        for warning in result.pop("warnings", ()):
            module.warn(warning)
        executed = bool(convergence.plan.changed) and not module.check_mode
        with _telling(result, result["actions"] if executed else []):
            result.update(resource.report(conn, spec, convergence.observed, executed))
        if not module._diff:
            # A definition is long; who wants to see it asks for it.
            result.pop("diff")
        return result

    locking = LOCK_OPTION if hasattr(resource, "locks") else {}
    _run(dict(locking, **argument_spec), resource.parse, body, spec_rules, getattr(resource, "INSIDE", {}))


@contextlib.contextmanager
def _telling(result: Values, done: Iterable[Values] = ()) -> Iterator[None]:
    """Have a failure tell what was planned, and what is `done` unless it knows that itself."""
    try:
        yield
    except _errors.KvmfleetError as exc:
        exc.details.setdefault("actions", result["actions"])
        exc.details.setdefault("done", list(done))
        exc.details.setdefault("changed", bool(done))
        raise


def run_info(argument_spec: Values, parse: Parse, query: Callable[[Conn, Any], Values], **spec_rules: Any) -> None:
    """Run a module that only reads: `parse(params)` returns the spec, `query(conn, spec)` its result."""
    _run(argument_spec, parse, lambda module, conn, spec: dict(query(conn, spec), changed=False), spec_rules)


def _run(
    argument_spec: Values,
    parse: Parse,
    body: Callable[[AnsibleModule, Conn, Any], Values],
    spec_rules: Values,
    inside: Values | None = None,
) -> None:
    options = dict(URI_OPTION, **argument_spec)
    module = _Module(options, inside or {}, supports_check_mode=True, **spec_rules)
    try:
        misfit = module.misfit()
        if misfit:
            raise _errors.InvalidInput(misfit)
        require_libraries()
        _params.check({name: option for name, option in options.items() if name not in (inside or {})}, module.params)
        spec = parse(module.params)
        with _connection.connect(module.params["uri"]) as conn:
            result = body(module, conn, spec)
    except _errors.KvmfleetError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    except Exception as exc:  # noqa: BLE001  # pylint: disable=broad-except
        # libvirt's errors come translated by _connection.doing, which says what was being done; the rest is a defect.
        details = _connection.error_details(exc) if libvirt and isinstance(exc, libvirt.libvirtError) else {}
        module.fail_json(msg=f"unexpected {type(exc).__name__}: {exc}", exception=traceback.format_exc(), **details)
    module.exit_json(**result)
