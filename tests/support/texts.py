"""What tests of lessons and pages read: prose without code, and the source of every check."""

import re
from pathlib import Path

COURSE = Path(__file__).parents[2]


def without_code(text: str) -> str:
    """Take code out of a text, in blocks and in lines."""
    return re.sub(r"^(`{3,}).*?^\1|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)


def checks() -> dict[str, str]:
    """Source of the check of every exercise that answers back, by its number."""
    files = sorted((COURSE / "helpers" / "checks").glob("lesson_*.py"))
    code = "\n\n\n".join(path.read_text("utf-8") for path in files)
    return dict(re.findall(r'^@exercise\("(\S+)"\)\n(.*?)(?=\n\n\n|\Z)', code, re.MULTILINE | re.DOTALL))
