//! What one audience may see of an event.
//!
//! An [`Item`] is the only form in which content leaves the core, and `channel::reveal` is the only room that makes
//! one (a test of the floors looks for it): pushes, recent chat and every later way out get their text from here.

use std::sync::Arc;

use super::act::Deed;
use super::announcement::{Announcement, News};
use super::filter::Filtered;
use super::id::{Cid, EventId, Seq, UserId};
use super::message::{Author, Extras, Kind, Lane, Line, Status};
use super::mode::Modes;
use super::occasion::Occasion;
use super::question::{QuestionState, QuestionView};
use super::time::Millis;

/// Who may see an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every member.
    All,
    /// Members whose role is staff.
    Staff,
    /// All sessions of one user.
    User(UserId),
}

/// What one audience may see of an event, or of a part of it.
#[derive(Clone, Debug)]
pub struct Item {
    seq: Seq,
    whole: bool,
    audience: Audience,
    view: View,
}

/// What there is to see.
#[derive(Clone, Debug)]
pub enum View {
    /// A line.
    Line(LineView),
    /// How lines stand now that were told before.
    Standing(Vec<Standing>),
    /// The pinned notice; `None` when nothing is pinned.
    Notice(Option<NoticeView>),
    /// What was done to a user.
    Sanction(Sanction),
    /// How the chat is run now.
    Modes(Modes),
    /// A line of the system, for staff.
    System(SystemView),
    /// Something that the site's backend tells.
    Announced(AnnouncedView),
    /// A question has another status now.
    Question(QuestionView),
    /// A question has other votes now.
    Votes(QuestionView),
}

impl Item {
    /// The view that `channel::reveal` decided on; `whole` when nothing more of its event follows.
    pub fn revealed(seq: Seq, whole: bool, audience: Audience, view: View) -> Self {
        Self { seq, whole, audience, view }
    }

    /// The same, with another view, by `channel::reveal`'s decision.
    pub fn map(self, view: impl FnOnce(View) -> View) -> Self {
        Self { view: view(self.view), ..self }
    }

    /// Place in the channel's log.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Whoever has been told this, and all before it, has everything up to here.
    pub fn covers(&self) -> Seq {
        if self.whole { self.seq } else { Seq(self.seq.0.saturating_sub(1)) }
    }

    /// Who may see it.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// What there is to see.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The line, if it is one.
    pub fn line(&self) -> Option<&LineView> {
        match &self.view {
            View::Line(line) => Some(line),
            _ => None,
        }
    }

    /// Whose sessions are closed by it.
    pub fn kicks(&self) -> Option<&UserId> {
        match &self.view {
            View::Sanction(Sanction::Kicked(user)) => Some(user),
            _ => None,
        }
    }

    /// Whether it is something that staff did: it doesn't wait for others.
    pub fn is_act(&self) -> bool {
        !matches!(self.view, View::Line(_) | View::Votes(_) | View::Announced(_))
    }

    /// Whether only sessions of our own layer have a word for it.
    pub fn is_ext(&self) -> bool {
        matches!(self.view, View::Question(_) | View::Votes(_))
    }

    /// The question of which it says how it stands.
    pub fn question(&self) -> Option<Seq> {
        match &self.view {
            View::Question(question) | View::Votes(question) => Some(question.state.seq),
            _ => None,
        }
    }

    /// The question whose votes it tells, and nothing else: a later word makes it needless.
    pub fn votes(&self) -> Option<Seq> {
        self.question().filter(|_| matches!(self.view, View::Votes(_)))
    }

    /// Whether it takes something back.
    pub fn hides(&self) -> bool {
        matches!(&self.view, View::Standing(lines) if lines.iter().any(Standing::is_withheld))
    }

    /// Whether this lane shows it.
    pub fn is_in(&self, lane: Lane) -> bool {
        match &self.view {
            View::Line(line) => lane.shows(line.kind()),
            // Whoever shows only some lines passes over what is said of others.
            View::Standing(_) | View::Notice(_) => true,
            View::Sanction(_) | View::Modes(_) | View::System(_) => matches!(lane, Lane::All | Lane::Quiet),
            View::Announced(announced) => match announced.announcement.news {
                News::Gift(_) => matches!(lane, Lane::All | Lane::Overlay),
                News::System(_) | News::Event(_) | News::Visit(_) => lane == Lane::All,
            },
            View::Question(_) | View::Votes(_) => lane.shows_questions(),
        }
    }

    /// Bytes that it takes once it is encoded, as far as can be told before: more rather than less.
    pub fn bytes(&self) -> usize {
        match &self.view {
            View::Line(line) => LINE_BYTES + line.content_bytes(),
            View::Standing(lines) => lines.iter().map(Standing::bytes).sum(),
            View::Sanction(_) | View::Modes(_) | View::Question(_) | View::Votes(_) => STANDING_BYTES * 2,
            View::System(_) => LINE_BYTES * 4,
            View::Announced(announced) => announced.announcement.news.bytes(),
            View::Notice(notice) => LINE_BYTES + notice.as_ref().map_or(0, |notice| LINE_BYTES + notice.text.len()),
        }
    }
}

/// What a line has beside its text: profile, extras and names, as they usually are.
const LINE_BYTES: usize = 1_024;

/// What is said of a line that is shown no more.
const STANDING_BYTES: usize = 320;

/// A line as one audience may see it.
#[derive(Clone, Debug)]
pub struct LineView {
    seq: Seq,
    id: EventId,
    time: Millis,
    status: Status,
    line: Arc<Line>,
    question: Option<QuestionState>,
}

impl LineView {
    /// The view of `line` that `channel::reveal` decided on.
    pub fn revealed(seq: Seq, id: EventId, time: Millis, status: Status, line: Arc<Line>) -> Self {
        Self { seq, id, time, status, line, question: None }
    }

    /// The same line as it stands now, by `channel::reveal`'s decision.
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// The same question as it stands, by `channel::reveal`'s decision.
    pub fn with_question(self, question: Option<QuestionState>) -> Self {
        Self { question, ..self }
    }

    /// How it stands, if it is a question that is remembered.
    pub fn question(&self) -> Option<QuestionState> {
        self.question
    }

    /// Place in the channel's log.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Identity of the event.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The line's time, unique for its author in this channel.
    pub fn time(&self) -> Millis {
        self.time
    }

    /// How the line stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The broadcast it was said in.
    pub fn cid(&self) -> &Cid {
        &self.line.cid
    }

    /// Who said it.
    pub fn author(&self) -> &Author {
        &self.line.author
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.line.draft.kind
    }

    /// The text; empty when it is withheld from this audience.
    pub fn text(&self) -> &str {
        match self.status {
            Status::Normal => &self.line.draft.text,
            Status::Hidden | Status::Blinded => "",
        }
    }

    /// What goes with the text; nothing that could spell it out when it is withheld.
    pub fn extras(&self) -> Extras {
        match self.status {
            Status::Normal => self.line.draft.extras.clone(),
            Status::Hidden | Status::Blinded => Extras { os: self.line.draft.extras.os, emojis: Vec::new() },
        }
    }

    /// What it is said with.
    pub fn occasion(&self) -> Option<&Occasion> {
        self.line.occasion.as_deref()
    }

    /// How many sockets were in the broadcast when it was sent.
    pub fn members(&self) -> u32 {
        self.line.members
    }

    /// What the rules made of it.
    pub fn filtered(&self) -> Option<&Filtered> {
        self.line.filtered.as_deref()
    }

    /// Bytes of its text and its emojis.
    fn content_bytes(&self) -> usize {
        let emojis = self.line.draft.extras.emojis.iter();
        let occasion = self.line.occasion.as_ref().map_or(0, |occasion| occasion.bytes());
        occasion + self.text().len() + emojis.map(|(name, picture)| name.len() + picture.len() + 16).sum::<usize>()
    }
}

/// How a line stands that was told before.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It is remembered: shown again, or withheld.
    Line(LineView),
    /// It is no longer remembered, and withheld: nothing but its place is known.
    Withheld(Seq),
}

impl Standing {
    /// The line's place.
    pub fn seq(&self) -> Seq {
        match self {
            Self::Line(line) => line.seq(),
            Self::Withheld(seq) => *seq,
        }
    }

    /// Whether it is shown no more.
    pub fn is_withheld(&self) -> bool {
        match self {
            Self::Line(line) => line.status().withholds(),
            Self::Withheld(_) => true,
        }
    }

    /// Bytes that telling of it takes, as far as can be told before it is encoded: more rather than less.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Line(line) if !line.status().withholds() => LINE_BYTES + line.content_bytes(),
            Self::Line(_) | Self::Withheld(_) => STANDING_BYTES,
        }
    }
}

/// The pinned notice as everybody may see it.
#[derive(Clone, Debug)]
pub struct NoticeView {
    /// The broadcast in which it is pinned.
    pub cid: Cid,
    /// Its time: of a line that was sent before, the line's.
    pub time: Millis,
    /// Whose text it is.
    pub author: Author,
    /// Who pinned it.
    pub by: Author,
    /// What the line was that it repeats.
    pub kind: Kind,
    /// What it says.
    pub text: String,
    /// What goes with the text.
    pub extras: Extras,
    /// When it goes by itself.
    pub until: Option<Millis>,
}

/// What was done to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sanction {
    /// Their sessions are closed.
    Kicked(UserId),
    /// They may send nothing for a while.
    Penalized {
        /// Who.
        user: UserId,
        /// When that was done.
        at: Millis,
        /// For so many seconds.
        seconds: i64,
        /// How many penalties they have had lately.
        times: u32,
    },
    /// They may send nothing until then, or for good.
    Blocked(UserId, Option<Millis>),
    /// They may send again.
    Lifted(UserId),
}

/// A question in a list, as somebody may see it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its line.
    pub line: LineView,
    /// How it stands.
    pub question: QuestionView,
    /// Whether they have voted for it; `None` of those who aren't known, and of votes that are forgotten.
    pub voted: Option<bool>,
}

/// Something that the site's backend tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncedView {
    /// Place in the channel's log.
    pub seq: Seq,
    /// Identity of the event.
    pub id: EventId,
    /// When.
    pub time: Millis,
    /// What.
    pub announcement: Arc<Announcement>,
}

/// A line of the system about what was done to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemView {
    /// Place in the channel's log.
    pub seq: Seq,
    /// Identity of the event.
    pub id: EventId,
    /// When.
    pub time: Millis,
    /// What happened.
    pub deed: Deed,
    /// Who did it.
    pub by: Author,
    /// To whom.
    pub target: Author,
}
