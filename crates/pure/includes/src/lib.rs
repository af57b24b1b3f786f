//! The include scanner: every file that a compile may read, found without preprocessing.
//!
//! A closure is never too small: every branch of every conditional counts, every hit where the
//! order cannot be known, every value of a macro that names a file. What cannot be followed at all
//! is a doubt, and a compile with a doubt has to be preprocessed.

mod branches;
mod closure;
mod condition;
mod facts;
mod text;

pub use closure::{Closure, ClosureDoubt, Compile, FileId, Files, Found, Search};
pub use condition::Condition;
pub use facts::{
    Definitions, Doubt, Facts, Include, IncludeKind, Operand, definitions, operand_of_value, scan,
};
