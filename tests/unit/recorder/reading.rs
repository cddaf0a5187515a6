//! Figures: how fresh they are, and whether they are marked as stale.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use truycap::{
    domain::{article::ArticleId, figures::Figure, producer::ProducerId, site::Site},
    recorder::STORE_WAIT,
};

use super::{
    APPLY_SUMS, NewView, RETAIN, Stage, apply, article,
    fakes::{Mode, set_clock},
};

fn total(figures: &[(ArticleId, truycap::domain::figures::Figures)]) -> Vec<u64> {
    figures.iter().map(|(_, figures)| figures[Figure::Total]).collect()
}

#[tokio::test(start_paused = true)]
async fn a_view_is_in_the_figures_at_once_and_in_the_store_soon_without_requests() {
    let stage = Stage::new().await;
    sleep(Duration::from_secs(2)).await;
    stage.record("a", Some(article(1))).await.unwrap();
    let answer = stage.figures("a", &[article(1)]).await;
    assert_eq!((answer.stale, answer.site.unwrap()[Figure::Today], total(&answer.articles)), (false, 1, vec![1]));
    sleep(Duration::from_secs(2)).await;
    stage.record("b", None).await.unwrap();
    stage.stored_becomes("b", 1, Duration::from_millis(300)).await;
}

#[tokio::test(start_paused = true)]
async fn visits_are_in_the_figures_at_once_and_keep_their_days_over_midnight_month_and_year() {
    let stage = Stage::new().await;
    sleep(Duration::from_secs(2)).await;
    let visit = async |visit| {
        let new = NewView { visit, ..NewView::default() };
        stage.handle.record(&stage.handle.site("a").unwrap(), new).await.unwrap();
    };
    let figures = async || {
        let answer = stage.figures("a", &[]).await;
        assert!(!answer.stale);
        let visits = answer.visits.unwrap();
        (answer.site.unwrap()[Figure::Total], Figure::ALL.map(|figure| visits[figure]))
    };
    set_clock("2026-12-31T16:59:59Z");
    visit(true).await;
    visit(false).await;
    assert_eq!(figures().await, (2, [1, 1, 0, 1, 0, 1, 0, 1, 0]), "before they are applied");
    set_clock("2026-12-31T17:00:00Z");
    assert_eq!(figures().await, (2, [1, 0, 1, 1, 0, 0, 1, 0, 1]), "a year later");
    visit(true).await;
    assert_eq!(figures().await, (3, [2, 1, 1, 2, 0, 1, 1, 1, 1]));
    stage.stored_becomes("a", 3, Duration::from_secs(1)).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(figures().await, (3, [2, 1, 1, 2, 0, 1, 1, 1, 1]), "after they are applied");
    set_clock("2027-01-03T17:00:00Z");
    assert_eq!(figures().await, (3, [2, 0, 0, 0, 2, 1, 1, 1, 1]), "a week later");
}

#[tokio::test(start_paused = true)]
async fn a_request_during_many_applies_waits_for_only_one_of_them() {
    let stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1, Duration::from_secs(1)).await;
    let call = Duration::from_millis(80);
    stage.store.behaviour().delay = call;
    let views = 6 * APPLY_SUMS;
    assert!(stage.record_all("a", 0..views).await.iter().all(Result::is_ok));
    sleep(Duration::from_millis(300)).await;
    let stored = stage.store.stored("a").await;
    let begun = Instant::now();
    // This article was not requested before.
    let answer = stage.figures("a", &[article(views)]).await;
    assert!(!answer.stale && answer.articles.len() == 1, "{answer:?}");
    assert!(begun.elapsed() <= 2 * call, "{:?}", begun.elapsed());
    assert!((1..views as u64).contains(&stored), "{stored}: some are applied, but not all");
}

#[tokio::test(start_paused = true)]
async fn without_the_store_figures_are_stale_and_do_not_wait() {
    let stage = Stage::new().await;
    sleep(Duration::from_secs(1)).await;
    stage.store.behaviour().mode = Mode::Hangs;
    stage.record("a", None).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let begin = Instant::now();
    let answer = stage.figures("a", &[article(1)]).await;
    assert!(answer.stale && begin.elapsed() <= STORE_WAIT, "{:?}", begin.elapsed());
    assert_eq!(answer.articles, []);
    stage.store.behaviour().mode = Mode::Fails;
    sleep(Duration::from_secs(1)).await;
    let (begin, answer) = (Instant::now(), stage.figures("a", &[article(1)]).await);
    assert!(answer.stale && begin.elapsed().is_zero(), "requests do not wait for a store that is known to be unreachable");
    stage.store.behaviour().mode = Mode::Works;
    sleep(Duration::from_secs(3)).await;
    let answer = stage.figures("a", &[article(1)]).await;
    assert_eq!((answer.stale, answer.site.unwrap()[Figure::Total], total(&answer.articles)), (false, 1, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn views_of_other_producers_show_within_a_second_while_own_views_continue() {
    let stage = Stage::new().await;
    let asked = [article(1), article(2)];
    for round in 1..20 {
        stage.record("a", Some(article(2))).await.unwrap();
        apply(&stage.store, "a", ProducerId(9), (round - 1, round), Some(article(1))).await;
        sleep(Duration::from_secs(1)).await;
        let answer = stage.figures("a", &asked).await;
        assert_eq!((answer.stale, answer.site.unwrap()[Figure::Total], total(&answer.articles)), (false, 2 * round, vec![round, round]));
    }
}

/// Records views and requests figures for this long. Returns how often the figures were stale.
async fn busy(stage: &Stage, seconds: u64) -> usize {
    let mut stale = 0;
    for _ in 0..seconds * 10 {
        stage.record("a", Some(article(3))).await.unwrap();
        stale += usize::from(stage.figures("a", &[article(1), article(2), article(3)]).await.stale);
        sleep(Duration::from_millis(100)).await;
    }
    stale
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_applies_show_that_no_other_producer_counts_is_not_asked() {
    let stage = Stage::new().await;
    assert_eq!(busy(&stage, 1).await, 0);
    let before = stage.store.behaviour().figures_calls;
    assert_eq!(busy(&stage, 20).await, 0);
    assert_eq!(stage.store.behaviour().figures_calls, before);
    apply(&stage.store, "a", ProducerId(9), (0, 1), Some(article(1))).await;
    assert_eq!(busy(&stage, 1).await, 0);
    assert_eq!(total(&stage.figures("a", &[article(1)]).await.articles), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_applies_slowly_is_asked_between_applies() {
    let stage = Stage::new().await;
    assert_eq!(busy(&stage, 1).await, 0);
    for ms in [60, 120, 250, 400] {
        stage.store.behaviour().apply_delay = Duration::from_millis(ms);
        assert_eq!(busy(&stage, 10).await, 0, "{ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_applies_but_does_not_answer_is_asked_until_it_does() {
    let stage = Stage::new().await;
    assert_eq!(busy(&stage, 1).await, 0);
    stage.store.behaviour().fails_figures = true;
    // This article was not requested before.
    assert!(stage.figures("a", &[article(9)]).await.stale);
    assert!(busy(&stage, 3).await > 0);
    stage.store.behaviour().fails_figures = false;
    busy(&stage, 2).await;
    assert_eq!(busy(&stage, 1).await, 0);
}

fn move_to_los_angeles(stage: &mut Stage) {
    let mut site = Site::clone(&stage.handle.site("a").unwrap().site());
    site.timezone = chrono_tz::America::Los_Angeles;
    stage.recorder.configure(vec![site]);
}

#[tokio::test(start_paused = true)]
async fn the_store_is_asked_again_when_a_new_time_zone_moves_the_day_back() {
    let mut stage = Stage::new().await;
    assert_eq!(busy(&stage, 1).await, 0);
    move_to_los_angeles(&mut stage);
    busy(&stage, 1).await;
    assert_eq!(busy(&stage, 1).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_day_that_begins_twice_because_of_a_new_time_zone_keeps_all_its_views() {
    let mut stage = Stage::new().await;
    assert_eq!(busy(&stage, 1).await, 0);
    move_to_los_angeles(&mut stage);
    busy(&stage, 2).await;
    // Ten seconds into the 23rd in Los Angeles, which has the first ten views already.
    set_clock("2026-11-23T08:00:10Z");
    busy(&stage, 1).await;
    let answer = stage.figures("a", &[]).await;
    let site = answer.site.unwrap();
    assert_eq!((answer.stale, site[Figure::Today], site[Figure::Yesterday], site[Figure::Total]), (false, 20, 20, 40));
}

#[tokio::test(start_paused = true)]
async fn manual_repairs_of_the_store_show_within_a_minute_while_own_views_continue() {
    let stage = Stage::new().await;
    busy(&stage, 1).await;
    sleep(Duration::from_secs(1)).await;
    let before = stage.store.memory.image();
    apply(&stage.store, "a", ProducerId(9), (0, 1), Some(article(1))).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(total(&stage.figures("a", &[article(1)]).await.articles), [1]);
    stage.store.memory.restore(before);
    apply(&stage.store, "a", ProducerId(9), (0, 1), Some(article(2))).await;
    busy(&stage, 61).await;
    assert_eq!(total(&stage.figures("a", &[article(1), article(2)]).await.articles), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn manual_repairs_of_the_store_show_within_a_minute() {
    let stage = Stage::new().await;
    let before = stage.store.memory.image();
    apply(&stage.store, "a", ProducerId(9), (0, 1), Some(article(1))).await;
    assert_eq!(total(&stage.figures("a", &[article(1)]).await.articles), [1]);
    stage.store.memory.restore(before);
    apply(&stage.store, "a", ProducerId(9), (0, 1), Some(article(2))).await;
    sleep(Duration::from_secs(61)).await;
    let answer = stage.figures("a", &[article(1), article(2)]).await;
    assert_eq!(total(&answer.articles), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_article_that_was_last_requested_long_ago_has_exact_figures() {
    let stage = Stage::new().await;
    stage.figures("a", &[article(0)]).await;
    let others: Vec<_> = (1..6000).map(article).collect();
    for some in others.chunks(100) {
        assert!(!stage.figures("a", some).await.stale);
    }
    stage.record("a", Some(article(0))).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(total(&stage.figures("a", &[article(0)]).await.articles), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_request_across_midnight_gets_figures_of_the_new_day() {
    let stage = Stage::new().await;
    stage.record("a", Some(article(1))).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    // 50 ms before midnight in Hanoi; the next answer takes longer.
    set_clock("2026-11-23T16:59:59.950Z");
    stage.store.behaviour().delay = Duration::from_millis(40);
    let asked = stage.store.behaviour().figures_calls;
    let handle = stage.handle.clone();
    let busy = tokio::spawn(async move { handle.figures(&handle.site("a").unwrap(), &[article(2)]).await });
    sleep(Duration::from_millis(20)).await;
    let answer = stage.figures("a", &[article(1), article(3)]).await;
    let site = answer.site.expect("the store is reachable");
    assert_eq!((answer.stale, site[Figure::Today], site[Figure::Yesterday], total(&answer.articles)), (false, 0, 1, vec![1, 0]));
    assert!(!busy.await.unwrap().stale);
    assert!(stage.store.behaviour().figures_calls - asked <= 3, "the store is not asked again and again");
}

#[tokio::test(start_paused = true)]
async fn figures_are_right_after_midnight_without_requests_and_after_the_clock_steps_back() {
    let stage = Stage::new().await;
    stage.figures("a", &[article(1)]).await;
    for (clock, today, yesterday) in
        [("2026-11-23T16:59:58Z", 1, 0), ("2026-11-23T17:00:10Z", 1, 1), ("2026-11-24T17:00:10Z", 1, 1), ("2026-11-24T16:59:00Z", 2, 1)]
    {
        set_clock(clock);
        stage.record("a", Some(article(1))).await.unwrap();
        sleep(Duration::from_millis(700)).await;
        let answer = stage.figures("a", &[article(1)]).await;
        let site = answer.site.expect("the store is reachable");
        assert_eq!((answer.stale, site[Figure::Today], site[Figure::Yesterday]), (false, today, yesterday), "{clock}");
        let of_article = answer.articles[0].1;
        assert_eq!((of_article[Figure::Today], of_article[Figure::Yesterday]), (today, yesterday), "{clock}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_recovery_of_a_store_is_noticed_without_requests() {
    let stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    // The journal has no entries of the site left.
    sleep(2 * RETAIN).await;
    assert!(stage.journal.memory.is_empty());
    stage.store.behaviour().mode = Mode::Fails;
    sleep(Duration::from_secs(1)).await;
    assert!(stage.figures("a", &[]).await.stale);
    sleep(Duration::from_secs(30)).await;
    assert!(!stage.handle.health().store_ok);
    stage.store.behaviour().mode = Mode::Works;
    sleep(Duration::from_secs(10)).await;
    assert!(stage.handle.health().store_ok);
}
