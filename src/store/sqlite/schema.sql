-- The counters; the site itself where article is ''. Read in the key's order by an export.
CREATE TABLE views (
    site    TEXT    NOT NULL,
    bucket  TEXT    NOT NULL,
    article TEXT    NOT NULL,
    views   INTEGER NOT NULL CHECK (views BETWEEN 0 AND 9007199254740991),
    PRIMARY KEY (site, bucket, article)
) WITHOUT ROWID, STRICT;

-- Up to which entry the counters of a site include a producer's journal.
CREATE TABLE offsets (
    site     TEXT    NOT NULL,
    producer TEXT    NOT NULL,
    offset   INTEGER NOT NULL CHECK (offset >= 0),
    PRIMARY KEY (site, producer)
) WITHOUT ROWID, STRICT;
