# mypy: disable-error-code="import-untyped"
"""Which of Django's own types are stored without a serializer.

SafeString is what `{% cache %}` and render_to_string make. It is stored as its text, in formats that say that it is
safe. A lazy string stays with the serializer: pickle keeps it lazy, so that the reader's language decides.
"""

from __future__ import annotations

from django.utils.safestring import SafeString

from forklore import _core

_core._register_type("safe", SafeString)
