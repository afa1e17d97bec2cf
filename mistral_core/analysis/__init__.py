"""Pure functions of a configuration, a Trace or a model; each names its formula."""
