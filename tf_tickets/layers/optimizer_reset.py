"""The optimizer of a compiled model, started afresh, and whether its learning rate can be set."""

import contextlib

import keras


def replace_optimizer(model: keras.Model) -> None:
    """Gives a compiled model another optimizer of the same config if it had one for other variables."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not optimizer.built:
        return
    with _scope_of(model):
        model.optimizer = type(optimizer).from_config(optimizer.get_config())


def reset_optimizer(model: keras.Model) -> None:
    """Gives the model's optimizer the state of a fresh one: slots, averages and the step counter.

    The learning rate stays. The fresh values come from an optimizer built from the same config, since not
    every slot of every optimizer starts at zero.
    """
    optimizer = model.optimizer
    if not optimizer.built:
        return
    config = optimizer.get_config()
    with _scope_of(model):
        fresh = type(optimizer).from_config(config)
        fresh.build(model.trainable_variables)
    rate = getattr(optimizer, "_learning_rate", None)
    for variable, start in zip(optimizer.variables, fresh.variables, strict=True):
        if variable is not rate:
            variable.assign(start)


def has_own_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the optimizer's learning rate is a LearningRateSchedule."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return isinstance(inner._learning_rate, keras.optimizers.schedules.LearningRateSchedule)


def _scope_of(model: keras.Model) -> contextlib.AbstractContextManager:
    strategy = getattr(model, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()
