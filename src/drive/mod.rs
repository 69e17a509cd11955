//! Load from the outside: plays a scenario over the public wire, verifies what everybody hears, and says what it cost.
//!
//! Needs nothing of a server but the wire. The room has three storeys: what shall happen ([`scenario`], [`crowd`], [`script`],
//! [`words`]), what makes it happen ([`engine`]), and what came of it ([`check`], [`tally`], [`watch`], [`report`]).
//! [`run`] leads a run from the first look at the server to the report, [`mod@follow`] plays a share of another process's.

pub mod check;
mod conductor;
pub mod crowd;
mod dashboard;
pub mod engine;
mod follow;
mod peers;
pub mod report;
mod run;
pub mod scenario;
pub mod script;
mod site;
mod summary;
pub mod tally;
pub mod tokens;
pub mod watch;
pub mod words;

pub use follow::follow;
pub use run::{DriveError, Gathering, Order, load};
pub use site::Site;
