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
    assert_eq!(ledger.blinded(&mut one, &[line(1).key], &[], false), [70]);
    assert_eq!(hear(&ledger, &mut two, &[0, 1]), [], "its own act comes behind the line");
    ledger.blinded(&mut two, &[line(1).key], &[], false);
    assert_eq!(hear(&ledger, &mut two, &[1]), [Fault::Hidden(line(1)), Fault::Repeat(line(1))]);
    let mut faults = Vec::new();
    ledger.look_back(ledger.acts(), &[line(0), line(1)], &mut |fault| faults.push(fault));
    assert_eq!(faults, [Fault::Hidden(line(1))]);
    ledger.look_back(0, &[line(1)], &mut |_| panic!("asked for before the act"));
    ledger.blinded(&mut one, &[line(1).key], &[], true);
    ledger.look_back(ledger.acts(), &[line(1)], &mut |_| panic!("shown again"));
    ledger.blinded(&mut one, &[line(0).key], &[], false);
    assert_eq!(ledger.choose_hidden(80), Some(("u".to_owned(), 1_000)));
    ledger.blinded(&mut two, &[line(0).key], &[], false);
    ledger.look_back(ledger.acts(), &[line(0)], &mut |_| panic!("it may be shown again by now"));
}

#[test]
fn a_place_in_the_log_names_a_line_too() {
    let (ledger, mut one) = (Ledger::default(), Cursor::default());
    hear(&ledger, &mut one, &[0]);
    let placed = Heard { seq: Some(77), ..line(0) };
    ledger.hear(&mut Cursor::default(), std::slice::from_ref(&placed), &mut |_| panic!());
    ledger.blinded(&mut one, &[], &[77], false);
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
    ledger.acked(0, None);
    ledger.acked(3, Some(9_999));
    ledger.acked(4, Some(1_234));
    ledger.refused(1);
    ledger.refused(5);
    ledger.unknown(6);
    let hidden = Heard { key: key("u", 1_234), time: 1_234, mark: None, open: false, ..line(0) };
    ledger.hear(&mut one, &[hidden], &mut |_| panic!());
    let audit = ledger.audit();
    assert_eq!((audit.sent, audit.acked, audit.lost), (7, 3, vec![3]), "4 was told, hidden");
    assert_eq!((audit.told_though_refused, audit.unanswered), (vec![1], vec![2]));
}

#[test]
fn what_nobody_was_there_to_hear_is_not_lost() {
    let ledger = Ledger::default();
    ledger.come();
    ledger.come();
    ledger.sent(0);
    ledger.acked(0, None);
    ledger.go();
    assert_eq!(ledger.audit().lost, [0], "somebody is left who has not heard it");
    ledger.go();
    assert_eq!(ledger.audit().lost, Vec::<u32>::new());
}
