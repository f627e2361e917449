"""Lines for floods: alike in length, unlike in what they say, the same in every process."""

SAID = (
    "night stay guest room report invoice month total range start end date query table row count "
    "index cache miss hit retry token model agent session turn event test failed passed error "
    "warning file line column path commit branch merge review deploy build"
)
WORDS = SAID.split()
CHARS = 79


def text(number):
    """Return line `number`: eight digits, then words.

    Example:
        >>> text(7)[:9], len(text(7))
        ('00000007 ', 79)
    """
    parts, state = [f"{number:08d}"], number * 2_654_435_761 + 97
    for _ in range(14):
        state = (state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        parts.append(WORDS[(state >> 8) % len(WORDS)])
    return " ".join(parts)[:CHARS].ljust(CHARS, ".")
