//! The exact evaluator: directives carried out as the compiler does, for files whose names have to
//! be computed. What is not known for sure makes it go all ways, or give up.

mod expand;
mod expression;
mod macros;
mod run;
mod script;
mod token;

pub(crate) use run::{Exact, Request};
