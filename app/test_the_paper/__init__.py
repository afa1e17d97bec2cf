"""The page test_the_paper: the annotated claims, each with its experiment and its verdict."""
