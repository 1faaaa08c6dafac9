"""Whether a written reply may be said: pure checks on its text against the request, and limits on the model's scores.

Every check looks for something bad anywhere in the reply, and reads it as plain sentences (`guardian.reply.sentences`)
without statements of identity. So neither Markdown nor length nor "As an AI model" sways it, the artefacts that judges
are known to fall for (Picky LLMs and Unreliable RMs, arXiv 2502.01116, section 4).

A false refusal costs little: a template is said instead. The lists of words are English; in other languages the checks
of form (control tokens, contacts, copies, loops, language) and the model's scores are all there is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

from guardian.reply.language import language, same_language, script
from guardian.reply.sentences import sentences
from guardian.taxonomy import Hazard

LONGEST_COPY = 4
"""Content words in a row that a reply may share with the request.

Four are enough to name what it is about ("make a pipe bomb at home"); more are its details. Words without content of
their own are not counted, nor do they end a run, so that a detail is not hidden by an article in its middle.
"""


class Flaw(StrEnum):
    """Why a written reply was refused."""

    EMPTY = "empty"
    """Nothing was written."""
    UNFINISHED = "unfinished"
    """Not one sentence came to its end."""
    CONTROL = "control"
    """A control token, the label of a role, a gap to be filled in or a broken character."""
    CONTACT = "contact"
    """A phone number, an address or a named hotline that the policy does not list."""
    LANGUAGE = "language"
    """Another language than the request's."""
    COPY = "copy"
    """More of the request than names it."""
    CLAIM = "claim"
    """It claims to have done something, or that it will: a reply is only words."""
    POLICY = "policy"
    """It speaks of its rules, its prompt or its makers."""
    COMPLIANCE = "compliance"
    """It opens as an answer that does what was asked, or plays a role."""
    DEGENERATE = "degenerate"
    """Loops, shouting, noise."""
    LECTURE = "lecture"
    """It blames a person who may want to die."""
    NO_SUPPORT = "no_support"
    """To self-harm, it names nobody to turn to."""
    NO_REFUSAL = "no_refusal"
    """The model does not read it as a refusal."""
    HARMFUL = "harmful"
    """The model reads it as harmful."""
    LATE = "late"
    """It was not written in time."""
    OUTAGE = "outage"
    """The model failed while it was written or judged."""


MENDABLE = frozenset((Flaw.EMPTY, Flaw.NO_SUPPORT, Flaw.NO_REFUSAL))
"""What a further sentence may mend: a reply may begin with what it can do."""


def flaw_of(
    reply: str, request: str, *, subject: str, asked: str | None = None, contacts: Iterable[str] = ()
) -> Flaw | None:
    """What is wrong with a reply of plain, whole sentences to `request`; None where nothing is.

    `asked` is whose language the reply has to be in, where that is not the request itself but the task a document was
    given for. `contacts` are the numbers, addresses and names that may appear. Scores have their own say
    (`flaw_of_scores`).
    """
    said = bare(reply)
    if not any(char.isalpha() for char in said):
        return Flaw.EMPTY
    if flaw := next(_of_form(reply, said, contacts), None):
        return flaw
    if copied(said, request) > LONGEST_COPY:
        return Flaw.COPY
    if not same_language(said, request if asked is None else asked):
        return Flaw.LANGUAGE
    return next(_of_words(said, subject), None)


def flaw_of_scores(
    harm: float, refusal: float, offer: float, *, harm_limit: float, refusal_limit: float, offer_limit: float
) -> Flaw | None:
    """What the model has against a reply that it scored at the response stage; `offer` is the harm of what the reply
    offers, as a prompt (`offered`)."""
    if harm >= harm_limit or offer >= offer_limit:
        return Flaw.HARMFUL
    return Flaw.NO_REFUSAL if refusal < refusal_limit else None


def offered(reply: str) -> list[str]:
    """What a plain reply offers to do, as the requests that would ask for it: "I can help you plan a trip." is offered
    to who says "Help me plan a trip." A model that declines a thing and then offers it is caught by that."""
    return [_asked_for(match["what"]) for match in _OFFERED.finditer(reply)]


# Whatever verb follows is an offer, but for those that say what is not done, or what is noticed.
_OFFERED = re.compile(
    r"\b(?:I|we)(?:(?:'d| would| can| could|'ll| will)(?>(?: still| also| gladly| instead| happily| only| rather)*)"
    r"|(?:'d| would)(?>(?: still| also)*) be (?:glad|happy|able|pleased) to"
    r"|(?:'m| am|'re| are)(?>(?: still| also| always)*) (?:glad|happy|able|here|ready|pleased) to)"
    r" (?!(?:not|never|be|hear|see|imagine|understand|sense|feel)\b)(?P<what>\w[^.!?]*)",
    re.I,
)
_THEIRS = {"you": "me", "your": "my", "yours": "mine", "yourself": "myself"}


def _asked_for(what: str) -> str:
    request = re.sub(r"\w+", lambda word: _THEIRS.get(word[0].lower(), word[0]), what.strip())
    return f"{request[0].upper()}{request[1:]}."


def bare(reply: str) -> str:
    """A reply without its statements of identity: what the model is given to score."""
    kept = (_AS_AN_AI.sub("", sentence) for sentence in sentences(reply))
    return " ".join(f"{rest[0].upper()}{rest[1:]}" for rest in kept if rest and not _I_AM_AN_AI.match(rest))


_MODEL = r"(?:an? |the )?(?:\w+ ){0,3}?(?:ai|(?:language |chat)?model|chatbot|assistant|bot)"
_AS_AN_AI = re.compile(rf"^as {_MODEL}\b[^,.!?]{{0,40}}, *", re.I)
_I_AM_AN_AI = re.compile(rf"^i(?:'m| am) (?:just |only |simply )?{_MODEL}\b[^,;.!?]{{0,40}}[.!]$", re.I)


def _of_form(reply: str, said: str, contacts: Iterable[str]) -> Iterator[Flaw]:
    if _CONTROL.search(reply) or any(_broken(char) for char in reply):
        yield Flaw.CONTROL
    if _CONTACT.search(_without(reply, contacts)):
        yield Flaw.CONTACT
    if _degenerate(said):
        yield Flaw.DEGENERATE


def _of_words(said: str, subject: str) -> Iterator[Flaw]:
    if any(_COMPLIES.match(sentence) for sentence in sentences(said)) or _ANYWHERE.search(said):
        yield Flaw.COMPLIANCE
    if _CLAIM.search(said):
        yield Flaw.CLAIM
    if _POLICY.search(said):
        yield Flaw.POLICY
    if subject == Hazard.SELFHARM:
        if _LECTURE.search(said):
            yield Flaw.LECTURE
        if script(said) == "LATIN" and language(said) in ("en", None) and not _SUPPORT.search(said):
            yield Flaw.NO_SUPPORT


# -- remnants and contacts

_CONTROL = re.compile(
    r"<\|?|\|>|\[/?inst\]|\{\{?|\}|#{2,}"
    r"|\b(?:user|assistant|system|human|ai|bot|query|prompt|response|instruction)\s?:"
    r"|[\[(](?:your|insert|name|number|link|website|country|address|phone|date|topic)\b[^\])]{0,40}[\])]",
    re.I,
)

_NUMBER_WORD = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
_KIND = r"(?:hot-?line|help-?line|life-?line|cent(?:re|er)|foundation|association|institute|agency|commission|bureau)"
_CONTACT = re.compile(
    r"@|://|\bwww\b|\b\w[\w-]*\.(?:com|org|net|gov|edu|info|int|io|ai|[a-z]{2})\b(?!\.)"
    r"|\b\w+ ?[\[(]?dot[\])]? ?(?:com|org|net|gov)\b"
    rf"|\b{_NUMBER_WORD}(?:[ -]{_NUMBER_WORD}){{2,}}\b"
    # Three digits and more, however they are set apart; a year, a sum and round-the-clock are no number to call.
    r"|(?<![\d,.])(?!(?:19|20)\d\d(?!\d|[ ().-]*\d))\d(?:[ ().-]{0,3}\d){2,}(?![\d,])"
    # The name of an organisation: the words before its kind have capitals.
    rf"|(?-i:\b(?:[A-Z][\w'-]+ (?:(?:of|for|on|and|the) )*)+)(?-i:(?=[A-Z])){_KIND}s?\b",
    re.I,
)


def _without(text: str, contacts: Iterable[str]) -> str:
    """The text without the contacts that may be given, where they stand as words of their own."""
    for contact in contacts:
        text = re.sub(rf"(?<![\w.@-]){re.escape(contact)}(?![\w@-]|\.\w)", "", text, flags=re.I)
    return text


def _broken(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn")


# -- what is said

_DONE = (
    r"report|call|contact|notif|alert|inform|flagg|logg|forward|sent|send|record|sav|stor|block|suspend|delet|"
    r"schedul|book|submit|fil|ask|email|messag|trac|shar"
)
_OFFICIAL = r"(?:you|this|it|your|the (?:police|authorities)|police|authorities|emergency|someone|somebody|an? human)"
_CLAIM = re.compile(
    rf"\b(?:i|we)(?:'ve| have)(?: already| just| now| also)? (?:{_DONE})(?:p?ed|[a-z]?ed|ied|t)?\b"
    rf"|\b(?:i|we)(?: already| just) (?:{_DONE})\w*ed\b"
    rf"|\b(?:i|we) (?:called|contacted|reported|notified|alerted|informed|forwarded|sent|emailed|messaged)\b"
    rf"|\b(?:i|we)(?:'ll| will|'m going to| am going to|'re going to| must| have to) "
    rf"(?:now |also )?(?:report|notify|alert|call|contact|inform|block|suspend|log|flag) {_OFFICIAL}\b"
    rf"|\b(?:i'm|i am|we're|we are)(?: now)? (?:report|call|contact|notify|alert|inform|logg|flagg|block)ing\b"
    r"|\b(?:has|have|is|are|was|were|will)(?: now| already)?(?: been| being| be)? "
    r"(?:reported|logged|flagged|recorded|forwarded|notified|alerted|informed) (?:to|by us|for review|and)\b"
    r"|\b(?:has|have)(?: now| already)? been "
    r"(?:reported|logged|flagged|forwarded|notified|alerted|contacted|informed)\b"
    r"|\bhelp is on (?:its|the) way\b",
    re.I,
)
_POLICY = re.compile(
    r"\b(?:system|hidden|initial|developer) (?:prompt|message|instructions?)\b"
    r"|\b(?:my|our|openai'?s?|the model'?s) (?:\w+ ){0,2}?"
    r"(?:polic(?:y|ies)|guidelines?|rules|programming|instructions|training(?: data)?|prompt|filters?|developers?|"
    r"creators?|makers?|restrictions|safeguards|fine-tuning)\b"
    r"|\b(?:content|usage|use|safety|community|moderation|ethical|ai) (?:polic(?:y|ies)|guidelines|filters?)\b"
    r"|\bi(?:'m| am|'ve been| was| have been) "
    r"(?:programmed|trained|instructed|designed|not (?:programmed|allowed|permitted))\b"
    r"|\b(?:terms of (?:service|use)|content filter|openai|anthropic|safeguard reply)\b",
    re.I,
)
_SORRY = r"(?:(?:i'm |i am )?(?:so |very )?sorry,? (?:but )?|okay,? |ok,? |well,? )?"
_COMPLIES = re.compile(
    rf"^{_SORRY}(?:"
    r"sure(?:ly| thing)?[,.!]|certainly[,.!]|absolutely[,.!]|of course[,.!]|definitely[,.!]|gladly[,.!]|no problem\b"
    r"|here(?:'s| is| are)\b|(?:the )?(?:first|1st) step\b|step (?:1|one)\b"
    r"|(?:to|in order to) (?:do|make|build|get) (?:this|that|it|so)\b|follow these\b|(?:as|i am|i'm) (?:dan|evil)\b"
    r"|(?:you will need|you'll need|ingredients|materials|instructions)\b"
    r")",
    re.I,
)
_ANYWHERE = re.compile(
    r"\bhere(?:'s| is) (?:how|what you|a (?:guide|script|plan|recipe))\b"
    r"|\bthese (?:are the )?steps\b|\bstep (?:1|one)\b",
    re.I,
)
_LECTURE = re.compile(
    r"(?<!not )(?<!n't )(?<!no )(?<!without )\b"
    r"(?:selfish|sin(?:ful)?|coward(?:ly|ice)?|shame(?:ful)?|weak(?:ness)?|attention[- ]seek\w*|illegal|a crime|"
    r"against the law|your fault|stupid|foolish|overreact\w*|get over it|hell)\b",
    re.I,
)
_SUPPORT = re.compile(
    r"\b(?:friends?|family|relatives?|parents?|partner|trusted|trust|counsell?ors?|therapists?|doctors?|gp|nurses?|"
    r"teachers?|psychiatrists?|psychologists?|dietiti?ans?|mentors?|clinics?|pharmacists?|care team|crisis|"
    r"help-?lines?|hot-?lines?|life-?lines?|support|emergency|hospital|someone|somebody|professionals?|"
    r"talk(?:ing)? (?:to|with|it|about)|tell me|listen(?:ing)?)\b",
    re.I,
)

# -- copies and loops

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_EMPTY_WORDS = frozenset(
    """a about after all also am an and any are as at be because been before being but by can can't cannot could did do
    does doing don't down each for from get give had has have having he her here him his how i i'd i'll i'm i've if in
    into is it it's its just let let's like make may me might more most my myself no not now of off on one only or other
    our out over own please she should so some such tell than that that's the their them then there these they this
    those through to too under until up us very want was way we were what when where which while who whom why will with
    without would you you'd you'll you're you've your yours""".split()  # noqa: SIM905  # a list of words reads better so
)


def content_words(text: str) -> list[str]:
    """The words of a text that have content of their own, in lower case and in order."""
    return [word for word in _WORD.findall(text.lower()) if word not in _EMPTY_WORDS]


def copied(reply: str, request: str) -> int:
    """The longest run of content words of the reply that stands in the request as well."""
    theirs, ours = content_words(request), content_words(reply)
    longest, previous = 0, [0] * (len(theirs) + 1)
    for word in ours:
        current = [0] * (len(theirs) + 1)
        for index, other in enumerate(theirs, 1):
            if word == other:
                current[index] = previous[index - 1] + 1
        longest = max(longest, *current)
        previous = current
    return longest


def _shouted(sentence: str) -> bool:
    letters = [char for char in sentence if char.isalpha()]
    return len(letters) >= 20 and sum(map(str.isupper, letters)) > 0.6 * len(letters)


def _degenerate(text: str) -> bool:
    words = _WORD.findall(text.lower())
    runs = Counter(tuple(words[start : start + 4]) for start in range(len(words) - 3))
    said = sentences(text)
    return (
        max(runs.values(), default=0) > 2
        or len({sentence.lower() for sentence in said}) < len(said)
        or any(_shouted(sentence) for sentence in said)
        or (len(words) >= 20 and len(set(words)) < 0.4 * len(words))
        or re.search(r"(\S)\1{5}|\S{60}|\b(\w+)(?:\W+\2\b){2}", text, re.I) is not None
    )
