"""The residual stream of a run: the lens at every layer, what parts add to a logit, a cell of another text by hand."""
