"""Many sessions on one machine: `engine.py` owns the models and writes, `task.py` is one long computation beside it."""
