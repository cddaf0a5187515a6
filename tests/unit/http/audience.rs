//! Which views count, without a server: the order of the rules, repeats, and the visitors of a shared store.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use chrono::{NaiveDate, TimeDelta};
use parking_lot::Mutex;
use regex::Regex;
use tokio::sync::mpsc;
use truycap::{
    audience::{Audience, BotRules, ClientRules, CountedView, Decision, Estimate, Hints, Hit, Refusal, RequestOrigin, Visitors},
    domain::{
        article::{ArticleId, Section},
        correction::{AuditEntry, Change},
        counts::{Deltas, Subject},
        outcome::{Outcome, SiteAlone},
        period::Bucket,
        producer::{Position, ProducerId, Seq},
        site::{ReportAccess, Rules, Site, SiteId},
    },
    store::{Applied, Corrected, Row, SharedVisitors, Snapshot, Step, Store, StoreError, TopList, VisitorCounts},
};

use super::server::{AGENT, now};

fn site(id: &str, rules: Rules) -> Site {
    Site {
        id: SiteId::parse(id).unwrap(),
        aliases: Vec::new(),
        origins: vec![],
        timezone: chrono_tz::Asia::Ho_Chi_Minh,
        sections: vec![],
        rules,
    }
}

fn audience() -> Audience {
    Audience::new(ClientRules::default(), &BotRules::default(), false, Instant::now).unwrap()
}

/// A view of `/tin/1` by a browser.
fn hit(site: &Site) -> Hit<'_> {
    Hit {
        site,
        article: Some(ArticleId::parse("/tin/1").unwrap()),
        client: Some(IpAddr::from([203, 0, 113, 5])),
        agent: Some(AGENT.as_bytes()),
        origin: RequestOrigin::Unknown,
        hints: Hints::default(),
        at: now(),
    }
}

/// Decides, and records the view if it counts.
async fn decide(audience: &Audience, hit: &Hit<'_>, has_views: Option<bool>) -> String {
    match audience.decide(hit, async |_| has_views).await {
        Decision::Counted(CountedView { article, site_alone, mut guard }) => {
            guard.keep();
            assert_eq!(article.is_some(), hit.article.is_some() && site_alone.is_none());
            site_alone.map_or("counted", SiteAlone::name).to_owned()
        }
        Decision::NotCounted(outcome) => outcome.name().to_owned(),
        Decision::Refused(refusal) => format!("refused: {}", refusal.outcome().name()),
    }
}

#[tokio::test]
async fn the_first_rule_that_applies_decides_and_uses_up_no_later_limit() {
    let rules = Rules {
        require_origin: true,
        repeat_window: Duration::from_secs(1800),
        max_new_articles_per_day: 1,
        max_views_per_second: 1,
        articles: Some(Regex::new("^/tin/").unwrap()),
        visitors: true,
        report: ReportAccess::Off,
        titles: false,
    };
    let (site, audience) = (site("portal", rules), audience());
    let own = |last: u8, article: &str| Hit {
        origin: RequestOrigin::Own,
        client: Some(IpAddr::from([203, 0, 113, last])),
        article: Some(ArticleId::parse(article).unwrap()),
        ..hit(&site)
    };
    let prefetch = Hints { prefetch: true, ..Hints::default() };
    // Each hit breaks the expected rule and, as far as possible, all later ones.
    for _ in 0..20 {
        let foreign = Hit { origin: RequestOrigin::Foreign, hints: prefetch, agent: None, ..own(1, "/x") };
        assert_eq!(decide(&audience, &foreign, Some(false)).await, "refused: foreign");
        assert_eq!(decide(&audience, &hit(&site), Some(false)).await, "refused: foreign");
        assert_eq!(decide(&audience, &Hit { hints: prefetch, agent: None, ..own(1, "/x") }, Some(false)).await, "prefetch");
        assert_eq!(decide(&audience, &Hit { agent: None, ..own(1, "/x") }, Some(false)).await, "bot");
        assert_eq!(decide(&audience, &Hit { agent: Some(b"Googlebot"), ..own(1, "/x") }, Some(false)).await, "bot");
    }
    assert_eq!(decide(&audience, &own(1, "/x"), Some(false)).await, "article_pattern");
    assert_eq!(decide(&audience, &own(1, "/tin/1"), Some(false)).await, "counted");
    for _ in 0..20 {
        assert_eq!(decide(&audience, &own(1, "/x"), Some(false)).await, "repeat");
    }
    // Eight more views of the burst of ten: seven count for the site alone, one for a known article.
    for client in 2..9 {
        assert_eq!(decide(&audience, &own(client, "/tin/2"), Some(false)).await, "article_limit");
    }
    assert_eq!(decide(&audience, &own(9, "/tin/2"), Some(true)).await, "counted");
    assert_eq!(decide(&audience, &own(10, "/tin/2"), Some(true)).await, "refused: rate_limited");
    assert_eq!(audience.estimate(&site, now).flatten().map(|estimate| estimate.visitors_today), Some(10));
}

#[tokio::test]
async fn a_hit_without_a_client_or_with_do_not_track_always_counts() {
    let rules = Rules { repeat_window: Duration::from_secs(1800), visitors: true, ..Rules::default() };
    let (site, audience) = (site("portal", rules), audience());
    for unknown in [
        Hit { client: None, ..hit(&site) },
        Hit { hints: Hints { do_not_track: true, ..Hints::default() }, ..hit(&site) },
        Hit { article: None, client: None, ..hit(&site) },
    ] {
        assert_eq!(decide(&audience, &unknown, None).await, "counted");
        assert_eq!(decide(&audience, &unknown, None).await, "counted");
    }
    assert_eq!(audience.estimate(&site, now), Some(Some(Estimate { online: 0, visitors_today: 0 })));
}

#[tokio::test]
async fn a_view_that_is_not_recorded_is_not_remembered() {
    let (site, audience) = (site("portal", Rules { repeat_window: Duration::from_secs(1800), ..Rules::default() }), audience());
    let counted = async || match audience.decide(&hit(&site), async |_| None).await {
        Decision::Counted(view) => Some(view.guard),
        decision => {
            assert!(matches!(decision, Decision::NotCounted(Outcome::Repeat)), "{decision:?}");
            None
        }
    };
    // Dropped before recording, or released after it failed.
    drop(counted().await.unwrap());
    let mut guard = counted().await.unwrap();
    guard.keep();
    assert!(counted().await.is_none());
    guard.release();
    let mut guard = counted().await.unwrap();
    guard.keep();
    drop(guard);
    assert!(counted().await.is_none());
    assert_eq!(Refusal::Foreign.outcome(), Outcome::Foreign);
}

#[tokio::test]
async fn articles_count_and_use_up_no_limit_while_the_store_cannot_say_whether_they_are_new() {
    let (site, audience) = (site("portal", Rules { max_new_articles_per_day: 1, ..Rules::default() }), audience());
    let of = |number: usize| Hit { article: Some(ArticleId::parse(&format!("/{number}")).unwrap()), ..hit(&site) };
    for number in 0..100 {
        assert_eq!(decide(&audience, &of(number), None).await, "counted");
    }
    assert_eq!(decide(&audience, &of(100), Some(false)).await, "counted");
    assert_eq!(decide(&audience, &of(101), Some(false)).await, "article_limit");
    assert_eq!(decide(&audience, &of(0), Some(true)).await, "counted");
    assert_eq!(decide(&audience, &of(102), None).await, "counted");
}

/// A store that instances share. It counts only visitors.
#[derive(Default)]
struct Shared {
    unreachable: AtomicBool,
    /// The calls in progress, and their maximum.
    calls: AtomicUsize,
    most_calls: AtomicUsize,
    /// The site, the minute and the number of hashes of each call that sent any.
    sent: Mutex<Vec<(String, i64, usize)>>,
}

impl Shared {
    async fn call(&self) -> Result<(), StoreError> {
        let calls = self.calls.fetch_add(1, SeqCst) + 1;
        self.most_calls.fetch_max(calls, SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.calls.fetch_sub(1, SeqCst);
        if self.unreachable.load(SeqCst) { Err(StoreError::NotApplied("simulated failure".into())) } else { Ok(()) }
    }

    fn sent(&self) -> Vec<(String, i64, usize)> {
        std::mem::take(&mut self.sent.lock())
    }
}

#[async_trait::async_trait]
impl SharedVisitors for Shared {
    async fn key(&self, _: &SiteId, _: NaiveDate, offer: [u8; 16]) -> Result<[u8; 16], StoreError> {
        self.call().await.map(|()| offer)
    }

    async fn count(&self, site: &SiteId, _: NaiveDate, minute: i64, hashes: &[[u8; 16]]) -> Result<VisitorCounts, StoreError> {
        self.call().await?;
        if !hashes.is_empty() {
            self.sent.lock().push((site.to_string(), minute, hashes.len()));
        }
        Ok(VisitorCounts { online: 1, today: 2 })
    }
}

#[async_trait::async_trait]
impl Store for Shared {
    async fn apply_after(
        &self,
        _: &SiteId,
        _: Option<(ProducerId, Seq)>,
        _: ProducerId,
        _: Position,
        _: Position,
        _: Arc<Deltas>,
    ) -> Result<Applied, StoreError> {
        unreachable!()
    }

    async fn correct(&self, _: &SiteId, _: Arc<Step>) -> Result<Corrected, StoreError> {
        unreachable!()
    }

    async fn audit(&self, _: &SiteId, _: u64) -> Result<Vec<AuditEntry>, StoreError> {
        unreachable!()
    }

    async fn changes(&self, _: &SiteId, _: u64, _: Seq) -> Result<Option<Vec<Change>>, StoreError> {
        unreachable!()
    }

    async fn counts(&self, _: &SiteId, _: &Subject) -> Result<Vec<(Bucket, u64)>, StoreError> {
        unreachable!()
    }

    async fn figures(&self, _: &SiteId, _: &[ProducerId], _: NaiveDate, _: &[ArticleId]) -> Result<Snapshot, StoreError> {
        unreachable!()
    }

    async fn offset(&self, _: &SiteId, _: ProducerId) -> Result<Position, StoreError> {
        unreachable!()
    }

    async fn top(&self, _: &SiteId, _: Option<&Section>, _: Bucket, _: usize) -> Result<TopList, StoreError> {
        unreachable!()
    }

    async fn history(&self, _: &SiteId, _: &Subject, _: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        unreachable!()
    }

    async fn export(&self, _: &SiteId, _: mpsc::Sender<Row>) -> Result<(), StoreError> {
        unreachable!()
    }

    async fn maintain(&self, _: &SiteId, _: &[Section]) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        unreachable!()
    }

    fn visitors(&self) -> Option<&dyn SharedVisitors> {
        Some(self)
    }
}

/// A shared store, as its own type and as a store, and the visitors that are counted in it.
fn shared() -> (Arc<Shared>, Arc<dyn Store>, Arc<Visitors>) {
    let shared = Arc::new(Shared::default());
    (Arc::clone(&shared), shared, Arc::new(Visitors::new(true)))
}

#[tokio::test(start_paused = true)]
async fn visitors_of_sixteen_sites_are_sent_concurrently() {
    let (shared, store, visitors) = shared();
    let sites: Vec<_> = (0..64).map(|number| site(&format!("portal-{number}"), Rules::default())).collect();
    sites.iter().for_each(|site| visitors.record(site, [b"a", b"agent"], now()));
    let begun = tokio::time::Instant::now();
    visitors.sync(&store, now()).await;
    assert_eq!((shared.sent().len(), shared.most_calls.load(SeqCst)), (64, 16));
    // One call for the key and one for the counts, four times.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(visitors.estimate(&sites[63], now()), Some(Estimate { online: 1, visitors_today: 2 }));
}

#[tokio::test(start_paused = true)]
async fn visitors_that_could_not_be_sent_are_sent_again_but_addresses_are_not_kept() {
    let (shared, store, visitors) = shared();
    let portal = site("portal", Rules::default());
    let record = |from: u32, to: u32, at| (from..to).for_each(|number| visitors.record(&portal, [&number.to_le_bytes(), b"agent"], at));
    let minute = |at: chrono::DateTime<chrono::Utc>| at.timestamp() / 60;
    let sent = |minute: i64, hashes| ("portal".to_owned(), minute, hashes);
    // Without the day's key there is no hash, and the address is dropped.
    shared.unreachable.store(true, SeqCst);
    record(0, 3, now());
    visitors.sync(&store, now()).await;
    assert!(format!("{visitors:?}").contains("nameless: []"), "{visitors:?}");
    shared.unreachable.store(false, SeqCst);
    record(0, 1, now());
    visitors.sync(&store, now()).await;
    assert_eq!(shared.sent(), [sent(minute(now()), 1)]);
    // Hashes wait, each once, up to a maximum. They are sent without a new visitor.
    shared.unreachable.store(true, SeqCst);
    for _ in 0..3 {
        record(0, 6000, now());
        visitors.sync(&store, now()).await;
    }
    record(6000, 20_000, now());
    visitors.sync(&store, now()).await;
    shared.unreachable.store(false, SeqCst);
    visitors.sync(&store, now()).await;
    assert_eq!(shared.sent(), [sent(minute(now()), 10_000)]);
    // Visitors of six minutes ago count for the day, and are not online.
    shared.unreachable.store(true, SeqCst);
    record(0, 5, now());
    visitors.sync(&store, now()).await;
    shared.unreachable.store(false, SeqCst);
    let later = now() + TimeDelta::minutes(6);
    record(0, 2, later);
    visitors.sync(&store, later).await;
    assert_eq!(shared.sent(), [sent(minute(later) - 6, 3), sent(minute(later), 2)]);
    // A visitor that was sent later is online from the minute of the view, not from that of the sending.
    shared.unreachable.store(true, SeqCst);
    record(0, 4, later);
    visitors.sync(&store, later).await;
    shared.unreachable.store(false, SeqCst);
    let sending = later + TimeDelta::minutes(4);
    record(0, 1, sending);
    visitors.sync(&store, sending).await;
    assert_eq!(shared.sent(), [sent(minute(later), 3), sent(minute(sending), 1)]);
    // Visitors that were not sent are dropped at the end of their day.
    shared.unreachable.store(true, SeqCst);
    record(0, 5, later);
    visitors.sync(&store, later).await;
    shared.unreachable.store(false, SeqCst);
    let tomorrow = now() + TimeDelta::hours(14);
    visitors.record(&portal, [b"x", b"agent"], tomorrow);
    visitors.sync(&store, tomorrow).await;
    assert_eq!(shared.sent(), [sent(minute(tomorrow), 1)]);
}

#[tokio::test]
async fn a_time_zone_that_changes_within_the_day_does_not_end_the_day_of_repeats_and_visitors() {
    let rules = Rules { repeat_window: Duration::from_hours(12), visitors: true, ..Rules::default() };
    let (audience, before) = (audience(), site("portal", rules));
    let at = |time: &str| format!("2026-11-28T{time}Z").parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    // 23:58 on the 28th in Kiritimati, and 16:58 on the same day in Hanoi.
    let kiritimati = Site { timezone: chrono_tz::Pacific::Kiritimati, ..before.clone() };
    let hanoi = Site { timezone: chrono_tz::Asia::Ho_Chi_Minh, ..before };
    let outcome = async |site: &Site, time| decide(&audience, &Hit { at: at(time), ..hit(site) }, None).await;
    assert_eq!(outcome(&kiritimati, "09:58:00").await, "counted");
    assert_eq!(outcome(&hanoi, "09:59:00").await, "repeat");
    audience.forget(at("10:01:00"));
    assert_eq!(outcome(&hanoi, "10:01:00").await, "repeat");
    assert_eq!(audience.estimate(&hanoi, || at("10:01:00")).flatten().unwrap().visitors_today, 1);
}
