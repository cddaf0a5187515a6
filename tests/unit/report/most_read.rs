//! The most-read articles of several buckets, compared with a count of all articles.

use std::collections::BTreeMap;

use proptest::{prelude::*, proptest};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use truycap::{
    domain::article::ArticleId,
    report::{Gap, MAX_MOST_READ, MostRead, Ranking},
    store::LIST_LEAST,
};

use super::article;

type Counts = BTreeMap<ArticleId, u64>;

/// The order of lists.
fn ordered(counts: &Counts) -> Vec<(ArticleId, u64)> {
    let mut rows: Vec<_> = counts.iter().filter(|(_, views)| **views > 0).map(|(article, views)| (article.clone(), *views)).collect();
    rows.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
    rows
}

/// The rows, and how many articles were asked for.
fn rank(buckets: &[Counts]) -> (MostRead, usize) {
    let lists: Vec<Vec<_>> = buckets.iter().map(|counts| ordered(counts).into_iter().take(LIST_LEAST).collect()).collect();
    let mut ranking = Ranking::new(&lists, MAX_MOST_READ);
    let mut asked = 0;
    loop {
        let articles = ranking.next(16);
        if articles.is_empty() {
            return (ranking.finish(), asked);
        }
        asked += articles.len();
        for article in articles {
            let views = buckets.iter().map(|counts| counts.get(&article).copied().unwrap_or_default()).sum();
            ranking.answer(article, views);
        }
    }
}

fn all(buckets: &[Counts]) -> Vec<(ArticleId, u64)> {
    let mut sums = Counts::new();
    for (article, views) in buckets.iter().flatten() {
        *sums.entry(article.clone()).or_default() += views;
    }
    ordered(&sums)
}

/// Checks that the rows are the first ones of all articles, with their true counts, and that all are there if none is said to be missing.
fn check(buckets: &[Counts]) -> Result<(MostRead, usize), TestCaseError> {
    let (found, asked) = rank(buckets);
    let rows: Vec<_> = found.articles.iter().map(|row| (row.article.clone(), row.views)).collect();
    let all = all(buckets);
    prop_assert!(rows.len() <= MAX_MOST_READ);
    prop_assert_eq!(&rows[..], &all[..rows.len()]);
    if found.gap.is_none() {
        prop_assert_eq!(rows.len(), all.len().min(MAX_MOST_READ));
    } else {
        prop_assert!(rows.len() < MAX_MOST_READ);
    }
    Ok((found, asked))
}

/// Buckets in which some articles are read much more often than others: the greater `power`, the more.
fn random(seed: u64, buckets: usize, articles: usize, power: i32, shift: usize) -> Vec<Counts> {
    let mut rng = StdRng::seed_from_u64(seed);
    let bucket = |number: usize| {
        let counts = (0..articles).map(|_| {
            let views = {
                let share = rng.random_range(1..=1000_u64);
                (0..power).fold(20_u64, |views, _| views.saturating_mul(1000) / share).min(1_000_000)
            };
            (article(rng.random_range(0..articles) + number * shift), views % 5000)
        });
        counts.collect()
    };
    (0..buckets).map(bucket).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn shown_articles_are_the_most_read_of_all(seed: u64, buckets in 1..12_usize, articles in 1..600_usize, power in 0..4, shift in 0..40_usize) {
        check(&random(seed, buckets, articles, power, shift))?;
    }
}

#[test]
fn the_articles_of_one_bucket_are_those_of_its_list() {
    let counts: Counts = (0..500).map(|number| (article(number), 1)).collect();
    let (found, asked) = check(&[counts]).unwrap();
    assert_eq!((found.articles.len(), found.gap, asked), (MAX_MOST_READ, None, 0));
}

#[test]
fn an_article_that_no_list_names_is_never_passed_over() {
    // 101 articles lead each day, and another one is just behind them on both.
    let led = |first: usize| (first..first + 101).map(|number| (article(number), 100));
    let mut buckets: [Counts; 2] = [led(1000).collect(), led(2000).collect()];
    for bucket in &mut buckets {
        bucket.insert(article(1), 99);
    }
    let (found, _) = check(&buckets).unwrap();
    assert_eq!((found.articles.len(), found.gap), (0, Some(Gap::Unproven)));
    assert_eq!(all(&buckets)[0], (article(1), 198));
}

#[test]
fn rows_are_shown_as_far_as_they_are_proven() {
    let led = |first: usize| (first..first + 150).map(|number| (article(number), 10));
    let mut buckets: [Counts; 2] = [led(1000).collect(), led(2000).collect()];
    for number in 0..5 {
        buckets[0].insert(article(number), 1000 - number as u64);
        buckets[1].insert(article(number), 7);
    }
    let (found, asked) = check(&buckets).unwrap();
    let views: Vec<_> = found.articles.iter().map(|row| row.views).collect();
    assert_eq!((views, found.gap), (vec![1007, 1006, 1005, 1004, 1003], Some(Gap::Unproven)));
    assert!(asked <= 16, "{asked} were asked for");
}

#[test]
fn nothing_is_read_without_a_list() {
    assert_eq!(check(&[]).unwrap().0, MostRead::default());
    assert_eq!(check(&[Counts::new(), Counts::new()]).unwrap().0, MostRead::default());
}
