//! What an inventory is: events, the rows they touch, and how they change them. Pure.
//!
//! No I/O, no clock, no randomness, no map order, no float: the same events give the same rows on any
//! machine. Start at [`event`] (what can happen), [`rows`] (what is kept), [`evolve()`] (how one changes the
//! other), [`command`] and [`mod@decide`] (what is asked for, and what becomes of it). Source of every rule:
//! the domain contract, `docs/domain.md`.

pub mod command;
pub mod decide;
pub mod event;
pub mod rows;

mod aggregate;
mod evolve;
mod refusal;

/// The version of the rules that fold an event into rows. Raise it with every change that gives other rows
/// for the same events: stores and bases made by an older one are then shown as in need of repair.
pub const EVOLVE_VERSION: u32 = 1;

pub use aggregate::Aggregate;
pub use decide::{decide, needed, needed_besides};
pub use evolve::{Effect, EvolveError, Rules, evolve, touched};
