//! `truycap adjust`: views added or taken away by hand.

use chrono::NaiveDate;

use super::{
    course::Course,
    error::CorrectionError,
    order::{Order, quoted},
    report::{Changed, Report},
};
use crate::domain::{
    MAX_COUNT,
    correction::{Change, CorrectionKind},
    counts::{Kind, Subject},
    period::Bucket,
    producer::ProducerId,
    site::SiteId,
    visible::visible,
};

/// What is adjusted.
#[derive(Clone, Debug)]
pub struct Adjust {
    /// How many views are added, or taken away if it is negative.
    pub views: i64,
    /// The smallest bucket that changes. Those that contain it change too.
    pub period: Bucket,
    /// Whose counters change. An article's change with those of its site.
    pub subject: Subject,
}

impl Adjust {
    /// The arguments of the command.
    fn arguments(&self, site: &SiteId) -> String {
        let of = match &self.subject {
            Subject::Site => String::new(),
            Subject::Kind(kind) => format!(" --of {kind}"),
            Subject::Article(article) => format!(" --article {}", quoted(article.as_str())),
        };
        format!("{site} {} --period {}{of}", self.views, self.period)
    }

    /// Whose counters change.
    fn subjects(&self) -> impl Iterator<Item = &Subject> {
        let of_site = self.subject.article().map(|_| &Subject::Site);
        of_site.into_iter().chain([&self.subject])
    }

    /// The buckets that change.
    fn buckets(&self, today: NaiveDate) -> Result<Vec<Bucket>, String> {
        if self.views == 0 || self.views.unsigned_abs() > MAX_COUNT {
            return Err(format!(
                "{} {} cannot be added or taken away; write a number from 1 to {MAX_COUNT}, or a negative one",
                self.views,
                what(&self.subject)
            ));
        }
        if self.period.first_day().is_some_and(|first| first > today) {
            return Err(format!("{} is in the future; today is {today}", self.period));
        }
        self.period
            .and_larger()
            .ok_or_else(|| format!("{} is a week, which can be in two months or years: adjust its days, such as {today}", self.period))
    }
}

/// Adds views to a period, or takes them away, in one atomic step. `today` is the day of the site.
///
/// The producer is random, so that the same adjust can be made twice on purpose. Whether one was made before a crash shows in
/// the audit list.
///
/// # Errors
/// If a counter would be below zero, or larger than one that contains it; or if the store cannot be used.
pub async fn adjust(order: &Order<'_>, site: &SiteId, adjust: &Adjust, today: NaiveDate) -> Result<Report, CorrectionError> {
    let buckets = adjust.buckets(today).map_err(CorrectionError::Refused)?;
    let mut report = Report::new(CorrectionKind::Adjust, site);
    let mut changes = Vec::new();
    for subject in adjust.subjects() {
        let counts = order.counts(site, subject).await?;
        check(site, subject, &counts, &buckets, adjust.views).map_err(CorrectionError::Refused)?;
        report.changed.extend(buckets.iter().map(|&bucket| Changed::by(site, subject, bucket, views_in(&counts, bucket), adjust.views)));
        changes.push(Change { subject: subject.clone(), buckets: buckets.iter().copied().collect(), views: adjust.views });
    }
    report.article_views = if adjust.subject.article().is_some() { adjust.views } else { 0 };
    if order.dry_run {
        return Ok(report);
    }
    let note = order.note(CorrectionKind::Adjust, adjust.arguments(site));
    let mut course = Course::of_producer(order.store, site, random()?, note).await?;
    course.finish(changes).await?;
    report.notes = course.warnings();
    if let Some(entry) = course.entry().await? {
        report.numbered(entry.number);
    }
    Ok(report)
}

fn random() -> Result<ProducerId, CorrectionError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| CorrectionError::Refused(format!("no random number: {error}")))?;
    Ok(ProducerId(u128::from_be_bytes(bytes)))
}

/// What the counters of a subject count.
fn what(subject: &Subject) -> String {
    match subject {
        Subject::Site | Subject::Article(_) => "views".into(),
        Subject::Kind(Kind::Visits) => "visits".into(),
        Subject::Kind(kind) => format!("counts of {kind}"),
    }
}

fn views_in(counts: &[(Bucket, u64)], bucket: Bucket) -> u64 {
    counts.iter().find(|(known, _)| *known == bucket).map_or(0, |(_, views)| *views)
}

/// Checks that no bucket gets below zero, and that none stays that is larger than one that contains it.
///
/// Views that are counted meanwhile cannot break that: they add to all buckets of a day. The store checks zero again.
fn check(site: &SiteId, subject: &Subject, counts: &[(Bucket, u64)], buckets: &[Bucket], views: i64) -> Result<(), String> {
    let name = match subject {
        Subject::Article(article) => format!("article {} of site {site}", visible(article.as_str())),
        _ => format!("site {site}"),
    };
    let what = what(subject);
    for &bucket in buckets {
        let has = views_in(counts, bucket);
        let Some(after) = has.checked_add_signed(views) else {
            return Err(format!("{name} has {has} {what} in {bucket}, fewer than the {} to take away", views.unsigned_abs()));
        };
        let parts = counts.iter().filter(|(part, _)| !buckets.contains(part) && is_within(*part, bucket));
        let larger = parts.filter(|(_, views)| *views > after);
        // Only days, months and years can be adjusted.
        if let Some((part, larger)) = larger.max_by_key(|(part, views)| (part.and_larger().is_some(), *views)) {
            return Err(format!(
                "{name} has {larger} {what} in {part}, which is in {bucket} and would be larger than the {after} {what} left there; \
                 adjust {} instead",
                if part.and_larger().is_some() { part.to_string() } else { format!("the days of {part}") }
            ));
        }
    }
    Ok(())
}

/// Whether all days of a bucket are in another one.
fn is_within(part: Bucket, whole: Bucket) -> bool {
    let first = part.first_day();
    let last = part.next().and_then(Bucket::first_day).and_then(|next| next.pred_opt());
    part != whole && first.zip(last).is_some_and(|(first, last)| whole.contains(first) && whole.contains(last))
}
