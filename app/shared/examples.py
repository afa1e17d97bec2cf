"""Beginnings to write on, of the kind that the bundled model was trained on."""

EXAMPLES = {
    "A girl in a wood": "Once upon a time there was a girl who lived in a little house in the wood.",
    "A queen's castle": "The queen lived in a castle on a high hill above the sea. Every morning, when the sun came up "
    "over the water,",
    "Two who talk": '"Where are you going?" said the boy.\n"I am going to',
    "The fox": "A hungry fox saw some grapes. He",
}
