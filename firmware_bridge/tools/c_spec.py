"""Writes the C library's `spec.h`, `messages.h` and `messages.c` from the Python specification.

python -m firmware_bridge.tools.c_spec
"""

from __future__ import annotations

import os
from dataclasses import Field, fields
from enum import IntEnum, IntFlag
from pathlib import Path

from firmware_bridge.link import adpcm, spec
from firmware_bridge.link.messages import MESSAGES, Message, fixed_layout, schema_hash
from firmware_bridge.tools.fuzz_messages import fuzz_messages_source

C_FOLDER = Path(__file__).parents[1] / "c"
MADE_BY = "/* Made by firmware_bridge/tools/c_spec.py from the Python specification; do not edit. */\n"
TYPES = {"B": "uint8_t", "H": "uint16_t", "I": "uint32_t", "h": "int16_t"}
SIZES = {"B": 1, "H": 2, "I": 4, "h": 2}
LIMITS = {"B": (0, 0xFF), "H": (0, 0xFFFF), "I": (0, 0xFFFFFFFF), "h": (-0x8000, 0x7FFF)}


def main() -> None:
    """Writes the files that differ."""
    for path, text in generated().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            partial = path.with_name(path.name + ".partial")
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, path)
            print(f"wrote {path}")


def generated() -> dict[Path, str]:
    """What each file must say."""
    include = C_FOLDER / "include" / "s2i_link"
    return {
        include / "spec.h": spec_header(),
        include / "messages.h": messages_header(),
        C_FOLDER / "src" / "messages.c": messages_source(),
        C_FOLDER / "fuzz" / "fuzz_messages.c": MADE_BY + fuzz_messages_source(),
    }


def spec_header() -> str:
    """Every constant and enumeration of spec.py, and the ADPCM tables' ends."""
    lines = [MADE_BY, "#ifndef S2I_LINK_SPEC_H\n#define S2I_LINK_SPEC_H\n\n"]
    for name, value in vars(spec).items():
        if name.isupper() and isinstance(value, int) and not isinstance(value, IntEnum | IntFlag):
            lines.append(f"#define S2I_{name} {_literal(value)}\n")
    lines.append(f"#define S2I_SCHEMA {_literal(schema_hash())}\n")
    lines.append(f"#define S2I_ADPCM_LAST_INDEX {adpcm.LAST_INDEX}\n")
    for name, value in vars(spec).items():
        if isinstance(value, type) and issubclass(value, IntEnum | IntFlag) and value not in (IntEnum, IntFlag):
            lines.append("\n")
            lines += [f"#define S2I_{_constant(name)}_{item.name} 0x{item.value:02X}u\n" for item in value]
    lines.append("\n")
    for kind in MESSAGES.values():
        lines.append(f"#define S2I_{kind.TYPE.name}_FIXED {fixed_layout(kind).size}u\n")
    lines.append("\n#endif\n")
    return "".join(lines)


def messages_header() -> str:
    """One struct and two functions a message."""
    lines = [
        MADE_BY,
        "#ifndef S2I_LINK_MESSAGES_H\n#define S2I_LINK_MESSAGES_H\n\n",
        "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n\n",
        '#include "s2i_link/spec.h"\n\n#ifdef __cplusplus\nextern "C" {\n#endif\n\n',
        "/* encode: the payload's length, 0 where it does not fit or a field is out of range.\n",
        " * decode: false where the bytes cannot be such a message; a tail points into `payload`. */\n",
    ]
    for kind in MESSAGES.values():
        name = _name(kind)
        lines.append(f"\ntypedef struct {name} {{\n")
        for item in fields(kind):
            if "code" in item.metadata:
                lines.append(f"    {TYPES[item.metadata['code']]} {item.name};\n")
            else:
                lines.append(f"    const uint8_t *{item.name}; /* at most {item.metadata['most']} bytes */\n")
                lines.append(f"    uint16_t {item.name}_length;\n")
        lines.append(f"}} {name};\n\n")
        lines.append(f"{_encode_head(kind)};\n{_decode_head(kind)};\n")
    lines.append("\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n")
    return "".join(lines)


def messages_source() -> str:
    """The functions of `messages_header`."""
    lines = [MADE_BY, '#include "s2i_link/messages.h"\n\n#include <string.h>\n\n#include "s2i_link/bytes.h"\n']
    for kind in MESSAGES.values():
        lines += ["\n", *_encode_body(kind), "\n", *_decode_body(kind)]
    return "".join(lines)


def _encode_head(kind: type[Message]) -> str:
    return f"size_t {_name(kind)}_encode(const {_name(kind)} *message, uint8_t *out, size_t capacity)"


def _decode_head(kind: type[Message]) -> str:
    return f"bool {_name(kind)}_decode({_name(kind)} *message, const uint8_t *payload, size_t length)"


def _encode_body(kind: type[Message]) -> list[str]:
    fixed, tail = f"S2I_{kind.TYPE.name}_FIXED", _tail(kind)
    lines = [f"{_encode_head(kind)} {{\n"]
    needed = fixed if tail is None else f"{fixed} + (size_t)message->{tail.name}_length"
    tests = [f"capacity < {needed}", *_outside(kind)]
    lines.append(f"    if ({_any(tests)}) {{\n        return 0;\n    }}\n")
    for item, at in _numbers(kind):
        code = item.metadata["code"]
        value = f"message->{item.name}" if code != "h" else f"(uint16_t)message->{item.name}"
        lines.append(f"    s2i_put{8 * SIZES[code]}(out + {at}, {value});\n")
    if tail is not None:
        lines.append(f"    if (message->{tail.name}_length != 0) {{\n")
        lines.append(f"        memcpy(out + {fixed}, message->{tail.name}, message->{tail.name}_length);\n    }}\n")
    return [*lines, f"    return {needed};\n}}\n"]


def _decode_body(kind: type[Message]) -> list[str]:
    fixed, tail = f"S2I_{kind.TYPE.name}_FIXED", _tail(kind)
    lines = [f"{_decode_head(kind)} {{\n"]
    tests = [f"length < {fixed}"]
    if tail is not None:
        tests.append(f"length > {fixed} + {tail.metadata['most']}u")
    lines.append(f"    if ({_any(tests)}) {{\n        return false;\n    }}\n")
    for item, at in _numbers(kind):
        code = item.metadata["code"]
        call = f"s2i_get{8 * SIZES[code]}(payload + {at})"
        lines.append(f"    message->{item.name} = {call if code != 'h' else f's2i_signed16({call})'};\n")
    if tail is not None:
        lines.append(f"    message->{tail.name} = payload + {fixed};\n")
        lines.append(f"    message->{tail.name}_length = (uint16_t)(length - {fixed});\n")
    outside = _outside(kind, tail_too=False)
    return [*lines, f"    return {'true' if not outside else f'!({_any(outside)})'};\n}}\n"]


def _outside(kind: type[Message], tail_too: bool = True) -> list[str]:
    """The tests that a field is out of its range; what its type alone keeps is left out."""
    tests = []
    for item in fields(kind):
        name, most = f"message->{item.name}", item.metadata["most"]
        if "code" in item.metadata:
            low, high = LIMITS[item.metadata["code"]]
            if item.metadata["least"] > low:
                tests.append(f"{name} < {item.metadata['least']}u")
            if most < high:
                tests.append(f"{name} > {most}u")
        elif tail_too:
            tests.append(f"{name}_length > {most}u")
    return tests


def _any(tests: list[str]) -> str:
    return " ||\n        ".join(tests)


def _numbers(kind: type[Message]) -> list[tuple[Field, int]]:
    found, at = [], 0
    for item in fields(kind):
        if "code" in item.metadata:
            found.append((item, at))
            at += SIZES[item.metadata["code"]]
    return found


def _tail(kind: type[Message]) -> Field | None:
    return next((item for item in fields(kind) if "tail" in item.metadata), None)


def _name(kind: type[Message]) -> str:
    return f"s2i_{kind.TYPE.name.lower()}"


def _constant(name: str) -> str:
    """AudioFormat -> AUDIO_FORMAT."""
    return "".join(f"_{letter}" if letter.isupper() and at else letter for at, letter in enumerate(name)).upper()


def _literal(value: int) -> str:
    if value < 0:
        return f"({value})"
    return f"0x{value:08X}u" if value > 0xFFFF else f"{value}u"


if __name__ == "__main__":
    main()
