//! Which compilers this machine has, native and cross, and what each of them says of itself.
//!
//! Nobody but the compiler knows for which machine it compiles, so it is asked; what it said is
//! remembered for as long as it is the same file. Every question has a deadline and a longest
//! answer.

mod about;
mod ask;
mod fingerprint;
mod places;
mod same;

pub use about::{About, Unknown};
pub use ask::{Acquaintances, Surroundings};
pub use fingerprint::fingerprint;
pub use places::{Found, Places, X_TOOLS};
pub use same::{folders_of, is_same, with_prefix};
