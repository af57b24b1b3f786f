//! A C or C++ compiler's command line: what it does, and what of it may leave this machine.
//!
//! Understood in one place: [`TABLE`] has a row for each option with its shape and its effect.
//! The client asks [`decide`] whether a command may be compiled elsewhere and gets the commands
//! to run and to send, or the [`Reason`] why it has to stay; [`expand`] has put the words of
//! response files in their place before. The server asks [`server_job`]
//! whether a stranger's command is one it may run, by the same table; [`tree_job`] where the
//! client's own files come with it.
//!
//! Words are bytes ([`std::ffi::OsString`]) and stay what they were; nothing here reads a file
//! (but response files, through the trait [`Files`]), a folder or the environment.
//!
//! Source of the facts: the manuals of GCC and Clang, distcc(1), and experiments that
//! `tests/interop` repeats.

mod decision;
mod explain;
mod inner_words;
mod language;
mod native;
mod options_page;
mod parse;
pub mod pragmas;
mod reading;
mod reason;
mod response_file;
mod restore;
mod server_job;
mod several;
mod source_text;
mod table;
mod tree_job;
mod wanted;

pub use decision::{Decision, Form, Job, Stay, decide};
pub use explain::{Explained, Role, explain};
pub use language::Language;
pub use native::{NativeCommand, NativeCompiler, Tuning};
pub use options_page::options_page;
pub use reading::{FOLDER_VARIABLES, MacroWord, Reading};
pub use reason::Reason;
pub use response_file::{Files, expand};
pub use restore::restore;
pub use server_job::{RESTORED_IN, Refusal, ServerJob, WHOLE_TREE, server_job};
pub use several::{Part, split};
pub use source_text::stay_for_text;
pub use table::{Effect, GROUPS, Group, Phases, Row, Shape, Since, TABLE, find};
pub use tree_job::{TreeJob, tree_job};
pub use wanted::{COMPILER_MARK, WantedCompiler, names_target};
