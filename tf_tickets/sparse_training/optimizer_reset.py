"""An optimizer that starts afresh, and whose learning rate can be set."""

import keras


def reset_optimizer(model: keras.Model) -> None:
    """Gives the model's optimizer the state of a fresh one: slots, averages and the step counter.

    The learning rate stays. The fresh values come from an optimizer built from the same config, since not
    every slot of every optimizer starts at zero.
    """
    optimizer = model.optimizer
    if not optimizer.built:
        return
    strategy = getattr(model, "distribute_strategy", None)
    config = optimizer.get_config()
    if strategy is not None:
        with strategy.scope():
            fresh = type(optimizer).from_config(config)
            fresh.build(model.trainable_variables)
    else:
        fresh = type(optimizer).from_config(config)
        fresh.build(model.trainable_variables)
    rate = getattr(optimizer, "_learning_rate", None)
    for variable, start in zip(optimizer.variables, fresh.variables, strict=True):
        if variable is not rate:
            variable.assign(start)


def own_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the optimizer's learning rate is a LearningRateSchedule."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return isinstance(inner._learning_rate, keras.optimizers.schedules.LearningRateSchedule)
