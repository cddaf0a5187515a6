//! Replies of a Redis.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bolero::check;

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use truycap::{
    domain::{
        MAX_COUNT,
        article::{ArticleId, Section},
        counts::{Deltas, Subject},
        figures::{Figure, Figures},
        period::Bucket,
        producer::{Digest, Position, ProducerId},
        retention::Retention,
        site::SiteId,
    },
    store::{
        Applied, SharedVisitors, Store, StoreError,
        redis::{RedisStore, RedisStoreConfig},
    },
};

use crate::{clock::now, panics};

/// The longest time that a call waits for a reply, and some time for a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(4);

/// Reads a command and returns its first word, or `None` at the end of the stream.
async fn command(stream: &mut BufReader<UnixStream>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let parts: usize = line.trim_end().strip_prefix('*')?.parse().unwrap();
    let mut first = None;
    for _ in 0..parts {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let length: usize = line.trim_end().strip_prefix('$')?.parse().unwrap();
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).await.ok()?;
        first.get_or_insert_with(|| String::from_utf8_lossy(&word[..length]).into_owned());
    }
    first
}

/// A Redis that accepts every client, answers the first query or transaction with `reply`, and closes. So no client ever
/// waits.
async fn serve(listener: &UnixListener, reply: &[u8]) -> ! {
    loop {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut in_transaction = false;
        while let Some(command) = command(&mut stream).await {
            let answer = match command.as_str() {
                "CLIENT" | "SELECT" => &b"+OK\r\n"[..],
                "PING" => b"+PONG\r\n",
                "MULTI" => {
                    in_transaction = true;
                    b"+OK\r\n"
                }
                "EXEC" => break,
                _ if in_transaction => b"+QUEUED\r\n",
                _ => break,
            };
            let _ = stream.write_all(answer).await;
        }
        let _ = stream.write_all(reply).await;
    }
}

type Redis = RedisStore;

fn open(socket: &Path) -> Redis {
    let url = format!("redis+unix://{}", socket.display()).parse().unwrap();
    RedisStore::open(RedisStoreConfig { url, prefix: "truycap".parse().unwrap() }, Retention::default(), now)
}

fn is_count(views: &u64) -> bool {
    *views <= MAX_COUNT
}

fn are_counts(figures: &Figures) -> bool {
    Figure::ALL.iter().all(|figure| is_count(&figures[*figure]))
}

/// A query changes nothing, so its error is never `PerhapsApplied`.
fn is_query_error(error: &StoreError) -> bool {
    matches!(error, StoreError::NotApplied(_) | StoreError::Corrupt(_) | StoreError::Version { .. })
}

fn is_valid<T>(answer: Result<T, StoreError>, promise: impl FnOnce(&T) -> bool) -> bool {
    match answer {
        Ok(answer) => promise(&answer),
        Err(error) => is_query_error(&error),
    }
}

/// Makes the call that the letter selects. Returns whether the answer is valid.
async fn ask(store: &Redis, letter: u8) -> bool {
    let (site, producer, today) = (SiteId::parse("portal").unwrap(), ProducerId(1), now().date_naive());
    let articles = ["/a", "/b"].map(|id| ArticleId::parse(id).unwrap());
    let buckets = ["2026-11-22", "2026-11-23", "total"].map(|text| text.parse::<Bucket>().unwrap());
    match letter {
        b'a' => {
            let mut deltas = Deltas::default();
            deltas.add([Bucket::Total].into_iter().collect(), None, 1);
            let [from, to] = [4, 5].map(|seq| Position { seq, digest: Digest(seq) });
            matches!(store.apply(&site, producer, from, to, Arc::new(deltas)).await, Ok(Applied::Done(_) | Applied::Refused(_)) | Err(_))
        }
        b'm' => is_valid(store.maintain(&site, &[Section::parse("/tin/").unwrap()]).await, |_| true),
        b't' => is_valid(store.top(&site, None, Bucket::Total, 3).await, |list| {
            let top = &list.articles;
            top.len() <= 3 && top.is_sorted_by_key(|(_, views)| std::cmp::Reverse(*views)) && top.iter().all(|(_, views)| is_count(views))
        }),
        b'h' => is_valid(store.history(&site, &Subject::Site, &buckets).await, |views| views.len() == 3 && views.iter().all(is_count)),
        b'i' => is_valid(store.history(&site, &Subject::Article(articles[0].clone()), &buckets).await, |views| {
            views.len() == 3 && views.iter().all(is_count)
        }),
        b'e' => {
            let (sender, mut rows) = mpsc::channel(16);
            let counts = async {
                let mut counts = true;
                while let Some((_, _, views)) = rows.recv().await {
                    counts &= is_count(&views);
                }
                counts
            };
            let (exported, counts) = tokio::join!(store.export(&site, sender), counts);
            counts && is_valid(exported, |()| true)
        }
        b'k' => is_valid(store.key(&site, today, [1; 16]).await, |_| true),
        b'r' => is_valid(store.count(&site, today, 29_923_380, &[[2; 16]]).await, |_| true),
        b's' => is_valid(store.advice().await, |advice| advice.iter().all(|line| !line.is_empty())),
        _ => is_valid(store.figures(&site, &[producer], today, &articles).await, |snapshot| {
            are_counts(&snapshot.site) && snapshot.articles.len() == 2 && snapshot.articles.iter().all(are_counts)
        }),
    }
}

/// An input is a letter that selects a call, the rest of the line as a comment, and the reply.
#[test]
fn every_reply_of_redis_leads_to_an_answer_or_an_error_in_time() {
    let (dir, runtime) = (TempDir::new().unwrap(), panics::runtime());
    let socket = dir.path().join("redis");
    let listener = {
        let _within = runtime.enter();
        UnixListener::bind(&socket).unwrap()
    };
    check!(name = "replies").with_iterations(300).for_each(|bytes: &[u8]| {
        let line = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        let (call, reply) = bytes.split_at(line);
        let begun = Instant::now();
        let valid = panics::block_on(&runtime, async {
            let store = open(&socket);
            tokio::select! {
                valid = ask(&store, call.first().copied().unwrap_or_default()) => valid,
                never = serve(&listener, reply) => never,
            }
        });
        assert!(valid, "an answer that is not valid");
        assert!(begun.elapsed() < MAX_WAIT, "{:?}", begun.elapsed());
    });
}
