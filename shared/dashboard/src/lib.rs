//! The live dashboard: one page in a browser, and the small server behind it, on loopback and for reading only.
//!
//! [`serve`] is the way in. [`source`] is where everything comes from, [`rows`] is the table as the page has it, [`change`] what is
//! sent when it changes, and module `hub` the one look at the table that all browsers share.
//!
//! # Guarantees
//! * Nothing is written: neither to the table nor to IVS.
//! * Nobody looks, nobody asks: without an open page the table is not read.
//! * Only pages of this server can read it: it listens on loopback, answers to loopback's names only, and sends no CORS headers.
//!
//! # Caveats
//! * Each look is a Scan of the table, so its price grows with the table: [`Settings::interval`].

mod activity;
mod ask;
pub mod change;
mod guard;
mod hub;
mod page;
pub mod rows;
pub mod sample;
mod server;
mod settings;
pub mod source;

pub use rows::{Rows, Section};
pub use server::{ServeError, serve};
pub use settings::Settings;
pub use source::{Reading, Source, TableSource};
