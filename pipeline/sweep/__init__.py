"""Searches over parameters: trials as Ray tasks, each a project folder of its own.

Optuna keeps the trials (a study with its journal storage), proposes values (TPE), judges rungs
(SuccessiveHalvingPruner) and estimates importance (fANOVA). Ours, because a test showed the need:

- Values of random search are drawn by seed, number and key alone (space.py). Optuna's samplers draw
  in sequence: after a resume, or with a parameter more, other trials would follow, and neither the
  check before the start nor a dry run could know them.
- A rung is judged in a study of its own (asha.py). In that of the sweep the pruner says "stop" only
  the first time it is asked, so that a decision lost with a killed process is lost for good, and a
  trial that is complete takes no further value, so that no further budget could continue it.
- The study is written anew at every start (sweep_store.py). To the half line of a killed process
  the journal storage appends the next, and then refuses to be read; a lock of that process is
  waited for, half a minute.
- Curves, pictures and the progress of stages are in an event log per trial (event_log.py): Optuna
  has no place for them, and MLflow may be away.
- The chart of parallel coordinates (charts.py): in Optuna's an outlier squeezes all other trials,
  those that were pruned are missing, and long names overlap.
"""
