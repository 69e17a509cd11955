use super::*;
use crate::drive::check::audit::disagreements;

fn line(number: u32) -> Heard {
    let time = 1_000 + i64::from(number);
    let mark = Some(Mark { number, due: u64::from(number) * 10 });
    Heard { key: key("u", time), uid: "u".to_owned(), time, seq: None, mark, open: true, members: 3 }
}

fn hear(ledger: &Ledger, cursor: &mut Cursor, numbers: &[u32]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let lines: Vec<Heard> = numbers.iter().map(|number| line(*number)).collect();
    ledger.hear(cursor, &lines, &mut |fault| faults.push(fault));
    faults
}

#[test]
fn those_who_hear_the_same_are_right() {
    let (ledger, mut one, mut two) = (Ledger::default(), Cursor::default(), Cursor::default());
    assert_eq!(hear(&ledger, &mut one, &[0, 1, 2]), []);
    assert_eq!(hear(&ledger, &mut two, &[0]), []);
    assert_eq!(hear(&ledger, &mut two, &[1, 2, 3]), []);
    assert_eq!(hear(&ledger, &mut one, &[3]), []);
    assert_eq!((ledger.missing(&one), ledger.missing(&two)), (0, 0));
    let lines = [line(4)];
    assert_eq!(ledger.hear(&mut one, &lines, &mut |_| panic!()), Some((4, 5)));
}

#[test]
fn a_missing_line_is_a_gap() {
    let (ledger, mut one, mut two) = (Ledger::default(), Cursor::default(), Cursor::default());
    hear(&ledger, &mut one, &[0, 1, 2, 3]);
    assert_eq!(hear(&ledger, &mut two, &[0, 3]), [Fault::Gap(2, line(3))]);
    hear(&ledger, &mut one, &[4]);
    assert_eq!(ledger.missing(&two), 1, "at the end, too");
}

#[test]
fn a_newcomer_misses_what_was_due_since_it_came() {
    let (ledger, mut one) = (Ledger::default(), Cursor::default());
    hear(&ledger, &mut one, &[0, 1, 2, 3, 4]);
    let mut two = Cursor { since: 25, ..Cursor::default() };
    assert_eq!(ledger.missing(&two), 2);
    assert_eq!(hear(&ledger, &mut two, &[4]), [Fault::Gap(1, line(4))]);
    let mut three = Cursor { since: 45, ..Cursor::default() };
    assert_eq!(hear(&ledger, &mut three, &[4]), [], "that it hears more is no fault");
}

#[test]
fn what_comes_twice_or_in_another_order_is_told_apart() {
    let (ledger, mut one, mut two) = (Ledger::default(), Cursor::default(), Cursor::default());
    hear(&ledger, &mut one, &[0, 1, 2, 3]);
    assert_eq!(hear(&ledger, &mut one, &[3]), [Fault::Repeat(line(3))]);
    assert_eq!(hear(&ledger, &mut two, &[0, 2, 1, 3]), [Fault::Gap(1, line(2)), Fault::Order(line(1))]);
}

#[test]
fn one_send_is_one_line() {
    let (ledger, mut one) = (Ledger::default(), Cursor::default());
    hear(&ledger, &mut one, &[0]);
    let again = Heard { key: 99, time: 5_000, ..line(0) };
    let mut faults = Vec::new();
    ledger.hear(&mut one, std::slice::from_ref(&again), &mut |fault| faults.push(fault));
    assert_eq!(faults, [Fault::Twice(again)]);
}

#[test]
fn hidden_text_is_not_heard_after_its_act() {
    let (ledger, mut one, mut two) = (Ledger::default(), Cursor::default(), Cursor::default());
    hear(&ledger, &mut one, &[0, 1]);
    assert_eq!(ledger.choose(0, 70), Some(("u".to_owned(), 1_001)));
    assert_eq!(ledger.blinded(&mut one, &[line(1).key], &[], false, 100), [70]);
    assert_eq!(hear(&ledger, &mut two, &[0, 1]), [], "its own act comes behind the line");
    ledger.blinded(&mut two, &[line(1).key], &[], false, 100);
    assert_eq!(hear(&ledger, &mut two, &[1]), [Fault::Hidden(line(1)), Fault::Repeat(line(1))]);
    let mut faults = Vec::new();
    ledger.look_back(ledger.acts(), &[line(0), line(1)], &mut |fault| faults.push(fault));
    assert_eq!(faults, [Fault::Hidden(line(1))]);
    ledger.look_back(0, &[line(1)], &mut |_| panic!("asked for before the act"));
}

#[test]
fn a_text_that_is_shown_again_is_forgiven_to_whoever_told_it_early() {
    let (ledger, mut one) = (Ledger::default(), Cursor::default());
    hear(&ledger, &mut one, &[0, 1]);
    ledger.blinded(&mut one, &[line(0).key], &[], false, 100);
    ledger.blinded(&mut one, &[line(1).key], &[], false, 100);
    assert_eq!(ledger.choose_hidden(80), Some(("u".to_owned(), 1_001)));
    assert_eq!(ledger.choose_hidden(90), Some(("u".to_owned(), 1_000)), "nobody asks twice for the same");
    assert!(!ledger.is_forgiven(line(1).key, 100, u64::MAX));
    ledger.blinded(&mut one, &[line(1).key], &[], true, 6_000_000);
    assert!(ledger.is_forgiven(line(1).key, 2_000_000, u64::MAX) && !ledger.is_forgiven(line(0).key, 100, u64::MAX));
    assert!(!ledger.is_forgiven(line(1).key, 100, u64::MAX), "long before it was shown again");
    ledger.look_back(ledger.acts(), &[line(1)], &mut |_| panic!("shown again"));
    assert!(ledger.is_forgiven(line(0).key, 100, 150), "stopped before anybody could say that it is shown again");
    ledger.come(10);
    ledger.go(10, 4_000_000);
    assert!(ledger.is_forgiven(line(0).key, 100, u64::MAX), "nobody was there to hear of it");
    assert!(!ledger.is_forgiven(line(0).key, 5_000_000, u64::MAX));
    ledger.look_back(ledger.acts(), &[line(0)], &mut |_| panic!("nobody knows what was shown meanwhile"));
}

/// A slow reader hears of old acts when others have heard of new ones long since.
#[test]
fn whoever_hears_late_of_an_act_that_is_undone_has_not_heard_of_later_ones() {
    let (ledger, mut quick, mut slow) = (Ledger::default(), Cursor::default(), Cursor::default());
    hear(&ledger, &mut quick, &[0]);
    hear(&ledger, &mut slow, &[0]);
    ledger.blinded(&mut quick, &[line(0).key], &[], false, 100);
    ledger.blinded(&mut quick, &[line(0).key], &[], true, 100);
    hear(&ledger, &mut quick, &[1]);
    ledger.blinded(&mut quick, &[line(1).key], &[], false, 100);
    ledger.blinded(&mut slow, &[line(0).key], &[], false, 100);
    ledger.blinded(&mut slow, &[line(0).key], &[], true, 100);
    assert_eq!(hear(&ledger, &mut slow, &[1]), [], "its act comes yet");
}

/// A thread that was held up reads a line when another thread's newcomer, who came behind it, has read the next one.
#[test]
fn a_newcomer_who_is_read_first_does_not_make_latecomers_of_the_others() {
    let (ledger, mut here, mut also) = (Ledger::default(), Cursor::default(), Cursor::default());
    hear(&ledger, &mut here, &[0]);
    hear(&ledger, &mut also, &[0]);
    let mut newcomer = Cursor { since: 15, ..Cursor::default() };
    assert_eq!(hear(&ledger, &mut newcomer, &[2]), []);
    assert_eq!(hear(&ledger, &mut here, &[1, 2, 3]), []);
    assert_eq!(hear(&ledger, &mut newcomer, &[3]), []);
    assert_eq!(hear(&ledger, &mut also, &[1, 2, 3]), []);
    let mut from_the_start = Cursor::default();
    assert_eq!(hear(&ledger, &mut from_the_start, &[0, 1, 2]), []);
    assert_eq!(hear(&ledger, &mut newcomer, &[1]), [Fault::Order(line(1))], "it has heard the next one");
    assert!(ledger.told(1));
    let mut since_before = Cursor { since: 5, ..Cursor::default() };
    let (ledger, mut early) = (Ledger::default(), Cursor { since: 5, ..Cursor::default() });
    hear(&ledger, &mut early, &[2]);
    let faults = hear(&ledger, &mut since_before, &[1, 2]);
    assert!(!faults.is_empty(), "whoever was in by then should have heard it, too");
}

#[test]
fn whoever_is_behind_what_is_remembered_is_not_judged() {
    let (ledger, mut one, mut slow) = (Ledger::default(), Cursor::default(), Cursor::default());
    let numbers: Vec<u32> = (0..u32::try_from(state::REMEMBERED).unwrap() + 10).collect();
    hear(&ledger, &mut slow, &[0]);
    assert_eq!(hear(&ledger, &mut one, &numbers), []);
    assert_eq!(ledger.missing(&slow), 0);
    assert_eq!(hear(&ledger, &mut slow, &[1, 2, 3]), []);
    assert_eq!(hear(&ledger, &mut slow, &numbers[11..]), [], "from here on it is");
    assert_eq!(hear(&ledger, &mut slow, &[5_000]), [Fault::Repeat(line(5_000))]);
    assert_eq!(ledger.end(), numbers.len() as u64);
}

#[test]
fn a_place_in_the_log_names_a_line_too() {
    let (ledger, mut one) = (Ledger::default(), Cursor::default());
    hear(&ledger, &mut one, &[0]);
    let placed = Heard { seq: Some(77), ..line(0) };
    ledger.hear(&mut Cursor::default(), std::slice::from_ref(&placed), &mut |_| panic!());
    ledger.blinded(&mut one, &[], &[77], false, 100);
    let mut faults = Vec::new();
    ledger.look_back(ledger.acts(), std::slice::from_ref(&placed), &mut |fault| faults.push(fault));
    assert_eq!(faults, [Fault::Hidden(placed)]);
}

#[test]
fn two_processes_agree_on_the_order_of_what_both_heard() {
    assert_eq!(disagreements(&[0, 1, 2, 5, 7], &[1, 3, 5, 7]), 0);
    assert_eq!(disagreements(&[0, 1, 2, 3], &[0, 2, 1, 3]), 1);
    assert_eq!(disagreements(&[], &[1, 0]), 0);
    let (ledger, mut one) = (Ledger::default(), Cursor::default());
    hear(&ledger, &mut one, &[4, 0, 2]);
    assert_eq!(ledger.order(), [4, 0, 2]);
}

#[test]
fn our_own_lines_are_accounted_for() {
    let (ledger, mut one) = (Ledger::default(), Cursor::default());
    for number in 0..7 {
        ledger.sent(number);
    }
    hear(&ledger, &mut one, &[0, 1, 2]);
    ledger.acked(0, None, 5);
    ledger.acked(3, Some(9_999), 5);
    ledger.acked(4, Some(1_234), 5);
    ledger.refused(1);
    ledger.refused(5);
    ledger.unknown(6);
    let hidden = Heard { key: key("u", 1_234), time: 1_234, mark: None, open: false, ..line(0) };
    ledger.hear(&mut one, &[hidden], &mut |_| panic!());
    let audit = ledger.audit(u64::MAX);
    assert_eq!((audit.sent, audit.acked, audit.lost), (7, 3, vec![3]), "4 was told, hidden");
    assert_eq!((audit.told_though_refused, audit.unanswered), (vec![1], vec![2]));
}

#[test]
fn what_nobody_was_there_to_hear_is_not_lost() {
    let lost = |leaves: u64| {
        let ledger = Ledger::default();
        ledger.come(10);
        ledger.come(10);
        let mut reader = Cursor::default();
        hear(&ledger, &mut reader, &[5]);
        for (number, due) in [(0, 20), (1, 40)] {
            ledger.sent(number);
            ledger.acked(number, None, due);
        }
        let hidden = ledger.choose(0, 20).unwrap();
        ledger.act_acked(key(&hidden.0, hidden.1), false);
        ledger.go(10, leaves);
        ledger.come(30);
        // Whoever is left came after the first was due.
        ledger.go(10, leaves);
        let audit = ledger.audit(leaves + TELLING);
        (audit.lost, audit.acts, audit.untold_acts)
    };
    assert_eq!(lost(50), (vec![1], 1, 0));
    assert_eq!(lost(20 + TELLING), (vec![0, 1], 1, 1), "it was not told for as long as it may take");
}

#[test]
fn what_is_under_way_when_a_run_is_stopped_is_not_lost() {
    let ledger = Ledger::default();
    ledger.come(10);
    for (number, due) in [(0, 20), (1, 5_000_000)] {
        ledger.sent(number);
        ledger.acked(number, None, due);
    }
    assert_eq!(ledger.audit(19 + TELLING).lost, Vec::<u32>::new());
    assert_eq!(ledger.audit(20 + TELLING).lost, [0]);
    ledger.go(10, 20 + TELLING);
    assert_eq!((ledger.audit(u64::MAX).lost, ledger.deaf()), (vec![0], 1));
}

/// Both are read before those who were there: the first came behind a line, the second before it, late to know.
#[test]
fn two_newcomers_who_are_read_first_have_one_order() {
    let (ledger, mut here) = (Ledger::default(), Cursor::default());
    let (mut one, mut two) = (Cursor { since: 15, ..Cursor::default() }, Cursor { since: 30, ..Cursor::default() });
    assert_eq!(hear(&ledger, &mut one, &[2]), []);
    assert_eq!(hear(&ledger, &mut two, &[1, 2]), []);
    assert_eq!(hear(&ledger, &mut here, &[1, 2, 3]), []);
    assert_eq!(hear(&ledger, &mut one, &[3]), []);
}
