//! The ways in. Each knows one wire and the node; none knows another.

pub mod chat;
pub mod chzzk;
pub mod site;
