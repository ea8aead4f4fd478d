"""Writes `fuzz_messages.c`: every message decodes from any bytes, and encodes to those bytes again."""

from __future__ import annotations

from firmware_bridge.link.messages import MESSAGES


def fuzz_messages_source() -> str:
    """One call a message; the input's first byte chooses."""
    lines = [
        "/* Any bytes decode without harm, and a message that decodes encodes to the bytes it came from. */\n",
        '#include <string.h>\n\n#include "fuzz.h"\n#include "s2i_link/messages.h"\n\n',
        "#define TRY(kind, fixed, tailed) \\\n    do { \\\n        kind message; \\\n",
        "        if (kind##_decode(&message, data, size)) { \\\n",
        "            size_t length = kind##_encode(&message, out, sizeof out); \\\n",
        "            REQUIRE(length == ((tailed) ? size : (fixed)) && memcmp(out, data, length) == 0); \\\n",
        "        } \\\n    } while (0)\n\n",
        "int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {\n    uint8_t out[4096], which;\n",
        "    if (size == 0) {\n        return 0;\n    }\n    which = *data++;\n    size--;\n",
        f"    switch (which % {len(MESSAGES)}u) {{\n",
    ]
    for number, kind in enumerate(MESSAGES.values()):
        name = kind.TYPE.name
        tailed = any("tail" in item.metadata for item in kind.__dataclass_fields__.values())
        lines.append(f"    case {number}:\n        TRY(s2i_{name.lower()}, S2I_{name}_FIXED, {int(tailed)});\n")
        lines.append("        break;\n")
    lines.append("    default:\n        break;\n    }\n    return 0;\n}\n")
    return "".join(lines)
