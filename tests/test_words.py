"""Words of docstrings and messages: plain American English, and a verb first in a function's."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for part in ("stn_action", "tools") for path in (ROOT / part).rglob("*.py"))
SHORTEST = 21
"""Characters of a string that is read as text; shorter ones are mostly names and keys."""

AVOIDED = {
    "nobody, somebody, ...": r"(no|some|every|any)body|everyone|someone|whoever",
    "for ever": r"for ever|one's own",
    "is told, says": r"(is|are|was|be) told|says",
    "in hand": r"in hand|puts? out",
    "worth": r"worth|worthless",
    "the whole": r"the whole(?! frame)|wholly",
    "picture": r"(?<!groups of )pictures?",
    "colour": r"(colour|behaviour|neighbour|favour)\w*",
    "centre": r"(re-?)?cent(re|red|res|ring)|metres?|fibres?",
    "normalise": (
        r"\w*(normal|initial|equal|minim|maxim|optim|real|local|recogn|summar)"
        r"is(e|ed|es|ing|ation)"
    ),
    "analyse": r"analys(e|ed|ing)",
    "labelled": r"(label|model|travel|cancel)l(ed|ing)",
    "grey": r"greys?",
    "licence": r"licences?",
    "artefact": r"artefacts?",
    "whilst": r"whilst|amongst|learnt|spelt",
}
"""A name and a pattern. Groups of pictures are a term of video coding; "whole frame" is a
term of protocol lines."""

EXCEPTIONS = {"data.tubes.nobody"}
"""Strings that are no text: the former name of a setting."""

NO_VERBS = {
    *("The", "A", "An", "All", "Each", "Every", "Its", "No", "One", "Some", "This", "These"),
    *("What", "How", "Whether", "Where", "When", "Which", "Who", "Whom", "Whose", "Why"),
    *("As", "By", "For", "From", "If", "In", "Of", "On", "To", "With", "Without", "See"),
}
"""First words of sentences about a thing or a condition; `See` hides what is done."""


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = " ".join(node.value.split())
            if len(text) >= SHORTEST:
                yield node.lineno, text


def avoided(text: str) -> list[str]:
    for exception in EXCEPTIONS:
        text = text.replace(exception, "")
    return [
        word
        for word, pattern in AVOIDED.items()
        if re.search(rf"\b({pattern})\b", text, re.IGNORECASE)
    ]


def public_functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    """Those of the module and of its classes, without properties."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
            if "property" not in decorators:
                yield node


def starts_with_verb(docstring: str) -> bool:
    """A base form has no mark in English: articles, and endings of other forms are excluded."""
    first = docstring.split()[0].rstrip(".,:;")
    if not re.fullmatch(r"[A-Z][a-z]+(-[a-z]+)?", first) or first in NO_VERBS:
        return False
    return not re.search(r"(ing|[^e]ed|[^s]s|tion|ness|ment)$", first)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_words_are_plain_and_american(path):
    found = [
        (line, word, text)
        for line, text in texts(ast.parse(path.read_text(encoding="utf-8")))
        for word in avoided(text)
    ]
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_public_functions_start_with_a_verb(path):
    functions = public_functions(ast.parse(path.read_text(encoding="utf-8")).body)
    documented = [(node.name, ast.get_docstring(node)) for node in functions]
    assert [
        (name, text.splitlines()[0])
        for name, text in documented
        if text and not starts_with_verb(text)
    ] == []


def test_a_word_is_found_in_a_sentence():
    assert avoided("Nobody knows the colour of it") == ["nobody, somebody, ...", "colour"]
    assert avoided("of the centred, normalised map") == ["centre", "normalise"]
    assert avoided("its groups of pictures; a picture") == ["picture"]
    assert avoided("data.tubes.nobody: expected frame or skip") == []
    assert avoided("a window for every clip, in percent, of the whole frame") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Return the boxes.", True),
        ("Re-encode a video.", True),
        ("Compress it.", True),
        ("Seed the generators.", True),
        ("Whether it is done.", False),
        ("The boxes of a clip.", False),
        ("(N, 4) boxes.", False),
        ("Returns the boxes.", False),
        ("Drawing of a map.", False),
        ("Selected boxes.", False),
        ("BLAKE2b of a file.", False),
    ],
)
def test_a_verb_in_its_base_form_starts_a_line(line, expected):
    assert starts_with_verb(line) is expected


def test_files_are_found():
    assert len(FILES) > 150
    assert {"stn_action", "tools"} == {path.relative_to(ROOT).parts[0] for path in FILES}
