"""Writes each generated file and prints its name."""

from docs.generate.files import HERE, contents

for path, text in contents().items():
    file = HERE / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    print(f"wrote docs/{path}")
