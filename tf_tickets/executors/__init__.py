"""Where the tasks of a sweep are done. Each executor is a module with a `Crew`, whose `work()` does them."""
