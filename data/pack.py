# pack.py - a tool of the build: puts files, and each packed with gzip, into STAMP.d. The same bytes for the same files, always.
# Usage: pack.py STAMP FILE...
import gzip
import pathlib
import sys

stamp = pathlib.Path(sys.argv[1])
place = pathlib.Path(str(stamp) + '.d')
place.mkdir(exist_ok=True)
for name in sys.argv[2:]:
    data = pathlib.Path(name).read_bytes()
    (place / pathlib.Path(name).name).write_bytes(data)
    (place / (pathlib.Path(name).name + '.gz')).write_bytes(gzip.compress(data, 9, mtime=0))
stamp.write_text('')
