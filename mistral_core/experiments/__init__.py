"""The annotated claims of "Mistral 7B": what would have to be seen, an experiment, and a verdict computed from it."""
