"""Who does the parts of a build: a file for each way. None of them is loaded before it is asked for."""

from semlens.pipeline.executors.executor import Died, Executor, Outcome
from semlens.pipeline.executors.named import executor_named

__all__ = ["Died", "Executor", "Outcome", "executor_named"]
