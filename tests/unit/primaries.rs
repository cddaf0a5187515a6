//! The table of a cluster's primaries, which is private in the store.

#[allow(dead_code, reason = "the store uses it all")]
#[path = "../../src/store/redis/topology/table.rs"]
mod table;

use proptest::prelude::*;

use table::{Address, Change, Range, SLOTS, Table, choose};

fn address(host: u8) -> Address {
    Address { host: format!("h{host}"), port: 6379 }
}

fn range(first: u16, last: u16, host: u8) -> Range {
    Range { first, last, primary: address(host) }
}

/// A table of one range.
fn of_one(epoch: u64, host: u8) -> Table {
    Table::new(epoch, vec![range(0, SLOTS - 1, host)]).unwrap()
}

/// The answer of some of three witnesses.
fn chosen_when(outdated: bool, current: Option<&Table>, answers: &[(u64, u8)]) -> Option<Table> {
    let answers: Vec<_> = answers.iter().map(|(epoch, host)| of_one(*epoch, *host)).collect();
    choose(current, &answers, 3, outdated)
}

fn chosen(current: Option<&Table>, answers: &[(u64, u8)]) -> Option<Table> {
    let chosen = chosen_when(false, current, answers);
    assert_eq!(chosen_when(true, current, answers), chosen);
    chosen
}

#[test]
fn the_highest_epoch_outvotes_any_number_of_older_answers() {
    assert_eq!(chosen(None, &[(4, 1), (5, 2), (4, 1)]), Some(of_one(5, 2)));
    assert_eq!(chosen(Some(&of_one(4, 1)), &[(4, 1), (4, 1), (5, 2)]), Some(of_one(5, 2)));
}

#[test]
fn an_older_answer_counts_only_if_most_witnesses_give_it_for_a_time() {
    let current = of_one(5, 2);
    for outdated in [false, true] {
        let chosen = |answers: &[(u64, u8)]| chosen_when(outdated, Some(&current), answers);
        assert_eq!(chosen(&[(4, 1)]), None, "one witness is cut off from the others, and only it can be reached");
        assert_eq!(chosen(&[(4, 1), (0, 3), (0, 3)]), None, "most do not give the newest one");
        assert_eq!(chosen(&[(0, 3), (0, 3), (5, 2)]), None);
        assert_eq!(chosen(&[(0, 3), (0, 3)]), outdated.then(|| of_one(0, 3)), "the set was made anew");
    }
}

#[test]
fn of_one_epoch_the_most_frequent_answer_counts_and_then_the_current_one() {
    assert_eq!(chosen(Some(&of_one(5, 1)), &[(5, 1), (5, 2), (5, 2)]), Some(of_one(5, 2)));
    assert_eq!(chosen(Some(&of_one(5, 1)), &[(5, 2), (5, 1)]), None);
    assert_eq!(chosen(Some(&of_one(5, 1)), &[(5, 1), (5, 2)]), None);
    assert_eq!(chosen(Some(&of_one(5, 1)), &[]), None);
}

#[test]
fn a_table_with_a_slot_in_two_ranges_or_beyond_the_last_is_refused() {
    assert_eq!(Table::new(1, vec![range(0, 10, 1), range(10, 20, 2)]), None);
    assert_eq!(Table::new(1, vec![range(5, 4, 1)]), None);
    assert_eq!(Table::new(1, vec![range(0, SLOTS, 1)]), None);
    assert_eq!(Table::new(1, vec![range(0, u16::MAX, 1), range(1, 2, 1)]), None);
}

#[test]
fn an_address_without_a_host_is_on_the_host_that_says_it() {
    let by = address(1);
    assert_eq!(Address::parse(":7000", &by), Some(Address { host: "h1".into(), port: 7000 }));
    assert_eq!(Address::parse("::1:7000", &by), Some(Address { host: "::1".into(), port: 7000 }));
    assert_eq!(Address::named("?", 7000, &by), Address { host: "h1".into(), port: 7000 });
    assert_eq!((Address::parse("h2", &by), Address::parse("h2:x", &by)), (None, None));
}

proptest! {
    /// A table follows a list of owners, one for each slot.
    #[test]
    fn a_table_has_the_owner_of_each_slot(moves in prop::collection::vec((0..SLOTS, 0..4_u8), 0..40)) {
        let mut owners = vec![9; usize::from(SLOTS)];
        let before = of_one(1, 9);
        let mut after = before.clone();
        for (slot, host) in moves {
            owners[usize::from(slot)] = host;
            after = after.with(slot, address(host)).unwrap();
        }
        for (slot, host) in (0..).zip(&owners) {
            prop_assert_eq!(after.primary(slot), Some(&address(*host)));
        }
        let mut changes: Vec<_> = before.changes(&after).into_iter().map(|Change { to, slots, .. }| (to, slots)).collect();
        changes.sort();
        let count = |host: u8| u16::try_from(owners.iter().filter(|owner| **owner == host).count()).unwrap();
        let expected: Vec<_> = (0..4).map(|host| (Some(address(host)), count(host))).filter(|(_, slots)| *slots > 0).collect();
        prop_assert_eq!(changes, expected);
    }
}
