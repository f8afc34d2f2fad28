//! Complete sessions against each other: those that differ only in their fold are one row, and each row has its paired
//! difference to the first. Drawn by the command line and by the Sessions screen.

mod error;
mod facts;
mod grouping;
mod members;
mod rows;

pub use error::ComparisonError;
pub use facts::Facts;
pub use grouping::groups;
pub use members::{Entry, Member, members};
pub use rows::{Row, Spread, about, rows};
