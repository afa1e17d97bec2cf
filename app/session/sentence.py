"""How an error is said to a visitor."""


def sentence(error: Exception | str) -> str:
    """The first line of an error as a sentence.

    >>> sentence("top_p is 2.0; it must be at most 1")
    'Top_p is 2.0; it must be at most 1.'
    """
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
