"""The book's colours, after Okabe and Ito: told apart with any colour vision. All other places take them from here."""

# dark enough for text on white (4.5:1 and more): figures, and explorers in the light theme
LIGHT = {
    "blue": "#0072B2",
    "orange": "#BF4A00",
    "green": "#007A5A",
    "purple": "#AA4499",
    "brown": "#80610C",
    "grey": "#707070",
}
# the same, light enough for text on black: explorers in the dark theme
DARK = {
    "blue": "#5BB8F0",
    "orange": "#FF9A5C",
    "green": "#4CC9A0",
    "purple": "#E08FD0",
    "brown": "#D9B45B",
    "grey": "#A0A0A0",
}
# behind a verdict
VERDICTS = {
    "holds": "#009e73",
    "holds with a condition": "#56b4e9",
    "corrected": "#e69f00",
    "false": "#d55e00",
    "unsupported as stated": "#cc79a7",
    "a question of the book's own": "#888888",
}


def variables(colours: dict[str, str]) -> str:
    """The colours as CSS variables: "--blue: #0072B2; ..."."""
    return " ".join(f"--{name.replace(' ', '-')}: {colour};" for name, colour in colours.items())
