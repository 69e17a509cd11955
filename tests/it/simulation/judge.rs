//! What a run has shown, beside what is true.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::reader::Reader;

use super::planted::Planted;
use super::truth::{REPEATABLE_MS, TrueLine};
use super::world::{MACHINES, Machine, Viewer, World, Wrong};

/// Members that one step of a flush serves.
const STEP: usize = 256;

impl World {
    pub(super) fn judge(&mut self) {
        let mut wrong = std::mem::take(&mut self.wrong);
        self.judge_sends(&mut wrong);
        for viewer in &self.viewers {
            let now = std::iter::once((&viewer.cid, &viewer.reader));
            for (cid, reader) in viewer.before.iter().map(|(cid, reader)| (cid, reader)).chain(now) {
                self.judge_reader((&viewer.uid, viewer.lane), cid, reader, &mut wrong);
            }
            self.judge_plain(viewer, &mut wrong);
            self.judge_screen(viewer, &mut wrong);
            let here = |line: &TrueLine| {
                line.cid == viewer.cid && !line.is_gone() && line.is_in(viewer.lane) && !line.shadowed
            };
            let last = self.truth.lines.iter().rfind(|(_, line)| here(line)).map_or(0, |(seq, _)| *seq);
            if !viewer.plain && (viewer.cid != self.cid || viewer.reader.upto < last) {
                wrong.push(format!(
                    "{} has heard nothing behind {}, and there is {last}",
                    viewer.uid, viewer.reader.upto
                ));
            }
        }
        self.judge_told(&mut wrong);
        self.judge_names(&mut wrong);
        self.judge_whispers(&mut wrong);
        self.judge_strangers(&mut wrong);
        self.judge_machines(&mut wrong);
        self.wrong = wrong;
    }

    /// Nothing that was acknowledged is lost, nothing that was refused happened, and a retry is no second line.
    fn judge_sends(&self, wrong: &mut Vec<Wrong>) {
        let lost = (self.planted == Some(Planted::LosesAcked)).then(|| self.truth.lines.keys().next_back()).flatten();
        for sent in self.sends.values() {
            let places: Vec<u64> =
                self.truth.lines.iter().filter(|(_, line)| line.sent == sent.text).map(|(seq, _)| *seq).collect();
            // A line that was erased or dropped is forgotten, and so is one of more than two minutes ago.
            let remembered = |pair: &[u64]| {
                let (first, second) = (&self.truth.lines[&pair[0]], &self.truth.lines[&pair[1]]);
                !first.is_gone() && second.at - first.at < REPEATABLE_MS
            };
            if places.windows(2).any(remembered) {
                wrong.push(format!("{} is in the log at {places:?}", sent.text));
            }
            for ack in &sent.acks {
                let line = self.truth.lines.get(ack).filter(|_| lost != Some(ack));
                let uid = &self.viewers[sent.viewer].uid;
                if line.is_none_or(|line| line.sent != sent.text || line.uid != *uid) {
                    wrong.push(format!("{} was acknowledged at {ack}, where there is {line:?}", sent.text));
                }
            }
            // An attempt whose answer was lost may have done it.
            let refused = sent.refusals.len() == sent.attempts && sent.refusals.iter().all(|code| *code != 500);
            if refused && !places.is_empty() {
                wrong.push(format!(
                    "{} was refused with {:?} and is in the log at {places:?}",
                    sent.text, sent.refusals
                ));
            }
        }
    }

    /// Every push held all that it said it covers, in the one order, nothing twice, and no text that nobody had said.
    fn judge_reader(&self, (uid, lane): (&str, &str), cid: &str, reader: &Reader, wrong: &mut Vec<Wrong>) {
        // Whoever is in a broadcast that is over is told no more of it.
        let fair = cid != self.cid || self.scars.make_gaps_fair();
        if !reader.gaps.is_empty() && !fair {
            wrong.push(format!("{uid} was told of gaps where there are none: {:?}", reader.gaps));
        }
        if reader.repeats > 0 {
            wrong.push(format!("{uid} heard {} lines twice", reader.repeats));
        }
        for (seq, text) in &reader.lines {
            let line = self.truth.lines.get(seq);
            let theirs = |line: &TrueLine| !line.shadowed || line.uid == uid;
            if line.is_none_or(|line| line.cid != cid || (line.text != *text && !text.is_empty()) || !theirs(line)) {
                wrong.push(format!("{uid} heard {text:?} at {seq}, where there is {line:?}"));
            }
        }
        if lane == "all" {
            self.judge_events(uid, cid, reader, wrong);
            self.judge_visits(uid, cid, reader, wrong);
        }
        for ((after, upto), left) in &reader.lefts {
            let there = self.truth.lines.range(after + 1..=*upto).filter(|(_, line)| line.cid == cid && !line.shadowed);
            let (all, erased): (Vec<_>, Vec<_>) = there.partition(|(_, line)| !line.erased);
            if !(all.len()..=all.len() + erased.len()).contains(&(*left as usize)) {
                wrong.push(format!(
                    "{uid} was told that {left} lines are left out behind {after} up to {upto}: {all:?}"
                ));
            }
        }
        for ((after, upto), places) in &reader.spans {
            if upto <= after {
                continue;
            }
            for (seq, line) in self.truth.lines.range(after + 1..=*upto) {
                let theirs = !line.shadowed || line.uid == uid;
                let owed = line.cid == cid && line.is_in(lane) && !line.erased && theirs;
                // What is theirs alone others aren't told of: the next word to all covers it again.
                let heard = places.contains(seq) || line.shadowed && reader.lines.iter().any(|(place, _)| place == seq);
                if owed && !heard {
                    wrong.push(format!("{uid} was told of all behind {after} up to {upto} but not {line:?} at {seq}"));
                }
            }
        }
    }

    /// What the site was told that it has told is in the log.
    fn judge_told(&self, wrong: &mut Vec<Wrong>) {
        for (seq, number) in &self.told {
            let event = self.truth.told.get(seq).is_some_and(|(_, told)| told == number);
            let line = self.truth.lines.get(seq).is_some_and(|line| line.text == format!("told {number}"));
            if !event && !line {
                wrong.push(format!("{number} was told at {seq}, where there is nothing of it"));
            }
        }
    }

    /// Every event that the site has told within what was covered.
    fn judge_events(&self, uid: &str, cid: &str, reader: &Reader, wrong: &mut Vec<Wrong>) {
        let spans = reader.spans.iter().map(|(span, _)| span).chain(reader.lefts.iter().map(|(span, _)| span));
        for (after, upto) in spans.filter(|(after, upto)| after < upto) {
            for (seq, (there, number)) in self.truth.told.range(after + 1..=*upto) {
                if there == cid && !reader.events.contains(number) {
                    wrong.push(format!(
                        "{uid} was told of all behind {after} up to {upto} but not of {number} at {seq}"
                    ));
                }
            }
        }
    }

    /// Those at the seam between two steps of a flush heard all, too.
    fn judge_strangers(&mut self, wrong: &mut Vec<Wrong>) {
        let mut machines = std::mem::take(&mut self.machines);
        for stranger in machines.iter_mut().flat_map(|machine| machine.strangers.iter_mut().skip(STEP - 10).take(20)) {
            let cid = stranger.cid.clone();
            let reader = stranger.tells(self.planted);
            self.judge_reader(("stranger", "all"), &cid, reader, wrong);
            let here = |line: &TrueLine| line.cid == cid && !line.is_gone() && !line.shadowed;
            let last = self.truth.lines.iter().rfind(|(_, line)| here(line)).map_or(0, |(seq, _)| *seq);
            if reader.upto < last {
                wrong.push(format!("a stranger has heard nothing behind {}, and there is {last}", reader.upto));
            }
        }
        self.machines = machines;
    }

    /// Whoever has a line that was hidden has been told, and whoever has one that was not shows it.
    fn judge_screen(&self, viewer: &Viewer, wrong: &mut Vec<Wrong>) {
        let reader = &viewer.reader;
        if viewer.plain || viewer.cid != self.cid || !reader.gaps.is_empty() {
            return;
        }
        for (seq, shown) in &reader.screen {
            let Some(line) = self.truth.lines.get(seq) else {
                wrong.push(format!("{} shows {shown:?} at {seq}, where there is no line", viewer.uid));
                continue;
            };
            let told = line.told && line.hidden_since.is_some_and(|since| since <= reader.upto);
            if told && !shown.is_empty() {
                wrong.push(format!("{} still shows {line:?} at {seq}", viewer.uid));
            }
        }
        for (seq, told) in reader.questions.iter().filter(|_| viewer.lane != "overlay") {
            let question = self.truth.ledger.questions.get(seq).filter(|question| question.since <= reader.upto);
            let Some(question) = question else { continue };
            let status = question.status.word().to_ascii_uppercase();
            let stands = told.version == question.version && (told.status == status || told.status.is_empty());
            // Who was away is told of votes by the list, in which hidden ones are not.
            let counted = question.untold || self.truth.lines[seq].was_hidden;
            if !stands || (!counted && told.votes != question.voters.len() as u64) {
                wrong.push(format!("{} was told {told:?} of {seq}, and it is {question:?}", viewer.uid));
            }
        }
        let (shown, pinned) = (reader.notice["content"].as_str(), self.truth.pinned());
        if !reader.notice.is_null() && shown != pinned {
            wrong.push(format!("{} has {shown:?} pinned, and it is {pinned:?}", viewer.uid));
        }
    }

    /// Each connection of the plain wire heard lines in the one order, each once.
    fn judge_plain(&self, viewer: &Viewer, wrong: &mut Vec<Wrong>) {
        let mut places: HashMap<&str, Vec<u64>> = HashMap::new();
        let theirs = |line: &TrueLine| !line.shadowed || line.uid == viewer.uid;
        let there = self.truth.lines.iter().filter(|(_, line)| theirs(line));
        there.for_each(|(seq, line)| places.entry(&line.text).or_default().push(*seq));
        for lines in &viewer.plain_lines {
            let mut before = 0;
            for text in lines.iter().filter(|text| !text.is_empty()) {
                let there = places.get(text.as_str()).into_iter().flatten();
                match there.copied().find(|seq| *seq > before) {
                    Some(seq) => before = seq,
                    None => {
                        wrong.push(format!("{} heard {text:?} out of order, or twice, or from nowhere", viewer.uid))
                    }
                }
            }
        }
    }

    /// Every question stands as the log tells, numbered and counted.
    fn judge_questions(&self, machine: usize, listed: &[Value], wrong: &mut Vec<Wrong>) {
        let number = |question: &Value, name: &str| question[name].as_u64().unwrap();
        let listed: Vec<(u64, u64, String, u64, u64)> = listed
            .iter()
            .map(|question| {
                let status = question["status"].as_str().unwrap().to_ascii_lowercase();
                let more = u64::from(self.planted == Some(Planted::Miscounts) && machine == 1);
                let votes = number(question, "votes") + more;
                (number(question, "seq"), number(question, "questionNo"), status, number(question, "version"), votes)
            })
            .collect();
        let truth = self.truth.questions(&self.cid);
        let truth: Vec<_> = truth.into_iter().map(|(s, n, status, v, c)| (s, n, status.to_owned(), v, c)).collect();
        if listed != truth {
            wrong.push(format!("machine {machine} lists {listed:?}, and the log tells {truth:?}"));
        }
    }

    /// Both machines show the same, which is what the log tells from its beginning; so does one that starts now.
    fn judge_machines(&mut self, wrong: &mut Vec<Wrong>) {
        self.crash(0);
        let expected = self.truth.shown(&self.cid);
        for number in 0..MACHINES {
            let Machine { runtime, yard, .. } = &self.machines[number];
            let shown = runtime.block_on(async {
                for _ in 0..20 {
                    let mut guest = yard.guest();
                    if guest.connect(&self.cid, None).await["retCode"] == 0 {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        let ask = json!({"cmd": 5101, "cid": self.cid, "bdy": {"recentMessageCount": 200}});
                        guest.says(&ask.to_string()).await;
                        let answer = guest.hears(15101).await;
                        let lines = answer["bdy"]["messageList"].as_array().unwrap().clone();
                        let notice = answer["bdy"]["notice"]["content"].as_str().map(str::to_owned);
                        let shown = lines.iter().map(|line| line["content"].as_str().unwrap().to_owned()).collect();
                        let all = json!({"status": "ALL", "sort": "AGE", "size": 100});
                        guest.says(&json!({"cmd": 5140, "cid": self.cid, "bdy": all}).to_string()).await;
                        let questions = guest.hears(15140).await["bdy"]["questions"].as_array().unwrap().clone();
                        return (shown, notice, questions);
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                (vec!["nobody can join".to_owned()], None, Vec::new())
            });
            self.judge_history(number, wrong);
            let (mut shown, notice, questions): (Vec<String>, Option<String>, Vec<Value>) = shown;
            self.judge_questions(number, &questions, wrong);
            if notice.as_deref() != self.truth.pinned() {
                wrong.push(format!("machine {number} has {notice:?} pinned, and it is {:?}", self.truth.pinned()));
            }
            if self.planted == Some(Planted::Diverges) && number == 1 {
                shown.pop();
            }
            // The answer has a largest size: the newest stay.
            let enough = shown.len() == expected.len() || shown.len() >= 20;
            if !enough || !expected.ends_with(&shown) {
                wrong.push(format!("machine {number} shows {shown:?}, and the log tells {expected:?}"));
            }
        }
    }
}
