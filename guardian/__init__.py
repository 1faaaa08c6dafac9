"""guardian: a small guardian model in front of and behind any language model call.

    from guardian import Guardian

    guardian = Guardian()
    verdict = guardian.check("How do I sharpen a kitchen knife?")

These are the public names. Importing them needs the standard library and pydantic; what the model needs is imported at
the first check.
"""

from __future__ import annotations

# The decorator `guard` must be bound after the module `guardian.guard` was imported, which would else take its name.
from guardian.conversation import Conversation
from guardian.decorator import guard
from guardian.errors import (
    BackendError,
    Blocked,
    BlockedDocument,
    BlockedPrompt,
    BlockedResponse,
    BlockedTool,
    ConfigError,
    GuardianError,
    GuardOverloaded,
    GuardTimeout,
    GuardUnavailable,
    InputError,
    MissingExtra,
    ModelError,
)
from guardian.guard import Guardian
from guardian.hooks import Check, Hook
from guardian.messages import last_user_text, redact_messages
from guardian.policy import Policy, Replies, Rule, StageRules
from guardian.record import LogRecorder, Outage, Record, Recorder
from guardian.reply.author import Reply
from guardian.reply.writer import ReplyWriter
from guardian.rules import Allowed, CustomRule
from guardian.scoring.backend import Backend, Piece
from guardian.scoring.fake import ScriptedBackend, ScriptedWriter
from guardian.stream import AsyncGuardedStream, GuardedStream, StreamGuard, checked_on_block
from guardian.taxonomy import Attack, Hazard, Severity
from guardian.thresholds import Thresholds
from guardian.verdict import Action, Coverage, Finding, ModelRef, PolicyRef, Span, Stage, Verdict

__all__ = [
    "Action",
    "Allowed",
    "AsyncGuardedStream",
    "Attack",
    "Backend",
    "BackendError",
    "Blocked",
    "BlockedDocument",
    "BlockedPrompt",
    "BlockedResponse",
    "BlockedTool",
    "Check",
    "ConfigError",
    "Conversation",
    "Coverage",
    "CustomRule",
    "Finding",
    "GuardOverloaded",
    "GuardTimeout",
    "GuardUnavailable",
    "GuardedStream",
    "Guardian",
    "GuardianError",
    "Hazard",
    "Hook",
    "InputError",
    "LogRecorder",
    "MissingExtra",
    "ModelError",
    "ModelRef",
    "Outage",
    "Piece",
    "Policy",
    "PolicyRef",
    "Record",
    "Recorder",
    "Replies",
    "Reply",
    "ReplyWriter",
    "Rule",
    "ScriptedBackend",
    "ScriptedWriter",
    "Severity",
    "Span",
    "Stage",
    "StageRules",
    "StreamGuard",
    "Thresholds",
    "Verdict",
    "checked_on_block",
    "guard",
    "last_user_text",
    "redact_messages",
]

__version__ = "0.1.0"
