//! The include scanner: every file that a compile may read, found without preprocessing.
//!
//! A closure is never too small: every branch of every conditional counts, every hit where the
//! order cannot be known, every value of a macro that names a file. What cannot be followed at all
//! is a doubt, and a compile with a doubt has to be preprocessed.

mod branches;
mod compile;
mod condition;
mod dependencies;
mod exact;
mod facts;
mod files;
mod known;
mod names;
mod places;
mod scanner;
mod text;

pub use compile::{Closure, ClosureDoubt, Compile, MacroOption, Search, Setting};
pub use condition::Condition;
pub use dependencies::prerequisites;
pub use facts::{
    Definitions, Doubt, Facts, Include, IncludeKind, Operand, definitions, operand_of_value, scan,
};
pub use files::{FileId, Files, Found};
pub use scanner::Scanner;
