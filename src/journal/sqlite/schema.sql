-- The journal file, format 1.

-- producer: 32 hexadecimal digits, made with the file; upto: as given to the last trim; trimmed: the last deleted entry;
-- probe: a number that is changed to test whether the disk accepts a write.
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

-- What the store had confirmed for each site at the last trim.
CREATE TABLE offsets (site TEXT PRIMARY KEY, offset INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- at: milliseconds since 1970 (UTC), 0 in a skip marker. It is before data so that a trim need not read the views.
CREATE TABLE entries (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
