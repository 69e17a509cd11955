//! Lines that a channel says by itself: to whoever joins, and of whoever comes and goes.

use super::id::UserId;
use super::time::Millis;

/// Longest of these texts in characters.
pub const LONGEST_OWN_LINE: usize = 300;

/// What stands in the texts for the name of whoever comes or goes.
const NICKNAME: &str = "{nickname}";

/// What a channel says by itself; what is `None` it doesn't say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnLines {
    /// To whoever joins, alone.
    pub welcome: Option<String>,
    /// To everybody, of a user who comes.
    pub joined: Option<String>,
    /// To everybody, of a user who has gone.
    pub left: Option<String>,
    /// Whether what is said of those who come and go is kept in the log: who comes back hears it, too.
    pub kept: bool,
}

impl OwnLines {
    /// With what a change names.
    pub fn with(self, change: &OwnLinesChange) -> Self {
        let OwnLinesChange { welcome, joined, left, kept } = change.clone();
        Self {
            welcome: welcome.unwrap_or(self.welcome),
            joined: joined.unwrap_or(self.joined),
            left: left.unwrap_or(self.left),
            kept: kept.unwrap_or(self.kept),
        }
    }

    /// Whether anything is said of those who come and go.
    pub fn tell_visits(&self) -> bool {
        self.joined.is_some() || self.left.is_some()
    }

    /// What is said of somebody of this name who comes, or has gone.
    pub fn of_visit(&self, nickname: &str, comes: bool) -> Option<String> {
        let text = if comes { &self.joined } else { &self.left };
        text.as_ref().map(|text| text.replace(NICKNAME, nickname))
    }
}

/// What shall be said otherwise; the rest stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnLinesChange {
    /// See [`OwnLines::welcome`].
    pub welcome: Option<Option<String>>,
    /// See [`OwnLines::joined`].
    pub joined: Option<Option<String>>,
    /// See [`OwnLines::left`].
    pub left: Option<Option<String>>,
    /// See [`OwnLines::kept`].
    pub kept: Option<bool>,
}

impl OwnLinesChange {
    /// The texts that it brings.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        [&self.welcome, &self.joined, &self.left].into_iter().flatten().flatten().map(String::as_str)
    }
}

/// What is said of somebody who comes or has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Who.
    pub uid: UserId,
    /// The whole text.
    pub text: String,
}

/// A line of the channel's own that is told beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLine {
    /// What it says.
    pub text: String,
    /// When.
    pub time: Millis,
    /// Connections in the broadcast then.
    pub members: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_isnt_named_stays() {
        let lines = OwnLines { welcome: Some("hi".to_owned()), kept: true, ..OwnLines::default() };
        assert_eq!(lines.clone().with(&OwnLinesChange::default()), lines);
        let joined = Some(Some("{nickname}님, {nickname}님".to_owned()));
        let change = OwnLinesChange { welcome: Some(None), joined, ..OwnLinesChange::default() };
        let lines = lines.with(&change);
        assert!(lines.welcome.is_none() && lines.kept && lines.tell_visits());
        assert_eq!(lines.of_visit("미나", true).as_deref(), Some("미나님, 미나님"));
        assert_eq!(lines.of_visit("미나", false), None);
        assert_eq!(change.texts().count(), 1);
    }
}
