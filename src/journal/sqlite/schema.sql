-- The journal file, format 1.

-- producer: 32 hexadecimal digits, made with the file; upto: what the last trim was told; trimmed: the last deleted entry;
-- probe: a number that is changed to learn whether the disk takes a write.
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

-- What the store had confirmed of each site when the last trim was told of it.
CREATE TABLE offsets (site TEXT PRIMARY KEY, offset INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- at: milliseconds since 1970 (UTC), 0 in a skip marker. It stands before data so that a trim need not read the views.
CREATE TABLE entries (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
