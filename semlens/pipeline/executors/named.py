"""Executors by name."""

from semlens.errors import SemlensError
from semlens.pipeline.executors.executor import Executor


def executor_named(text: str) -> Executor | None:
    """The executor `processes[:N]` or `ray[:ADDRESS]`; None for `local`, this process itself.

    Raises:
        SemlensError: there is no such executor, or what it needs is not installed.
    """
    name, _, detail = text.partition(":")
    if text == "local":
        return None
    if name == "processes" and (not detail or (detail.isdecimal() and int(detail))):
        from semlens.pipeline.executors.processes import Processes

        return Processes(int(detail) if detail else None)
    if name == "ray":
        from semlens.pipeline.executors.ray import Ray

        return Ray(detail)
    raise SemlensError(f"executor {text!r}: write local, processes, processes:N, ray or ray:ADDRESS")
