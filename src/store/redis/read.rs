//! Reads counters, offsets and lists. Several commands are one transaction, so that their replies are of one moment.

use std::{
    collections::{BTreeMap, HashMap},
    vec,
};

use chrono::{DateTime, NaiveDate, Utc};
use redis::{FromRedisValue, Pipeline, ToRedisArgs, Value};

use super::{
    apply::{missing_key, parse_revision},
    errors::{unexpected_record, unexpected_value},
    keys::{Keys, list_name, parse_views_field, views_field},
    topology::Link,
};
use crate::{
    domain::{
        MAX_COUNT,
        article::{ArticleId, Section},
        counts::{Kind, Subject},
        figures::{Figure, Figures},
        period::Bucket,
        producer::{Position, ProducerId},
        record::{Past, Record},
        retention::{Retention, TrustedTime},
    },
    store::{Revision, Snapshot, StoreError, TopList, VERSION},
};

/// Decides which buckets of articles a reader sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) retention: Retention,
    pub(super) now: DateTime<Utc>,
}

/// What the hash of a site holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct SiteState {
    pub(super) revision: Revision,
    pub(super) time: Option<TrustedTime>,
}

impl SiteState {
    /// The day (UTC) by which buckets of articles expire.
    pub(super) fn day(&self, view: View) -> NaiveDate {
        TrustedTime::day(self.time, view.now)
    }

    /// Whether a reader does not see a bucket of articles any more.
    pub(super) fn is_expired(&self, view: View, bucket: Bucket) -> bool {
        view.retention.expired(bucket, self.day(view))
    }
}

/// See [`Store::figures`](crate::store::Store::figures).
pub(super) async fn figures(
    link: Link<'_>,
    keys: &Keys,
    view: View,
    producers: &[ProducerId],
    today: NaiveDate,
    articles: &[ArticleId],
) -> Result<Snapshot, StoreError> {
    // The past is only asked for if a record alone does not answer, because a clock was ahead.
    let snapshot = figures_with(link, keys, view, producers, today, articles, false).await?;
    match snapshot {
        Some(snapshot) => Ok(snapshot),
        None => {
            let snapshot = figures_with(link, keys, view, producers, today, articles, true).await?;
            snapshot.ok_or_else(|| StoreError::NotApplied("the past of an article was not read".into()))
        }
    }
}

/// `None` if the past is needed and `with_past` is false.
async fn figures_with(
    link: Link<'_>,
    keys: &Keys,
    view: View,
    producers: &[ProducerId],
    today: NaiveDate,
    articles: &[ArticleId],
    with_past: bool,
) -> Result<Option<Snapshot>, StoreError> {
    let buckets = Figure::buckets(today);
    let ids: Vec<&str> = articles.iter().map(ArticleId::as_str).collect();
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    // A command without fields is an error.
    if !producers.is_empty() {
        read.add("HMGET", keys.offsets(), producers.iter().map(ProducerId::to_string).collect::<Vec<_>>());
    }
    let of_site = [None, Some(Kind::Visits)].into_iter().flat_map(|kind| buckets.map(|bucket| views_field(kind, bucket)));
    read.add("HMGET", keys.views(), of_site.collect::<Vec<_>>());
    if !ids.is_empty() {
        read.add("HMGET", keys.articles(), &ids);
        if with_past {
            read.add("HMGET", keys.past(), &ids);
        }
    }
    let mut replies = read.run(link).await?;
    let site = replies.site(keys)?;
    let offsets = if producers.is_empty() { Vec::new() } else { replies.offsets()? };
    let of_site = replies.counts(2 * buckets.len())?;
    let records: Vec<Option<Record>> = if ids.is_empty() { Vec::new() } else { replies.parsed(articles)? };
    let pasts: Vec<Option<Past>> = if ids.is_empty() || !with_past { vec![None; articles.len()] } else { replies.parsed(articles)? };
    let mut of_articles = Vec::with_capacity(articles.len());
    for (record, past) in records.into_iter().zip(pasts) {
        let record = record.unwrap_or_default();
        let mut counts = [0; 9];
        for (count, bucket) in counts.iter_mut().zip(buckets).filter(|(_, bucket)| !site.is_expired(view, *bucket)) {
            *count = match record.views(bucket) {
                Some(views) => views,
                None if with_past => past.as_ref().map_or(0, |past| past.views(bucket)),
                None => return Ok(None),
            };
        }
        of_articles.push(Figures::new(counts));
    }
    let figures_from = |first| Figures::new(std::array::from_fn(|place| of_site.get(first + place).copied().unwrap_or_default()));
    let (site_figures, visits) = (figures_from(0), figures_from(buckets.len()));
    Ok(Some(Snapshot { offsets, revision: site.revision, site: site_figures, visits, articles: of_articles }))
}

/// See [`Store::offset`](crate::store::Store::offset).
pub(super) async fn offset(link: Link<'_>, keys: &Keys, producer: ProducerId) -> Result<Position, StoreError> {
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    read.add("HMGET", keys.offsets(), &[producer.to_string()]);
    let mut replies = read.run(link).await?;
    replies.site(keys)?;
    Ok(replies.offsets()?.first().copied().unwrap_or_default())
}

/// See [`Store::top`](crate::store::Store::top).
pub(super) async fn top(
    link: Link<'_>,
    keys: &Keys,
    view: View,
    section: Option<&Section>,
    bucket: Bucket,
    limit: usize,
) -> Result<TopList, StoreError> {
    let name = list_name(section, bucket);
    let key = keys.top(&name);
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    read.add("HMGET", keys.sections(), &[section.map_or("", Section::as_str)]);
    read.add("HMGET", keys.lists(), &[name]);
    // Redis cannot hold more articles than this.
    let last = i64::from(u32::try_from(limit).unwrap_or(u32::MAX)) - 1;
    read.add("ZRANGE", key.clone(), (0, last, "WITHSCORES"));
    let mut replies = read.run(link).await?;
    let site = replies.site(keys)?;
    let state: Vec<Option<String>> = replies.next()?;
    let of_list: Vec<Option<String>> = replies.next()?;
    let rows: Vec<(String, f64)> = replies.next()?;
    let state = state.first().cloned().flatten();
    let lacks_articles = of_list.into_iter().flatten().any(|state| !state.is_empty());
    let whole = (section.is_none() || state.as_deref() == Some("whole")) && !lacks_articles;
    let known = section.is_none() || state.is_some();
    let rows = if limit == 0 || !known || site.is_expired(view, bucket) { Vec::new() } else { rows };
    let row = |(id, score): (String, f64)| Ok((article(&id, &key)?, views_of_score(score).ok_or_else(|| unexpected_value(&key))?));
    let mut articles = rows.into_iter().map(row).collect::<Result<Vec<_>, StoreError>>()?;
    articles.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
    articles.truncate(limit);
    Ok(TopList { articles, revision: site.revision, whole })
}

/// The views of a list's row. Doubles hold them exactly.
fn views_of_score(score: f64) -> Option<u64> {
    format!("{:.0}", -score).parse().ok().filter(|views| (1..=MAX_COUNT).contains(views))
}

/// See [`Store::history`](crate::store::Store::history).
pub(super) async fn history(
    link: Link<'_>,
    keys: &Keys,
    view: View,
    subject: &Subject,
    buckets: &[Bucket],
) -> Result<Vec<u64>, StoreError> {
    if buckets.is_empty() {
        return Ok(Vec::new());
    }
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    let kind = match subject {
        Subject::Article(article) => return article_history(read, link, keys, view, article, buckets).await,
        Subject::Site => None,
        Subject::Kind(kind) => Some(*kind),
    };
    read.add("HMGET", keys.views(), buckets.iter().map(|bucket| views_field(kind, *bucket)).collect::<Vec<_>>());
    let mut replies = read.run(link).await?;
    replies.site(keys)?;
    replies.counts(buckets.len())
}

/// The same of an article.
async fn article_history(
    read: ReadTransaction,
    link: Link<'_>,
    keys: &Keys,
    view: View,
    article: &ArticleId,
    buckets: &[Bucket],
) -> Result<Vec<u64>, StoreError> {
    let (site, record, past) = read_article(read, link, keys, article).await?;
    let views = |bucket: Bucket| record.views(bucket).unwrap_or_else(|| past.views(bucket));
    Ok(buckets.iter().map(|&bucket| if site.is_expired(view, bucket) { 0 } else { views(bucket) }).collect())
}

/// Adds an article to a read that begins with its site, and runs it.
async fn read_article(
    mut read: ReadTransaction,
    link: Link<'_>,
    keys: &Keys,
    article: &ArticleId,
) -> Result<(SiteState, Record, Past), StoreError> {
    let articles = std::slice::from_ref(article);
    read.add("HMGET", keys.articles(), &[article.as_str()]);
    read.add("HMGET", keys.past(), &[article.as_str()]);
    let mut replies = read.run(link).await?;
    let site = replies.site(keys)?;
    let (mut records, mut pasts) = (replies.parsed::<Record>(articles)?, replies.parsed::<Past>(articles)?);
    Ok((site, records.pop().flatten().unwrap_or_default(), pasts.pop().flatten().unwrap_or_default()))
}

/// See [`Store::counts`](crate::store::Store::counts).
pub(super) async fn counts(link: Link<'_>, keys: &Keys, view: View, subject: &Subject) -> Result<Vec<(Bucket, u64)>, StoreError> {
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    let Subject::Article(article) = subject else {
        read.add("HGETALL", keys.views(), None::<&str>);
        let mut replies = read.run(link).await?;
        replies.site(keys)?;
        return counts_of_site(replies.next()?, keys, subject);
    };
    let (site, record, past) = read_article(read, link, keys, article).await?;
    let mut counts: Vec<_> = counts_of_article(&record, &past).filter(|(bucket, _)| !site.is_expired(view, *bucket)).collect();
    counts.sort_unstable();
    Ok(counts)
}

/// The counters of an article that are above 0.
pub(super) fn counts_of_article(record: &Record, past: &Past) -> impl Iterator<Item = (Bucket, u64)> {
    let periods = record.periods().chain(past.periods());
    let periods = periods.filter_map(|(period, (number, views))| Some((period.numbered(number)?, views)));
    periods.chain((record.total > 0).then_some((Bucket::Total, record.total)))
}

/// The counters of a site's views or of another of its counts, of all that its hash has.
fn counts_of_site(fields: Vec<(String, u64)>, keys: &Keys, subject: &Subject) -> Result<Vec<(Bucket, u64)>, StoreError> {
    let mut counts = Vec::new();
    for (field, views) in fields.into_iter().filter(|(_, views)| *views > 0) {
        let found = parse_views_field(&field);
        if found.is_none() && !field.contains(':') {
            return Err(StoreError::Corrupt(format!("{}: {field:?} is not a bucket", keys.views())));
        }
        if let Some((_, bucket)) = found.filter(|(of, _)| of == subject) {
            counts.push((bucket, count(views, &keys.views())?));
        }
    }
    counts.sort_unstable();
    Ok(counts)
}

/// The state of a site, its sections with their states, and its lists with theirs.
pub(super) async fn lists(
    link: Link<'_>,
    keys: &Keys,
) -> Result<(SiteState, HashMap<String, String>, BTreeMap<String, String>), StoreError> {
    let mut read = ReadTransaction::new();
    read.add_site(keys);
    read.add("HGETALL", keys.sections(), None::<&str>);
    read.add("HGETALL", keys.lists(), None::<&str>);
    let mut replies = read.run(link).await?;
    Ok((replies.site(keys)?, replies.next()?, replies.next()?))
}

/// The commands of one transaction, each on one key.
pub(super) struct ReadTransaction {
    pipeline: Pipeline,
    keys: Vec<String>,
}

impl ReadTransaction {
    pub(super) fn new() -> Self {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        Self { pipeline, keys: Vec::new() }
    }

    pub(super) fn add(&mut self, command: &str, key: String, arguments: impl ToRedisArgs) {
        self.pipeline.cmd(command).arg(&key).arg(arguments);
        self.keys.push(key);
    }

    /// Asks for the state of the site, which [`Replies::site`] decodes.
    pub(super) fn add_site(&mut self, keys: &Keys) {
        self.add("HMGET", keys.site(), &["version", "revision", "latest", "ahead"]);
        self.add("EXISTS", keys.views(), None::<&str>);
        self.add("EXISTS", keys.articles(), None::<&str>);
    }

    pub(super) async fn run(self, link: Link<'_>) -> Result<Replies, StoreError> {
        match link.run(&self.pipeline).await {
            Ok(values) => Ok(Replies(values.into_iter().zip(self.keys).collect::<Vec<_>>().into_iter())),
            Err(error) => Err(error.into_read_error(&self.keys)),
        }
    }
}

/// The replies to a [`ReadTransaction`], in the order of its commands.
pub(super) struct Replies(vec::IntoIter<(Value, String)>);

impl Replies {
    /// Decodes the next reply.
    pub(super) fn next<T: FromRedisValue>(&mut self) -> Result<T, StoreError> {
        let (value, key) = self.take()?;
        decode(value, &key)
    }

    fn take(&mut self) -> Result<(Value, String), StoreError> {
        self.0.next().ok_or_else(|| StoreError::NotApplied("Redis sent too few replies".into()))
    }

    /// Decodes the replies to [`ReadTransaction::add_site`].
    ///
    /// # Errors
    /// If the site has another version.
    pub(super) fn site(&mut self, keys: &Keys) -> Result<SiteState, StoreError> {
        let unexpected = || unexpected_value(&keys.site());
        let fields: Vec<Option<String>> = self.next()?;
        let (has_views, has_articles): (bool, bool) = (self.next()?, self.next()?);
        let [version, revision, latest, ahead] = <[_; 4]>::try_from(fields).map_err(|_| unexpected())?;
        let version = match version {
            Some(version) => version.parse().map_err(|_| unexpected())?,
            None if has_articles => return Err(missing_key(&keys.site())),
            None if has_views => 1,
            None => VERSION,
        };
        if version != VERSION {
            return Err(StoreError::Version { found: version });
        }
        let time = |text: &str| text.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or_else(unexpected);
        let ahead = match ahead.as_deref().map(|ahead| ahead.split_once(':').ok_or_else(unexpected)).transpose()? {
            Some((since, last)) => Some((time(since)?, time(last)?)),
            None => None,
        };
        let latest = latest.as_deref().map(time).transpose()?;
        Ok(SiteState {
            revision: revision.map_or(Ok(Revision::default()), |text| parse_revision(&text).ok_or_else(unexpected))?,
            time: latest.map(|latest| TrustedTime { latest, ahead }),
        })
    }

    /// Decodes the next reply as offsets.
    fn offsets(&mut self) -> Result<Vec<Position>, StoreError> {
        let (value, key) = self.take()?;
        let offsets: Vec<Option<String>> = decode(value, &key)?;
        let parse = |offset: Option<String>| offset.map_or(Ok(Position::START), |text| text.parse().map_err(|_| unexpected_value(&key)));
        offsets.into_iter().map(parse).collect()
    }

    /// Decodes the next reply as the records, or the pasts, of these articles; `None` for one that has none.
    pub(super) fn parsed<T: std::str::FromStr>(&mut self, articles: &[ArticleId]) -> Result<Vec<Option<T>>, StoreError> {
        let (value, key) = self.take()?;
        let texts: Vec<Option<String>> = decode(value, &key)?;
        if texts.len() != articles.len() {
            return Err(unexpected_value(&key));
        }
        let parse = |(article, text): (&ArticleId, Option<String>)| match text {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| unexpected_record(article, &key, &text)),
        };
        articles.iter().zip(texts).map(parse).collect()
    }

    /// Decodes the next reply as `expected` counters; 0 for one that does not exist.
    fn counts(&mut self, expected: usize) -> Result<Vec<u64>, StoreError> {
        let (value, key) = self.take()?;
        let counts: Vec<Option<u64>> = decode(value, &key)?;
        if counts.len() != expected {
            return Err(unexpected_value(&key));
        }
        counts.into_iter().map(|views| count(views.unwrap_or_default(), &key)).collect()
    }
}

/// Decodes the value of a key.
pub(super) fn decode<T: FromRedisValue>(value: Value, key: &str) -> Result<T, StoreError> {
    redis::from_redis_value(value).map_err(|_| unexpected_value(key))
}

/// Checks a counter. No counter that truycap writes exceeds [`MAX_COUNT`], so sums of them do not overflow.
pub(super) fn count(views: u64, key: &str) -> Result<u64, StoreError> {
    if views <= MAX_COUNT { Ok(views) } else { Err(unexpected_value(key)) }
}

/// Parses the id of an article.
pub(super) fn article(id: &str, key: &str) -> Result<ArticleId, StoreError> {
    ArticleId::parse(id).map_err(|_| unexpected_value(key))
}
