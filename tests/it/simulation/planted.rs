//! Faults that are put in on purpose, to see whether they are noticed.

use serde_json::{Value, json};

use super::world::World;

/// A fault that is put in on purpose: the simulation has to notice each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// A push lacks a line.
    LosesLines,
    /// A push comes twice.
    DoublesPushes,
    /// A line says something else.
    SwapsTexts,
    /// A push says that it covers more than it does.
    LiesAboutSpans,
    /// A push is lost, and what follows doesn't say so.
    HidesGaps,
    /// A hidden line is told.
    ShowsHidden,
    /// That a line was hidden is told to nobody who has it.
    LosesActs,
    /// That a question stands otherwise is told to nobody.
    LosesMarks,
    /// One machine has counted a vote too many.
    Miscounts,
    /// What the site tells is told to nobody.
    LosesNews,
    /// What the channel says of those who come and go is told to nobody.
    LosesVisits,
    /// Two guests are called the same.
    SharesNames,
    /// A whisper is heard by another one.
    Gossips,
    /// History lacks the last line.
    Forgets,
    /// What was shown again says what it is when it is hidden.
    SpellsOut,
    /// A retry is a line of its own.
    RetriesBecomeLines,
    /// The log has lost a line that was acknowledged.
    LosesAcked,
    /// One machine has missed something.
    Diverges,
    /// Whoever is at the seam between two steps of a flush misses the last push.
    SkipsAtTheSeam,
    /// Lines that are left out are a gap that nobody has counted.
    LeavesUncounted,
}

impl World {
    /// What a planted fault makes of a message.
    pub(super) fn tamper(&mut self, viewer: usize, mut message: Value) -> Vec<Value> {
        let reader = &self.viewers[viewer].reader;
        if self.planted == Some(Planted::LeavesUncounted) && message["left"].is_u64() {
            message["after"] = message["upto"].clone();
            message.as_object_mut().unwrap().remove("left");
        }
        if self.planted == Some(Planted::LosesActs) && message["cmd"] == 94008 {
            message["bdy"]["seqs"] = json!([]);
        }
        if self.planted == Some(Planted::LosesMarks) && message["cmd"] == 93140 {
            message["bdy"]["questions"] = json!([]);
        }
        if self.planted == Some(Planted::LosesNews) && message["bdy"]["type"] == "SIMULATED" {
            message["bdy"] = json!({});
        }
        if self.planted == Some(Planted::LosesVisits) && message["bdy"][0]["msgTypeCode"] == 30 {
            message["bdy"] = json!([{}]);
        }
        if self.planted == Some(Planted::SpellsOut) && message["bdy"]["blindType"] == "HIDDEN" {
            let told = message["bdy"]["seqs"][0].as_u64().and_then(|seq| self.truth.lines.get(&seq));
            message["bdy"]["message"] = json!({"content": told.map_or("", |line| &line.text)});
            message["bdy"]["blindType"] = "CANCEL".into();
        }
        let lines = message["bdy"].as_array().map_or(0, Vec::len);
        let Some(planted) = self.planted.filter(|_| message["cmd"] == 93101 && lines > 0 && message["seq"].is_null())
        else {
            return vec![message];
        };
        self.tampered += 1;
        if planted == Planted::ShowsHidden {
            for line in
                message["bdy"].as_array_mut().unwrap().iter_mut().filter(|line| line["msgStatusType"] == "HIDDEN")
            {
                let told = line["seq"].as_u64().and_then(|seq| self.truth.lines.get(&seq));
                line["msg"] = told.map_or("", |line| &line.text).into();
            }
            return vec![message];
        }
        if !self.tampered.is_multiple_of(7) {
            return vec![message];
        }
        match planted {
            Planted::LosesLines => {
                message["bdy"].as_array_mut().unwrap().pop();
                vec![message]
            }
            Planted::DoublesPushes => vec![message.clone(), message],
            Planted::SwapsTexts => {
                message["bdy"][0]["msg"] = "something else".into();
                vec![message]
            }
            Planted::LiesAboutSpans => {
                if message["upto"].is_u64() {
                    message["upto"] = (message["upto"].as_u64().unwrap() + 3).into();
                }
                vec![message]
            }
            Planted::HidesGaps => {
                // The push is lost, and the next ones say that they begin where the reader is.
                let (after, upto) = (reader.upto, message["upto"].as_u64().unwrap_or_default());
                message["bdy"] = json!([]);
                message["after"] = after.into();
                message["upto"] = upto.max(after).into();
                if self.viewers[viewer].plain { vec![] } else { vec![message] }
            }
            Planted::ShowsHidden
            | Planted::LosesActs
            | Planted::LosesMarks
            | Planted::Miscounts
            | Planted::LosesNews
            | Planted::LosesVisits
            | Planted::SharesNames
            | Planted::Gossips
            | Planted::Forgets
            | Planted::SpellsOut
            | Planted::RetriesBecomeLines
            | Planted::LosesAcked
            | Planted::Diverges
            | Planted::SkipsAtTheSeam
            | Planted::LeavesUncounted => vec![message],
        }
    }
}
