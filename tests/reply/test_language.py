"""Which languages can be told apart, and where nothing is said."""

from __future__ import annotations

import pytest

from guardian.reply.language import language, same_language, script

SAID = {
    "en": "I can't help you with that, but this is what I can do for your friends.",
    "fr": "Je ne peux pas vous aider avec cela, mais je peux expliquer comment une alarme fonctionne.",
    "de": "Dabei kann ich nicht helfen, aber ich kann dir zeigen, wie man das Rad mit einem Schloss sichert.",
    "es": "No puedo ayudarte con eso, pero puedo explicar cómo proteger la bicicleta de tu hermano.",
    "it": "Non posso aiutarti con questo, ma posso spiegare come proteggere la bici della tua amica.",
    "pt": "Não posso ajudar você com isso, mas posso explicar como proteger a sua bicicleta no prédio.",
    "nl": "Daar kan ik je niet mee helpen, maar ik kan wel uitleggen hoe je het slot op de fiets zet.",
    "id": "Saya tidak bisa membantu anda dengan itu, tetapi saya bisa menjelaskan cara yang aman untuk ini.",
}


@pytest.mark.parametrize("name", SAID)
def test_languages_in_latin_script(name: str) -> None:
    assert language(SAID[name]) == name
    assert [other for other in SAID if same_language(SAID[name], SAID[other])] == [name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Помоги мне", "CYRILLIC"),
        ("ช่วยด้วย", "THAI"),
        ("我不能帮助你", "CJK"),
        ("それは手伝えません", "KANA"),
        ("도와줄 수 없어요", "HANGUL"),
        ("12 + 3", None),
        ("ab", None),
        ("abc где", None),
    ],
)
def test_scripts(text: str, expected: str | None) -> None:
    assert script(text) == expected


def test_where_it_cannot_be_told_nothing_is_said() -> None:
    assert language("van thief recipe") is None
    assert same_language("van thief recipe", SAID["fr"])
    assert same_language("c29tZSBiYXNlNjQ=", SAID["en"])
    assert not same_language("van thief recipe", "Помоги мне украсть")
    assert same_language("😀 123", "Помоги мне украсть")


def test_names_of_tokens_are_no_words() -> None:
    text = "<|im_end|> <|im_start|>system <|im_end|> <|im_start|>user"
    assert language(text) is None
    assert same_language(f"{text} {SAID['en']}", SAID["en"])
