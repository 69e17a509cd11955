//! What a line may not say in this channel.

use std::sync::Arc;

use crate::model::filter::{FilterChange, Past};
use crate::model::id::Seq;
use crate::model::message::Line;
use crate::model::principal::Role;
use crate::model::time::Millis;
use crate::policy::rules::Rules;

use super::acts::Changed;
use super::{By, Channel};

/// Rules, and what has come before them: a channel's, or the site's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtering {
    /// What holds.
    pub rules: Arc<Rules>,
    /// The act since which it does.
    pub since: Seq,
    /// What the last change has replaced, and which act that was.
    pub past: Option<(Seq, Arc<Past>)>,
}

impl Filtering {
    /// Changes the rules, in the name of somebody who is called `by`. Whether anything is otherwise.
    pub fn change(&mut self, act: Seq, at: Millis, by: &str, change: &FilterChange) -> bool {
        let Some((rules, past)) = self.rules.changed(change, by, at) else { return false };
        *self = Self { rules: Arc::new(rules), since: act, past: Some((act, Arc::new(past))) };
        true
    }

    /// Whether what holds is due to this act, the last one on the rules.
    pub fn is_due_to(&self, act: Seq) -> bool {
        self.past.as_ref().is_some_and(|(by, _)| *by == act)
    }

    /// Takes back, at the place `seq`, what an act has changed. Whether it had.
    pub fn undo(&mut self, seq: Seq, act: Seq) -> bool {
        let Some((_, past)) = self.past.take_if(|(by, _)| *by == act) else { return false };
        *self = Self { rules: Arc::new(self.rules.restored(&past)), since: seq, past: None };
        true
    }
}

/// By what a line has to be judged.
#[derive(Clone, Debug)]
pub struct Measures {
    /// The channel's rules; staff are judged by none.
    pub rules: Option<Arc<Rules>>,
    /// Since when those hold, or that none were asked.
    pub since: Seq,
    /// What the line's author may do here.
    pub role: Role,
}

impl Channel {
    /// What a line may not say here.
    pub fn filtering(&self) -> &Filtering {
        &self.filtering
    }

    /// By what this line has to be judged.
    pub fn measures(&self, line: &Line) -> Measures {
        let role = self.role_here(line);
        let rules = (!role.is_staff()).then(|| self.filtering.rules.clone());
        let since = if role.is_staff() { Line::UNJUDGED } else { self.filtering.since };
        Measures { rules, since, role }
    }

    /// Whether other rules have come into force while a line was on its way, by the role that its author has here. What they
    /// make of it isn't for whoever reads the log to find out: what finds words changes from build to build, and the log
    /// must not.
    pub(super) fn is_late(&self, line: &Line) -> bool {
        let is_judged = line.judged != Line::UNJUDGED && line.judged >= self.filtering.since;
        !line.author.role.is_staff() && !is_judged
    }

    /// Withholds the text of a line that the rules have blinded, as an act of the lowest rank.
    pub(super) fn blind(&mut self, place: Seq) {
        self.hidden.hide(place, By { act: place, rank: Role::Viewer });
    }

    pub(super) fn change_rules(&mut self, act: Seq, at: Millis, by: &str, change: &FilterChange) -> Changed {
        Changed { something: self.filtering.change(act, at, by, change), ..Changed::default() }
    }
}
