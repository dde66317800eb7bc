//! Deterministic simulation: the real engine, worker and client over the in-memory store, on one
//! thread and virtual time, every choice from one seed, with faults.
//!
//! ```text
//!  clients ─┐                                        ┌─ checkers
//!  engines ─┼─▶ network (late, lost, doubled) ─▶ truth ─▶ in-memory store
//!  workers ─┘   killed, paused, skewed               └─ trace
//! ```
//!
//! The fault injector ([`weather`], [`network`], [`cast`]) and the checkers ([`check`]) know
//! nothing of each other: the checkers see only what truly happens at the store.

pub mod cast;
pub mod check;
pub mod clients;
pub mod dice;
pub mod network;
pub mod run;
pub mod script;
pub mod trace;
pub mod truth;
pub mod weather;
pub mod world;

pub use run::{Report, run};
