-- The counters; article is '' for the site itself. An export reads them in the order of the key.
CREATE TABLE views (
    site    TEXT    NOT NULL,
    bucket  TEXT    NOT NULL,
    article TEXT    NOT NULL,
    views   INTEGER NOT NULL CHECK (views BETWEEN 0 AND 9007199254740991),
    PRIMARY KEY (site, bucket, article)
) WITHOUT ROWID, STRICT;

-- The number of the journal entry up to which a site's counters include a producer's journal.
CREATE TABLE offsets (
    site     TEXT    NOT NULL,
    producer TEXT    NOT NULL,
    offset   INTEGER NOT NULL CHECK (offset >= 0),
    PRIMARY KEY (site, producer)
) WITHOUT ROWID, STRICT;
