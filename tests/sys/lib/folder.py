# SPDX-License-Identifier: Apache-2.0
"""A cache folder, to be damaged.

    folder = Folder(mount)
    folder.flip(300_000, 5)     a bit of the chunk file of that size
"""


class Folder:
    """The folder of the one bucket that ${mount} has or had."""

    def __init__(self, mount):
        (db,) = mount.cache.glob("*/meta.db")
        self.path = db.parent

    def chunk(self, size):
        """Return the path of the chunk file of ${size} bytes."""
        (path,) = [p for p in self.path.glob("chunks/*/*")
                   if p.stat().st_size == size]
        return path

    def flip(self, size, at):
        """Flip a bit of it."""
        with open(self.chunk(size), "r+b") as f:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 0x10]))

    def add_orphan(self, node):
        """Add a chunk file that nobody owns; return its name."""
        name = f"chunks/{node & 0xff:02x}/{node}"
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_bytes(b"orphan")
        return name
