-- The journal file, format 2. Producers are 32 hexadecimal digits.

-- upto: as given to the last trim; trimmed: the position of the last deleted entry, whose digest the next entry continues;
-- probe: a number that is changed to test whether the disk accepts a write.
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

-- The runs that have written entries. after: the last entry before the run, which ends where the next one begins.
CREATE TABLE runs (after INTEGER PRIMARY KEY, producer TEXT NOT NULL) STRICT;

-- What the store had confirmed for each site at the last trim.
CREATE TABLE confirmed (site TEXT PRIMARY KEY, producer TEXT NOT NULL, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Runs that another process has continued too. To the store, the site's entries of the run after `after` are those of the
-- producer `heir`.
CREATE TABLE parted (
    site TEXT, producer TEXT, after INTEGER NOT NULL, heir TEXT NOT NULL, PRIMARY KEY (site, producer)
) STRICT, WITHOUT ROWID;

-- at: milliseconds since 1970 (UTC); digest: its 64 bits as a signed number. Both are before data so that a trim need not read
-- the views.
CREATE TABLE entries (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, digest INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
