-- The sites. articles: how many rows `articles` has of the site; an export compares it. latest: Unix time in seconds that the
-- store trusts; ahead_since, ahead_last: when a clock that is ahead of it was first and last seen.
CREATE TABLE sites (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    revision    INTEGER NOT NULL,
    digest      INTEGER NOT NULL,
    articles    INTEGER NOT NULL,
    latest      INTEGER,
    ahead_since INTEGER,
    ahead_last  INTEGER
) STRICT;

-- The position up to which a site's counters include a producer's entries. Kept for ever.
CREATE TABLE offsets (
    site     INTEGER NOT NULL,
    producer BLOB    NOT NULL,
    seq      INTEGER NOT NULL CHECK (seq >= 0),
    digest   INTEGER NOT NULL,
    PRIMARY KEY (site, producer)
) WITHOUT ROWID, STRICT;

-- The counters of sites. kind is '' for views.
CREATE TABLE site_views (
    site   INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    bucket TEXT    NOT NULL,
    views  INTEGER NOT NULL CHECK (views BETWEEN 0 AND 9007199254740991),
    PRIMARY KEY (site, kind, bucket)
) WITHOUT ROWID, STRICT;

-- The counters of articles: the total and the latest periods, and the earlier periods of those that have some.
CREATE TABLE articles (
    site    INTEGER NOT NULL,
    article TEXT    NOT NULL,
    record  TEXT    NOT NULL,
    PRIMARY KEY (site, article)
) WITHOUT ROWID, STRICT;

CREATE TABLE past (
    site    INTEGER NOT NULL,
    article TEXT    NOT NULL,
    past    TEXT    NOT NULL,
    PRIMARY KEY (site, article)
) WITHOUT ROWID, STRICT;

-- The sections of sites. built: the last article that was merged into the lists of a section that is being built; NULL if its
-- lists are whole.
CREATE TABLE sections (
    id    INTEGER PRIMARY KEY,
    site  INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    built TEXT,
    UNIQUE (site, name)
) STRICT;

-- The most-read articles of each bucket. section is 0 for the whole site. less: the views, below 0, so that a list is in the
-- order of the key.
CREATE TABLE top (
    site    INTEGER NOT NULL,
    section INTEGER NOT NULL,
    bucket  TEXT    NOT NULL,
    less    INTEGER NOT NULL CHECK (less < 0),
    article TEXT    NOT NULL,
    PRIMARY KEY (site, section, bucket, less, article)
) WITHOUT ROWID, STRICT;
