//! Compilers: finding the real one behind masquerade links, and telling what it makes.

mod compiler_name;
mod find;
mod gcc;
mod object_kind;
mod processor;
mod target;

pub use compiler_name::{CompilerName, Driver, Family};
pub use find::{Compiler, Finder, generic_name};
pub use gcc::Gcc;
pub use object_kind::{CompilerVersion, Object, ObjectKind, Word};
pub use processor::processor;
pub use target::is_same_target;
