"""Adapters that put guardian into frameworks, one file an integration; installed as `guardian.adapters`.

They arrive with the middleware. Each imports its framework and the public names of guardian, nothing else, and nothing
of guardian imports them: a framework is only ever loaded by its own adapter.
"""

from __future__ import annotations
