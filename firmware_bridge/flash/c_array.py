"""An image as C source, for firmware that has no partition of its own for the model."""

from __future__ import annotations

import re

from edge_s2i.errors import RequestError

_BYTES_A_LINE = 24


def c_array(image: bytes, name: str = "s2i_model") -> str:
    """C99 source of a constant array `name` and of its length `name`_bytes, aligned for use in place.

    The source includes nothing and needs no header: declare
    `extern const unsigned char s2i_model[]; extern const unsigned long s2i_model_bytes;`.
    Raises RequestError for a name that C does not take.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise RequestError(f"{name!r} is no name in C; give letters, digits and _, as s2i_model")
    lines = [
        ",".join(str(byte) for byte in image[start : start + _BYTES_A_LINE])
        for start in range(0, len(image), _BYTES_A_LINE)
    ]
    return "\n".join(
        [
            "/* Written by `edge-s2i flash`; read it by s2i_flash.h. */",
            "#if defined(__GNUC__)",
            "__attribute__((aligned(16)))",
            "#elif defined(_MSC_VER)",
            "__declspec(align(16))",
            "#endif",
            f"extern const unsigned char {name}[];",
            f"extern const unsigned long {name}_bytes;",
            f"const unsigned long {name}_bytes = {len(image)}ul;",
            f"const unsigned char {name}[{max(len(image), 1)}] = {{",
            ",\n".join(lines) or "0",
            "};",
            "",
        ]
    )
