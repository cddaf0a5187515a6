//! The model of a journal, which other tests use, and the file behave alike.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*};
use truycap::{
    domain::producer::{Digest, ProducerId, Seq},
    journal::{Confirmed, Journal, Replay},
};
use truycap_test_support::memory_journal::MemoryJournal;

use super::support::{Place, at, entry, site};

const SITES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    /// Confirms for a site, of entries up to the head in percent; and so for what is included and what is deleted.
    Trim(usize, u64, u64, u64),
    /// A site, a run by its place in the list from the end, and the last entry that is included.
    Part(usize, usize, Seq),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_usize).prop_map(Step::Append),
        3 => (0..3_usize, 0..=100_u64, 0..=100_u64, 0..=100_u64).prop_map(|(site, a, b, c)| Step::Trim(site, a, b, c)),
        1 => (0..3_usize, 0..3_usize, 0..20_u64).prop_map(|(site, run, after)| Step::Part(site, run, after)),
        2 => Just(Step::Reopen),
    ];
    vec(step, 1..40)
}

/// What a journal answers, without the random parts: ids and digests.
#[derive(Debug, PartialEq)]
struct Answers {
    /// The last entry before each run, and whether it has parted.
    runs: Vec<(Seq, bool)>,
    head_at_open: Seq,
    known: Vec<Seq>,
    sites: Vec<(String, Seq, Option<Seq>)>,
    reads: Vec<Replay>,
}

async fn answers(journal: &dyn Journal, head: Seq) -> Answers {
    let (mut known, mut reads) = (Vec::new(), Vec::new());
    for seq in 0..=head + 1 {
        known.extend(journal.digest(seq).await.unwrap().map(|_| seq));
    }
    for (id, after, upto) in SITES.into_iter().flat_map(|id| [0, 2, head / 2, head].map(|seq| (id, seq, head.max(2) - seq.min(2)))) {
        let mut read = journal.read(&site(id), after, upto).await.unwrap();
        assert_eq!(read.to.digest, journal.digest(read.to.seq).await.unwrap().unwrap_or_default());
        read.to.digest = Digest::default();
        reads.push(read);
    }
    let sites = journal.sites().await.unwrap().into_iter();
    let mut runs = Vec::new();
    for run in &*journal.runs() {
        runs.push((run.after, journal.is_parted(run.producer).await.unwrap()));
    }
    Answers {
        runs,
        head_at_open: journal.head_at_open().seq,
        known,
        sites: sites.map(|known| (known.id.to_string(), known.last, known.confirmed.map(|confirmed| confirmed.seq))).collect(),
        reads,
    }
}

/// Takes one step, and returns the number that it yields.
async fn take(journal: &dyn Journal, step: &Step, head: Seq) -> Seq {
    let part = |percent: u64| head * percent / 100;
    match *step {
        Step::Append(id) => journal.append(entry(at(0), &[(SITES[id], 1, head, &[("/x", 1)])])).await.unwrap().seq,
        Step::Trim(id, confirmed, upto, delete) => {
            let confirmed = Confirmed { producer: ProducerId(1), seq: part(confirmed) };
            let upto = part(upto);
            journal.trim(vec![(site(SITES[id]), confirmed)], upto, part(delete).min(upto)).await.unwrap();
            0
        }
        Step::Part(id, run, after) => {
            let runs = journal.runs();
            let run = runs[runs.len() - 1 - run.min(runs.len() - 1)].producer;
            let first = journal.part(&site(SITES[id]), run, after).await.unwrap();
            assert_eq!(journal.part(&site(SITES[id]), run, after + 1).await, Ok(first));
            first.seq
        }
        Step::Reopen => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_model_and_the_file_give_the_same_answers(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let place = Place::new();
        let mut file = Some(place.open());
        let model = Arc::new(MemoryJournal::new(ProducerId(9), 0, 10_000));
        let mut head = 0;
        for step in &steps {
            if matches!(step, Step::Reopen) {
                drop(file.take());
                file = Some(place.open());
                model.reopen();
            }
            let file = file.as_ref().unwrap();
            let (written, modelled) = runtime.block_on(async { (take(file, step, head).await, take(&*model, step, head).await) });
            prop_assert_eq!(written, modelled, "{:?}", step);
            head += u64::from(matches!(step, Step::Append(_)));
            let (written, modelled) = runtime.block_on(async { (answers(file, head).await, answers(&*model, head).await) });
            prop_assert_eq!(written, modelled, "{:?}", step);
        }
    }
}

#[tokio::test]
async fn a_copied_model_goes_on_as_another_run_and_a_forked_one_as_the_same() {
    let view = || entry(at(0), &[("a", 1, 1, &[])]);
    let original = MemoryJournal::new(ProducerId(1), 0, 10);
    let shared = original.append(view()).await.unwrap();
    let copied = MemoryJournal::from_image(ProducerId(2), original.image(), 10);
    let forked = original.fork(ProducerId(3));
    let mut heads = Vec::new();
    for journal in [&original, &copied, &forked] {
        assert_eq!(journal.digest(1).await, Ok(Some(shared.digest)));
        heads.push(journal.append(view()).await.unwrap());
    }
    assert!(heads[0] != heads[1] && heads[1] != heads[2] && heads[2] != heads[0]);
    assert_eq!(original.runs().to_vec(), forked.runs().to_vec());
    assert_eq!(copied.runs().iter().map(|run| (run.producer, run.after)).collect::<Vec<_>>(), [(ProducerId(1), 0), (ProducerId(2), 1)]);
    // Each takes an heir and a next run of its own.
    let heirs = [original.part(&site("a"), ProducerId(1), 1).await, forked.part(&site("a"), ProducerId(1), 1).await];
    assert_ne!(heirs[0], heirs[1]);
    assert_ne!(original.runs()[1], forked.runs()[1]);
}
