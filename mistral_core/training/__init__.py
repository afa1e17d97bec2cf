"""Training the very network that the application explains, from a folder of texts to a model folder.

Reading order, which is the order in which a text meets the files:

 1. `settings.py`       everything that decides a training, with its defaults
 2. `texts.py`          which files are which source, and what is held out for validation
 3. `vocabulary.py`     a SentencePiece vocabulary learned from the texts
 4. `corpus.py`         documents as token shards on disk, mapped into memory
 5. `batches.py`        which piece of which source comes next
 6. `network.py`        loss of the network, with attention computed block by block
 7. `muon.py`, `optimise.py`, `schedule.py`   from gradients to weights
 8. `hardware.py`       what this machine is good at
 9. `checkpointing.py`  what a run must remember, safe against kill -9
10. `run_file.py`, `run_log.py`, `curve.py`, `expectation.py`   what a run is, and what a person watches
11. `trainer.py`        the loop
12. `export.py`, `card.py`, `record.py`   the finished model folder
13. `average.py`       one model from the mean of several
14. `family.py`, `family_results.py`, `relay.py`   the models that the claims need
"""
